import type { Entry, Node } from './document.ts';
import type { Place, Problems } from './problems.ts';
import { otherWord } from './other-words.ts';
import { mapOf, recordOf, textOf, wordsOf } from './shape.ts';
import { parseStepUps, type StepUps } from './step-ups.ts';
import { clip, didYouMean, refusedName } from './words.ts';

const plainKinds = ['id', 'string', 'number', 'boolean', 'datetime', 'scope'] as const;
type PlainKind = (typeof plainKinds)[number];

export type ScalarType = { readonly kind: PlainKind } | { readonly kind: 'enum'; readonly values: readonly string[] };
export type AttributeType = ScalarType | { readonly kind: 'list'; readonly of: ScalarType };

/** What the policy may speak of: a type of record, what can be done to it, and what is known of it. */
export interface SubjectType {
  readonly name: string;
  readonly place: Place;
  readonly actions: ReadonlySet<string>;
  readonly attributes: ReadonlyMap<string, AttributeType>;
  /** What the sessions of those who are allowed to must have proven. It changes nothing about what is allowed. */
  readonly stepUps: StepUps;
  /** Has an attribute of type scope; its records carry `scopes`, that scope and every scope above it. */
  readonly scoped: boolean;
}

const scopesType: AttributeType = { kind: 'list', of: { kind: 'scope' } };

/** The attributes conditions may speak of: the declared ones, and `scopes` where there is a scope. */
export const attributeOf = (subject: SubjectType, name: string): AttributeType | undefined =>
  name === 'scopes' && subject.scoped ? scopesType : subject.attributes.get(name);

/** The attribute that says where a record is; undefined for subjects without a scope. */
export const scopeAttributeOf = (subject: SubjectType): string | undefined =>
  [...subject.attributes].find(([, { kind }]) => kind === 'scope')?.[0];

export function typeName(type: AttributeType): string {
  if (type.kind === 'list') return `list(${typeName(type.of)})`;
  return type.kind === 'enum' ? `enum(${type.values.join(', ')})` : type.kind;
}

export function parseSubject({ key: name, place, value }: Entry, problems: Problems): SubjectType | null {
  const refused = refusedName('subject', name);
  if (refused !== null) problems.add(place, refused);
  const parts = recordOf(value, 'a subject', ['actions', 'attributes', 'stepUp'], problems);
  if (parts === null) return null;

  const actions = parts.get('actions')?.value;
  if (actions === undefined) problems.add(place, `${clip(name)} declares no actions`);
  const words = actions === undefined ? [] : wordsOf(actions, 'an action', problems);
  for (const word of words) {
    const refusedAction = refusedName('action', word.text);
    if (refusedAction !== null) problems.add(word.place, refusedAction);
  }
  const attributes = parseAttributes(parts.get('attributes')?.value, problems);
  const known = new Set(words.map(({ text }) => text));
  return {
    name,
    place,
    actions: known,
    attributes,
    stepUps: parseStepUps(parts.get('stepUp')?.value, name, known, problems),
    scoped: [...attributes.values()].some(({ kind }) => kind === 'scope'),
  };
}

function parseAttributes(node: Node | undefined, problems: Problems): Map<string, AttributeType> {
  const attributes = new Map<string, AttributeType>();
  const declared = node === undefined ? null : mapOf(node, 'attributes', problems);
  let scope: string | undefined;
  for (const { key, place, value } of declared?.entries.values() ?? []) {
    const refused = refusedName('attribute', key);
    if (refused !== null) problems.add(place, refused);
    const type = parseType(value, problems);
    if (type === null) continue;
    // Grants are bound to the scope of a record, and a record is in one place only.
    if (type.kind === 'scope' && scope !== undefined) {
      problems.add(place, `a subject has one scope, and "${scope}" is it already`);
      continue;
    }
    if (type.kind === 'scope') scope = key;
    attributes.set(key, type);
  }
  return attributes;
}

/** `string`, `enum(a, b)`, `list(string)`; inside `{ }`, where commas part entries, `{ enum: [a, b] }`. */
function parseType(node: Node, problems: Problems): AttributeType | null {
  if (node.kind === 'map') return parseLongType(node, problems);
  if (node.kind === 'list') {
    problems.add(
      node.place,
      'the type of an attribute is a text, not a list',
      'write list(string), or { enum: [a, b] }',
    );
    return null;
  }
  const written = textOf(node, 'the type of an attribute', problems);
  if (written === null) return null;

  const [, outer, inner] = /^(enum|list)\(([^()]*(?:\([^()]*\))?)\)$/.exec(written.text) ?? [];
  if (outer === 'enum' && inner !== undefined) return enumOf(inner.split(','), written.place, problems);
  const type = outer === 'list' && inner !== undefined ? inner.trim() : written.text;
  const values = outer === 'list' ? /^enum\(([^()]*)\)$/.exec(type)?.[1] : undefined;
  const scalar =
    values === undefined
      ? plainType(type, written.place, problems)
      : enumOf(values.split(','), written.place, problems);
  return scalar !== null && outer === 'list' ? { kind: 'list', of: scalar } : scalar;
}

function parseLongType(node: Node, problems: Problems): AttributeType | null {
  const parts = recordOf(node, 'the type of an attribute', ['enum', 'list'], problems);
  const values = parts?.get('enum')?.value;
  const of = parts?.get('list')?.value;
  if ((values === undefined) === (of === undefined)) {
    problems.add(node.place, 'the type of an attribute is a name, or a map with either enum or list');
    return null;
  }
  if (values !== undefined) {
    const words = wordsOf(values, 'a value of an enum', problems).map(({ text }) => text);
    return words.length === 0 ? null : enumOf(words, values.place, problems);
  }
  const element = of === undefined ? null : parseType(of, problems);
  if (element?.kind !== 'list') return element === null ? null : { kind: 'list', of: element };
  problems.add(node.place, 'a list holds single values, not lists');
  return null;
}

function plainType(name: string, place: Place, problems: Problems): ScalarType | null {
  const kind = plainKinds.find((known) => known === name);
  if (kind !== undefined) return { kind };
  const hint = name.startsWith('enum(')
    ? 'inside { } write { enum: [a, b] }'
    : (otherWord('the type of an attribute', name) ??
      didYouMean(name, [...plainKinds, 'enum', 'list']) ??
      `there are ${plainKinds.join(', ')}, enum(…) and list(…)`);
  problems.add(place, `"${clip(name)}" is no type of an attribute`, hint);
  return null;
}

function enumOf(words: readonly string[], place: Place, problems: Problems): ScalarType | null {
  const values = words.map((word) => word.trim());
  const wrong = values.find(
    (value, index) => !/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(value) || values.indexOf(value) !== index,
  );
  if (wrong === undefined) return { kind: 'enum', values };
  problems.add(place, `"${clip(wrong)}" is no value of an enum, or stands there twice`);
  return null;
}
