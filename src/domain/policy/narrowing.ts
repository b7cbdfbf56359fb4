import { CompiledRule } from './compiler.ts';
import type { SubjectType } from './vocabulary.ts';

/** A permission as it is written: `user:disable`, `signingKey:rotate`. */
export function permissionOf(action: string, subject: string): string {
  return `${subject.charAt(0).toLowerCase()}${subject.slice(1)}:${action}`;
}

/** All that these types of subject have actions for. */
export function permissionsOf(subjects: Iterable<SubjectType>): ReadonlySet<string> {
  return new Set(
    [...subjects].flatMap(({ name, actions }) => [...actions].map((action) => permissionOf(action, name))),
  );
}

/** What these rules allow of these permissions. What they deny stays denied. */
export function narrowed(rules: readonly CompiledRule[], permissions: readonly string[]): readonly CompiledRule[] {
  const held = new Set(permissions);
  return rules.flatMap((rule) => {
    if (rule.inverted) return [rule];
    // A rule for each choice of actions among its subjects.
    const subjects = Map.groupBy(rule.subject, (subject) =>
      rule.action.filter((action) => held.has(permissionOf(action, subject))).join(' '),
    );
    subjects.delete('');
    const { conditions, decision } = rule;
    return [...subjects].map(
      ([actions, subject]) =>
        new CompiledRule({ action: actions.split(' '), subject, conditions, rule: rule.rule, decision }),
    );
  });
}
