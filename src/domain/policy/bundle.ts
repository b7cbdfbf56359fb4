import { createHash } from 'node:crypto';
import { isSeveral, isTest, type Single, type Test } from './conditions.ts';
import type { PolicyProblem } from './problems.ts';
import type { Rule } from './rules.ts';
import { Template } from './templates.ts';
import { type SubjectType, typeName } from './vocabulary.ts';

export interface Role {
  readonly name: string;
  readonly inherits: readonly string[];
  /** Whether the file says that whoever holds it signs in with a second factor; {@link mfaRoles} has those that inherit it. */
  readonly mfa: boolean;
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

/** @param known what rules were found to mean before, in the same vocabulary */
export function versionOf(
  subjects: Bundle['subjects'],
  roles: Bundle['roles'],
  known = new WeakMap<Rule, readonly string[]>(),
): string {
  const rolesMean = [...roles.values()].map(({ name, inherits, mfa, rules }) => {
    const atoms = rules.flatMap((rule) => {
      const texts = known.get(rule) ?? atomsOf(rule, subjects);
      known.set(rule, texts);
      return texts;
    });
    const parts = [asText(name), sorted(inherits.map(asText)), sorted(atoms)];
    // Left out where nothing is asked for: what was written before it could be means the same.
    return `[${[...parts, ...(mfa ? ['mfa'] : [])].join()}]`;
  });
  const meaning = `[${language},${vocabularyText(subjects)},${sorted(rolesMean)}]`;
  return createHash('sha256').update(meaning).digest('hex');
}

/** What the subjects mean: equal texts for equal vocabularies. */
export const vocabularyText = (subjects: Bundle['subjects']): string =>
  sorted(
    [...subjects.values()].map(({ name, actions, attributes, stepUps }) => {
      const types = [...attributes].map(([attribute, type]) => asText([attribute, typeName(type)]));
      const proofs = [...stepUps].map(([action, { level, withinSeconds }]) => asText([action, level, withinSeconds]));
      const parts = [asText(name), sorted([...actions].map(asText)), sorted(types)];
      // Left out where there are none: what was written before there were any means the same.
      return `[${[...parts, ...(proofs.length === 0 ? [] : [sorted(proofs)])].join()}]`;
    }),
  );

/** What conditions mean: equal texts for conditions that are met by the same records. */
export const whereText = (where: Rule['where']): string =>
  sorted(where.map((condition) => `[${[asText(condition.attribute), ...testMeaning(condition)].join()}]`));

/** A rule as one line for each action on each subject, so that it does not matter how they were gathered. */
function atomsOf(rule: Rule, subjects: Bundle['subjects']): readonly string[] {
  const fields = rule.fields === null ? 'null' : sorted(rule.fields.map(asText));
  const where = whereText(rule.where);
  return rule.targets.flatMap(({ subject, actions }) => {
    const within = subjects.get(subject)?.scoped === true ? rule.within : 'any';
    return actions.map((action) => {
      const what = [rule.effect, action, subject].map(asText).join();
      return `[${what},${fields},${where},${asText(within)},${asText(rule.reason)}]`;
    });
  });
}

function testMeaning({ operator, operand }: Test): readonly string[] {
  if (!isSeveral(operand)) return [asText(operator), singleMeaning(operand)];
  const items = operand.map((item) => (isTest(item) ? `[${testMeaning(item).join()}]` : singleMeaning(item)));
  return [asText(operator), sorted(items)];
}

/** A template in a list of its own: no text can be taken for it. */
const singleMeaning = (single: Single) => asText(single instanceof Template ? [single.name] : single);

const asText = (value: unknown): string => JSON.stringify(value);

/** A list of texts in one order, each once. */
const sorted = (texts: readonly string[]): string => `[${[...new Set(texts)].toSorted().join()}]`;
