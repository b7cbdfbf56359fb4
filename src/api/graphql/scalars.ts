import { GraphQLError, GraphQLScalarType, Kind, valueFromASTUntyped } from 'graphql';

const ISO = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;
const INSTANT = /^\d{4}-/;

function parseInstant(value: unknown): string {
  const [, day] = typeof value === 'string' ? (ISO.exec(value) ?? []) : [];
  const time = day === undefined || !isDay(day) ? NaN : Date.parse(String(value));
  const instant = Number.isNaN(time) ? '' : new Date(time).toISOString();
  // By its zone it may lie in another year; one that is not written in four digits compares with no other as text.
  if (!INSTANT.test(instant)) {
    throw new GraphQLError('DateTime takes ISO 8601 with a time zone, such as 2030-01-31T12:00:00Z.');
  }
  return instant;
}

/** JavaScript takes the 31st of February for the 3rd of March. */
function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

export const DateTime = new GraphQLScalarType<string, string>({
  name: 'DateTime',
  // Records hold instants in exactly this form.
  serialize: (value) => String(value),
  parseValue: parseInstant,
  parseLiteral: (node) => parseInstant(node.kind === Kind.STRING ? node.value : null),
});

function neverRead(): never {
  throw new GraphQLError('This value is only ever sent to clients.');
}

export const AttributeValue = new GraphQLScalarType<unknown, unknown>({
  name: 'AttributeValue',
  serialize: (value) => value,
  parseValue: neverRead,
});

function parseAttributes(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new GraphQLError('Attributes are an object of names and values.');
}

export const Attributes = new GraphQLScalarType<Readonly<Record<string, unknown>>, unknown>({
  name: 'Attributes',
  serialize: neverSent,
  parseValue: parseAttributes,
  parseLiteral: (node, variables) => parseAttributes(valueFromASTUntyped(node, variables)),
});

/** What may be in it is decided where it is kept, so that every door says the same. */
export const Metadata = new GraphQLScalarType<unknown, unknown>({
  name: 'Metadata',
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
});

function neverSent(): never {
  throw new GraphQLError('This value is only ever received.');
}

export const PackedRules = new GraphQLScalarType<unknown, unknown>({
  name: 'PackedRules',
  serialize: (value) => value,
  parseValue: neverRead,
});
