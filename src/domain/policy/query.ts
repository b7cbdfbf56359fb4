import type { MongoQuery } from '@casl/ability';
import { type Condition, isSeveral, isTest, type Single, type Test } from './conditions.ts';
import type { Template } from './templates.ts';

/** What stands in the place of a template. */
export type Resolve = (template: Template) => unknown;

/**
 * Conditions as CASL writes them. `reach` binds them to the scopes of a grant: records carry their own scope and all
 * above it in `scopes`, so that a grant matches by segment, and plain CASL in a browser decides the same.
 */
export function toQuery(where: readonly Condition[], reach: readonly string[] | null, resolve: Resolve): MongoQuery {
  const query: Record<string, Record<string, unknown>> = {};
  for (const condition of where)
    (query[condition.attribute] ??= {})[`$${condition.operator}`] = operandOf(condition, resolve);
  if (reach !== null) (query['scopes'] ??= {})['$in'] = [...reach];
  return query;
}

function operandOf({ operator, operand }: Test, resolve: Resolve): unknown {
  if (!isSeveral(operand)) return singleOf(operand, resolve);
  if (operator !== 'elemMatch') return operand.map((item) => (isTest(item) ? null : singleOf(item, resolve)));
  return Object.fromEntries(operand.filter(isTest).map((test) => [`$${test.operator}`, operandOf(test, resolve)]));
}

const singleOf = (single: Single, resolve: Resolve) =>
  typeof single === 'object' && single !== null ? resolve(single) : single;
