import type { Bundle } from './bundle.ts';
import { label } from './problems.ts';
import { toQuery } from './query.ts';
import type { Effect, Rule } from './rules.ts';

/** A condition as it is written, with templates as texts. */
export interface PermissionCondition {
  readonly attribute: string;
  readonly operator: string;
  readonly expected: unknown;
}

/** What one rule says of one action on one type of subject. */
export interface RulePermission {
  readonly action: string;
  readonly subject: string;
  readonly effect: Effect;
  /** The only fields it speaks of; null for the whole record. */
  readonly fields: readonly string[] | null;
  readonly conditions: readonly PermissionCondition[];
  readonly reason: string | null;
  /** `policies/users.yaml:12` */
  readonly rule: string;
  /** Whether it holds in the scope of its grant only. */
  readonly bounded: boolean;
}

/** What the rules that stand in this role itself come to; nothing for a role that the policy does not have. */
export function permissionsOfRole(bundle: Bundle, role: string): readonly RulePermission[] {
  return (bundle.roles.get(role)?.rules ?? []).flatMap((rule) =>
    rule.targets.flatMap(({ subject, actions }) => {
      const bounded = rule.within === 'grant' && bundle.subjects.get(subject)?.scoped === true;
      return actions.map((action) => ({ action, subject, bounded, ...writtenIn(rule) }));
    }),
  );
}

function writtenIn({ effect, fields, where, reason, place }: Rule) {
  const conditions = where.map((condition) => {
    const { attribute, operator } = condition;
    const query = toQuery([condition], null, String);
    return { attribute, operator, expected: Object.values(Object(query[attribute]))[0] };
  });
  return { effect, fields, conditions, reason, rule: label(place) };
}
