import { createHash } from 'node:crypto';
import { isSeveral, isTest, type Single, type Test } from './conditions.ts';
import type { PolicyProblem } from './problems.ts';
import type { Rule } from './rules.ts';
import { Template } from './templates.ts';
import { type SubjectType, typeName } from './vocabulary.ts';

export interface Role {
  readonly name: string;
  readonly inherits: readonly string[];
  readonly rules: readonly Rule[];
}

/** A whole policy that was checked. Never changed: a new policy is a new bundle. */
export interface Bundle {
  /** Names the meaning: equal for the same rules in any order, formatting and division into files. */
  readonly version: string;
  readonly subjects: ReadonlyMap<string, SubjectType>;
  readonly roles: ReadonlyMap<string, Role>;
  /** What is allowed but hardly meant. */
  readonly warnings: readonly PolicyProblem[];
}

/** Roles with everything inherited; each with the role it was inherited through, and null for those named. */
export type Closure = ReadonlyMap<string, string | null>;

/** Every role these roles amount to, by the shortest way. Names that are no roles are left out. */
export function roleClosure(bundle: Pick<Bundle, 'roles'>, names: Iterable<string>): Closure {
  const closure = new Map<string, string | null>();
  for (const name of names) if (bundle.roles.has(name)) closure.set(name, null);
  // A Map also visits what is added while it is walked: breadth first, each role once.
  for (const name of closure.keys()) {
    for (const parent of bundle.roles.get(name)?.inherits ?? []) {
      if (!closure.has(parent)) closure.set(parent, name);
    }
  }
  return closure;
}

/** From a role that was named down to this one. */
export function inheritancePath(closure: Closure, role: string): readonly string[] {
  const path = [role];
  for (let via = closure.get(role); typeof via === 'string'; via = closure.get(via)) path.unshift(via);
  return path;
}

/** Counts up when the same rules come to mean something else. */
const language = 1;

export function versionOf(subjects: Bundle['subjects'], roles: Bundle['roles']): string {
  const meaning = [
    language,
    sorted(
      [...subjects.values()].map(({ name, actions, attributes }) => [
        name,
        sorted(actions),
        sorted([...attributes].map(([attribute, type]) => [attribute, typeName(type)])),
      ]),
    ),
    sorted(
      [...roles.values()].map(({ name, inherits, rules }) => [
        name,
        sorted(inherits),
        sorted(rules.flatMap((rule) => atoms(rule, subjects))),
      ]),
    ),
  ];
  return createHash('sha256').update(JSON.stringify(meaning)).digest('hex');
}

/** A rule as one line for each action on each subject, so that it does not matter how they were gathered. */
function atoms(rule: Rule, subjects: Bundle['subjects']): readonly unknown[] {
  const fields = rule.fields === null ? null : sorted(rule.fields);
  const where = sorted(rule.where.map((condition) => [condition.attribute, ...testMeaning(condition)]));
  return rule.targets.flatMap(({ subject, actions }) => {
    const within = subjects.get(subject)?.scoped === true ? rule.within : 'any';
    return actions.map((action) => [rule.effect, action, subject, fields, where, within, rule.reason]);
  });
}

function testMeaning({ operator, operand }: Test): readonly unknown[] {
  if (!isSeveral(operand)) return [operator, singleMeaning(operand)];
  return [operator, sorted(operand.map((item) => (isTest(item) ? testMeaning(item) : singleMeaning(item))))];
}

/** A template in a list of its own: no text can be taken for it. */
const singleMeaning = (single: Single) => (single instanceof Template ? [single.name] : single);

/** In one order, each once. */
function sorted(items: Iterable<unknown>): readonly unknown[] {
  const texts = new Map([...items].map((item) => [JSON.stringify(item), item]));
  return [...texts].toSorted(([a], [b]) => (a < b ? -1 : Number(a > b))).map(([, item]) => item);
}
