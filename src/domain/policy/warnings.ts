import type { Role } from './bundle.ts';
import { Problems, type PolicyProblem } from './problems.ts';
import type { Rule } from './rules.ts';

export function warningsOf(roles: ReadonlyMap<string, Role>): readonly PolicyProblem[] {
  const found = new Problems();
  for (const rule of [...roles.values()].flatMap(({ rules }) => rules)) warnOfNothing(rule, found);
  return found.list;
}

/** In CASL nothing is less than anything: an allow of what is old also allows what has no date. */
function warnOfNothing({ effect, where }: Rule, found: Problems): void {
  if (effect === 'deny') return;
  for (const { attribute, operator, place } of where) {
    if (operator !== 'lt' && operator !== 'lte') continue;
    const bounded = where.some(
      (other) =>
        other.attribute === attribute &&
        (['gt', 'gte'].includes(other.operator) || (other.operator === 'ne' && other.operand === null)),
    );
    if (!bounded)
      found.add(place, `${operator} also matches a record without "${attribute}"`, 'add ne: null if that is not meant');
  }
}
