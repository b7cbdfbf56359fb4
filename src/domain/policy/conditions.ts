import type { Entry, Node, ScalarNode } from './document.ts';
import type { Place, Problems } from './problems.ts';
import { mapOf } from './shape.ts';
import { parseTemplate, Template } from './templates.ts';
import { misfit } from './values.ts';
import { type AttributeType, type ScalarType, attributeOf, type SubjectType, typeName } from './vocabulary.ts';
import { otherWord } from './other-words.ts';
import { clip, didYouMean, isForbidden, nearOrAll } from './words.ts';

/** Closed: no regular expressions and no code, so that a rule costs what it says and every operator has its SQL. */
export const operators = [
  'eq',
  'ne',
  'in',
  'nin',
  'gt',
  'gte',
  'lt',
  'lte',
  'exists',
  'all',
  'size',
  'elemMatch',
] as const;
export type Operator = (typeof operators)[number];

export type Single = string | number | boolean | null | Template;
export interface Test {
  readonly operator: Operator;
  /** A single value; a list of them for in, nin and all; tests of one element for elemMatch. */
  readonly operand: Single | readonly (Single | Test)[];
}
export interface Condition extends Test {
  readonly attribute: string;
  readonly place: Place;
}

const listMax = 1000;

/** Conditions of a `where`, which must hold together, checked against the type of each attribute in each subject. */
export function parseWhere(node: Node, subjects: readonly SubjectType[], problems: Problems): readonly Condition[] {
  const map = mapOf(node, 'where', problems, 'as { status: draft }');
  if (map !== null && map.entries.size === 0) {
    problems.add(node.place, 'an empty where matches everything', 'leave it away if that is meant');
  }
  return [...(map?.entries.values() ?? [])].flatMap((entry) => {
    const type = sharedType(entry, subjects, problems);
    if (type === null) return [];
    const tests = parseTests(entry.value, type, problems);
    if (entry.key === 'scopes' && tests.some(({ operator }) => operator === 'in')) {
      // The bond to the scope of a grant is `scopes: { in: … }` itself, and there is one of each operator.
      problems.add(entry.place, 'scopes have no "in"', 'write elemMatch: { in: [...] }');
    }
    return tests.map((test) => ({ ...test, attribute: entry.key, place: entry.place }));
  });
}

function sharedType({ key, place }: Entry, subjects: readonly SubjectType[], problems: Problems): AttributeType | null {
  let shared: AttributeType | null = null;
  for (const subject of subjects) {
    const type = attributeOf(subject, key);
    if (type === undefined) {
      problems.add(
        place,
        `${subject.name} has no attribute "${clip(key)}"`,
        otherWord('a condition', key) ?? nearOrAll(key, subject.attributes.keys()),
      );
      return null;
    }
    if (shared !== null && typeName(shared) !== typeName(type)) {
      problems.add(place, `"${key}" is ${typeName(shared)} in one subject and ${typeName(type)} in another`);
      return null;
    }
    shared = type;
  }
  return shared;
}

function operatorsOf(type: AttributeType): readonly Operator[] {
  if (type.kind === 'list') return ['eq', 'ne', 'in', 'nin', 'exists', 'all', 'size', 'elemMatch'];
  if (type.kind === 'boolean') return ['eq', 'ne', 'exists'];
  // Texts have no order: JavaScript's and the database's would differ.
  if (type.kind === 'number' || type.kind === 'datetime') {
    return ['eq', 'ne', 'in', 'nin', 'gt', 'gte', 'lt', 'lte', 'exists'];
  }
  return ['eq', 'ne', 'in', 'nin', 'exists'];
}

function parseTests(node: Node, type: AttributeType, problems: Problems): readonly Test[] {
  if (node.kind === 'scalar') return asTests('eq', parseSingle(node, element(type), problems));
  if (node.kind === 'list') {
    problems.add(node.place, 'a condition is a value or a map of operators', 'for several values write in: or all:');
    return [];
  }
  if (node.entries.size === 0) problems.add(node.place, 'a condition needs an operator');
  const known = operatorsOf(type);
  return [...node.entries.values()].flatMap(({ key, place, value }) => {
    const operator = operators.find((name) => name === key);
    if (operator !== undefined && known.includes(operator)) return parseTest(operator, value, type, problems);
    const hint = didYouMean(key.replace('$', ''), known) ?? `there are ${known.join(', ')}`;
    problems.add(place, `${typeName(type)} has no operator "${clip(key)}"`, hint);
    return [];
  });
}

