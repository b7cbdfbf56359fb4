import type { Role } from './bundle.ts';
import { isSeveral, isTest, type Single, type Test } from './conditions.ts';
import { Problems, type PolicyProblem } from './problems.ts';
import type { Rule } from './rules.ts';
import { clip } from './words.ts';

export function warningsOf(roles: ReadonlyMap<string, Role>): readonly PolicyProblem[] {
  const found = new Problems();
  for (const rule of [...roles.values()].flatMap(({ rules }) => rules)) {
    warnOfNothing(rule, found);
    warnOfTexts(rule, found);
  }
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

/** A template of another language, and a pattern: as a text they are equal to nothing, so that a deny with one never holds. */
function warnOfTexts({ where }: Rule, found: Problems): void {
  for (const condition of where) {
    for (const text of textsIn(condition)) {
      const message = `"${clip(text)}" is compared as it stands`;
      if (/principal\.|^\$|\{\{/.test(text))
        found.add(condition.place, message, "a template is written '${principal.id}'");
      else if (/\*|^\^|^\/.*\/$/.test(text)) found.add(condition.place, message, 'there are no patterns');
    }
  }
}

function textsIn({ operand }: Test): readonly string[] {
  const operands = isSeveral(operand) ? operand : [operand];
  return operands.flatMap((each: Single | Test) => {
    if (typeof each === 'string') return [each];
    return isTest(each) ? textsIn(each) : [];
  });
}
