import { type Condition, isSeveral, isTest, type Test } from './conditions.ts';
import { Template, type TemplateValues } from './templates.ts';
import type { AttributeType, ScalarType } from './vocabulary.ts';

/** That a record has no such attribute. */
export const ABSENT = Symbol('absent');

/** So many single values are combined into lists. */
const combinedMax = 6;

/**
 * Values an attribute might have, so that some conditions on it hold and others do not: what the conditions name, and
 * what is next to it. The likeliest first; no condition of the language needs any other value to be met or missed.
 */
export function candidates(type: AttributeType, tests: readonly Condition[], principal: TemplateValues): unknown[] {
  const named = tests.flatMap((test) => literals(test, principal));
  if (type.kind !== 'list') return unique([...singles(type, named), null, ABSENT]);

  const items = unique(singles(type.of, named)).slice(0, combinedMax);
  const pairs = items.flatMap((a, at) => items.slice(at + 1).map((b) => [a, b]));
  const demanded = tests.filter(({ operator }) => operator === 'all').flatMap((test) => literals(test, principal));
  const lists = [...items.map((item) => [item]), ...pairs, unique(demanded), unique(named), []];
  const sizes = tests.flatMap(({ operator, operand }) =>
    operator === 'size' && typeof operand === 'number' ? [operand, operand + 1] : [],
  );
  const padded = lists.flatMap((list) => sizes.map((size) => pad(list, size, items[0])));
  return [...lists, ...padded, null, ABSENT];
}

function literals({ operator, operand }: Test, principal: TemplateValues): readonly unknown[] {
  if (operator === 'size' || operator === 'exists') return [];
  const operands = isSeveral(operand) ? operand : [operand];
  return operands.flatMap((item) => {
    if (isTest(item)) return literals(item, principal);
    return [item instanceof Template ? principal[item.name] : item].filter((value) => value !== null);
  });
}

function singles(type: ScalarType, named: readonly unknown[]): readonly unknown[] {
  if (type.kind === 'enum') return [...named, ...type.values];
  if (type.kind === 'boolean') return [...named, true, false];
  if (type.kind === 'number') {
    return [...named, ...named.flatMap((value) => (typeof value === 'number' ? [value + 1, value - 1] : [])), 0];
  }
  const texts = named.filter((value) => typeof value === 'string');
  if (type.kind === 'datetime') return [...named, ...texts.flatMap(neighbours), '2000-01-01T00:00:00.000Z'];
  return [...named, texts.includes('other') ? `${texts.join('')}-other` : 'other'];
}

function neighbours(datetime: string): readonly string[] {
  const at = Date.parse(datetime);
  return [1, -1].map((step) => new Date(at + step).toISOString());
}

/** A list of this size with every element of the list in it, when there is room. */
const pad = (list: readonly unknown[], size: number, filler: unknown): readonly unknown[] =>
  Array.from({ length: size }, (_, at) => list[at] ?? list.at(-1) ?? filler ?? null);

const unique = (values: readonly unknown[]): unknown[] => [...new Set(values)];