function parseTest(operator: Operator, node: Node, type: AttributeType, problems: Problems): readonly Test[] {
  if (operator === 'elemMatch') return parseElementTests(node, element(type), problems);
  if (operator === 'in' || operator === 'nin' || operator === 'all') {
    return asTests(operator, parseSeveral(operator, node, element(type), problems));
  }
  if (node.kind !== 'scalar') {
    problems.add(node.place, `${operator} compares with a single value`);
    return [];
  }
  if (operator === 'exists' || operator === 'size') return parseAbout(operator, node, problems);
  const single = parseSingle(node, element(type), problems);
  if (single === null && operator !== 'eq' && operator !== 'ne') {
    problems.add(node.place, `nothing is in order with null`, 'null goes with eq and ne only');
    return [];
  }
  return asTests(operator, single);
}

function parseAbout(operator: 'exists' | 'size', { value, place }: ScalarNode, problems: Problems): readonly Test[] {
  const fits =
    operator === 'exists'
      ? typeof value === 'boolean'
      : typeof value === 'number' && Number.isInteger(value) && value >= 0;
  if (fits) return [{ operator, operand: value }];
  problems.add(place, operator === 'exists' ? 'exists is true or false' : 'size is a whole number, 0 or more');
  return [];
}

function parseElementTests(node: Node, type: ScalarType, problems: Problems): readonly Test[] {
  const before = problems.count;
  const tests = parseTests(node, type, problems);
  const wrong = tests.find(({ operator, operand }) => operand === null || operator === 'exists');
  if (wrong !== undefined)
    problems.add(node.place, 'the elements of a list are always there', 'null and exists say nothing of them');
  return problems.count === before && tests.length > 0 ? [{ operator: 'elemMatch', operand: tests }] : [];
}

function parseSeveral(
  operator: Operator,
  node: Node,
  type: ScalarType,
  problems: Problems,
): readonly Single[] | undefined {
  if (node.kind !== 'list') {
    problems.add(node.place, `${operator} takes a list`);
    return undefined;
  }
  if (node.items.length === 0 || node.items.length > listMax) {
    problems.add(node.place, `${operator} takes 1 to ${listMax} values`);
    return undefined;
  }
  return node.items.flatMap((item) => {
    const single = item.kind === 'scalar' ? parseSingle(item, type, problems) : undefined;
    if (item.kind !== 'scalar' || single === null) {
      problems.add(item.place, `${operator} takes single values, and no null`, 'null goes with eq and ne only');
    }
    return single === undefined || single === null ? [] : [single];
  });
}

function parseSingle(node: ScalarNode, type: ScalarType, problems: Problems): Single | undefined {
  const { value, place } = node;
  const template = typeof value === 'string' ? parseTemplate(value) : null;
  if (template instanceof Template) {
    if (template.fits(type)) return template;
    problems.add(place, `${template.toString()} is no ${typeName(type)}`);
    return undefined;
  }
  if (template !== null) {
    problems.add(place, template.refused, template.hint);
    return undefined;
  }
  const reserved =
    typeof value === 'string' && isForbidden(value) ? { message: `"${clip(value)}" is a reserved name` } : null;
  const wrong: { message: string; hint?: string } | null = reserved ?? misfit(type, value);
  if (wrong === null) return value;
  problems.add(place, wrong.message, wrong.hint);
  return undefined;
}

const element = (type: AttributeType): ScalarType => (type.kind === 'list' ? type.of : type);

const asTests = (operator: Operator, operand: Single | readonly Single[] | undefined): readonly Test[] =>
  operand === undefined ? [] : [{ operator, operand }];

/** Every template these tests mention. */
export const templatesIn = (tests: readonly Test[]): readonly Template[] =>
  tests.flatMap(({ operand }) => {
    if (!isSeveral(operand)) return operand instanceof Template ? [operand] : [];
    return operand.flatMap((item: Single | Test) => {
      if (item instanceof Template) return [item];
      return isTest(item) ? templatesIn([item]) : [];
    });
  });

export const isSeveral = (operand: Test['operand']): operand is readonly (Single | Test)[] => Array.isArray(operand);

export const isTest = (item: Single | Test): item is Test =>
  typeof item === 'object' && item !== null && !(item instanceof Template);
