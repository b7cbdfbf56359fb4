import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLInputField,
  type GraphQLInputType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';

/** Something that is looked for afterwards, as it would stand in a place of this name. */
export type Plant = (place: string, form: Form) => string;
export type Form = 'text' | 'id' | 'address' | 'password';

export interface PlantedOperation {
  readonly kind: 'query' | 'mutation' | 'subscription';
  readonly field: string;
  /** With every value as a variable. */
  readonly document: string;
  readonly variables: Readonly<Record<string, unknown>>;
  /** With every value written into it. */
  readonly literal: string;
}

/** Every field that a document can begin with and that takes anything, with all that it takes. */
export function plantedOperations(plant: Plant): readonly PlantedOperation[] {
  const schema = createSchema();
  const roots = [
    ['query', schema.getQueryType()],
    ['mutation', schema.getMutationType()],
    ['subscription', schema.getSubscriptionType()],
  ] as const;
  return roots.flatMap(([kind, root]) =>
    Object.values(root?.getFields() ?? {})
      .filter(({ args }) => args.length > 0)
      .map(({ name: field, args, type }): PlantedOperation => {
        const values = args.map((arg) => [arg.name, valueOf(arg, `${field}.${arg.name}`, plant)] as const);
        const selection = isCompositeType(getNamedType(type)) ? ' { __typename }' : '';
        const heads = args.map((arg) => `$${arg.name}: ${String(arg.type)}`).join(', ');
        const passed = args.map(({ name }) => `${name}: $${name}`).join(', ');
        const written = values.map(([name, value]) => `${name}: ${literalOf(value)}`).join(', ');
        return {
          kind,
          field,
          document: `${kind} (${heads}) { ${field}(${passed})${selection} }`,
          variables: Object.fromEntries(values.map(([name, value]) => [name, plain(value)])),
          literal: `${kind} { ${field}(${written})${selection} }`,
        };
      }),
  );
}

/** A word of the schema, which is written without quotes. */
class Word {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** Values of scalars that are well formed, and as much of somebody's own as they can be. */
const SCALARS: Readonly<Record<string, (place: string, plant: Plant) => unknown>> = {
  ID: (place, plant) => plant(place, 'id'),
  String: (place, plant) => plant(place, formOf(place)),
  Int: () => 1,
  Float: () => 1,
  Boolean: () => true,
  DateTime: () => '2030-01-01T00:00:00.000Z',
  Metadata: (place, plant) => ({ note: plant(place, 'text') }),
  Attributes: (place, plant) => ({ ownerId: plant(place, 'text') }),
  AttributeValue: (place, plant) => plant(place, 'text'),
  _Any: (place, plant) => ({
    __typename: 'User',
    id: plant(`${place}.id`, 'id'),
    email: plant(`${place}.email`, 'address'),
  }),
};

function formOf(place: string): Form {
  const name = place.slice(place.lastIndexOf('.') + 1);
  if (/email/i.test(name)) return 'address';
  return /password/i.test(name) ? 'password' : 'text';
}

function valueOf({ type }: GraphQLArgument | GraphQLInputField, place: string, plant: Plant): unknown {
  return valueOfType(type, place, plant);
}

function valueOfType(type: GraphQLInputType, place: string, plant: Plant): unknown {
  if (isNonNullType(type)) return valueOfType(type.ofType, place, plant);
  if (isListType(type)) return [valueOfType(type.ofType, place, plant)];
  if (isEnumType(type)) return new Word(type.getValues()[0]?.name ?? '');
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields());
    return Object.fromEntries(fields.map((field) => [field.name, valueOf(field, `${place}.${field.name}`, plant)]));
  }
  const scalar = SCALARS[type.name];
  if (scalar === undefined) throw new TypeError(`a value of ${type.name} is needed here`);
  return scalar(place, plant);
}

function plain(value: unknown): unknown {
  if (value instanceof Word) return value.name;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

function literalOf(value: unknown): string {
  if (value instanceof Word) return value.name;
  if (Array.isArray(value)) return `[${value.map(literalOf).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([name, each]) => `${name}: ${literalOf(each)}`)
    .join(', ')} }`;
}
