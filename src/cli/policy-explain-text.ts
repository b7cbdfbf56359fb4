import type { ExplainedCondition, ExplainedRule } from '../domain/policy/explain.ts';
import type { Explained } from './policy-explain.ts';
import { clip, short, WIDTH, wrap } from './policy-text.ts';

const VALUE_COLUMNS = 80;

export function explanationLines(explained: Explained): readonly string[] {
  const { who, what, allowed, reason, rule, nearestMiss, note, policyVersion } = explained;
  return [
    ...wrap(`${allowed ? 'ALLOWED' : 'DENIED'}: ${who} ${allowed ? 'may' : 'may not'} ${what}.`),
    ...wrap(`  ${reason}`, '  '),
    ...(note === null ? [] : wrap(`  ${note}`, '  ')),
    ...(rule === null ? [] : ['', ...ruleLines(`Decided by ${rule.rule}`, rule)]),
    ...(nearestMiss === null ? [] : ['', ...ruleLines(`Nearest miss: ${nearestMiss.rule}`, nearestMiss)]),
    ...(allowed ? [] : needLines(explained)),
    '',
    `Policy version ${short(policyVersion)}.`,
  ];
}

function ruleLines(title: string, { effect, role, inheritance, conditions }: ExplainedRule): readonly string[] {
  const path = inheritance.length < 2 ? `the role ${role}` : `the role ${role}, inherited: ${inheritance.join(' → ')}`;
  return [
    ...wrap(`${title}: ${effect === 'allow' ? 'an allow' : 'a deny'} of ${path}`),
    ...(conditions.length === 0 ? ['  without conditions'] : conditions.flatMap(conditionLines)),
  ];
}

function conditionLines({ attribute, operator, expected, actual, holds, note }: ExplainedCondition): readonly string[] {
  const wanted = `  ${holds ? 'holds' : 'fails'}  ${attribute} ${operator} ${shown(expected)}`;
  const found = `is ${shown(actual)}${note === undefined || note === null ? '' : ` (${note})`}`;
  const line = `${wanted}; it ${found}`;
  return line.length <= WIDTH
    ? [line]
    : [...wrap(wanted, ' '.repeat(11)), ...wrap(`         it ${found}`, ' '.repeat(11))];
}

/** Nothing at all, where the record has no such attribute. */
const shown = (value: unknown): string =>
  value === undefined ? 'missing' : clip(JSON.stringify(value), VALUE_COLUMNS);

function needLines({ needs, roles }: Explained): readonly string[] {
  if (needs !== null) return ['', 'To be allowed:', ...needs.flatMap((need) => wrap(`  ${need}`))];
  if (roles.length > 0) return ['', ...wrap(`Roles that could allow it: ${roles.join(', ')}`)];
  return ['', 'No role of this policy could allow it.'];
}
