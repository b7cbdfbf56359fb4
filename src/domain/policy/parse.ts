import { type Bundle, type Role, versionOf, vocabularyText } from './bundle.ts';
import { type Entry, type Node, type PolicyFile, readDocument } from './document.ts';
import { inheritanceCycles } from './inheritance.ts';
import { label, type Place, Problems, PROBLEMS_MAX } from './problems.ts';
import { type KnownRules, ParseCache } from './parse-cache.ts';
import { parseRule, type Effect, type Rule } from './rules.ts';
import { knownWords, listOf, mapOf, recordOf, type Word, wordsOf } from './shape.ts';
import { parseMfa } from './second-factors.ts';
import { parseSubject, type SubjectType } from './vocabulary.ts';
import { warningsOf } from './warnings.ts';
import { refusedName } from './words.ts';

export type { PolicyFile } from './document.ts';

/** What the files say of one role: it may be spread over several of them. */
interface Draft {
  readonly name: string;
  readonly place: Place;
  readonly parents: Word[];
  mfa: boolean;
  readonly rules: { readonly effect: Effect; readonly node: Node }[];
}

/** A rule is as many things as it has actions on subjects. It takes a moment to say what a policy means. */
const saidMax = 100_000;
const sizeOf = ({ targets }: Rule): number => targets.reduce((sum, { actions }) => sum + actions.length, 0);

/**
 * A whole bundle, or nothing.
 * @param cache what earlier bundles were made of: files and rules that did not change are not read again
 * @throws {PolicyError} with every problem of every file
 */
export function parseBundle(files: readonly PolicyFile[], cache = new ParseCache()): Bundle {
  const problems = new Problems(PROBLEMS_MAX);
  const sections = readSections(files, cache, problems);
  // What it declares is not known, and whoever names that would be told of mistakes they did not make.
  if (sections.length < files.length) problems.raise();
  const subjects = collectSubjects(sections, problems);
  const drafts = collectRoles(sections, problems);
  for (const cycle of inheritanceCycles(drafts)) {
    problems.add(cycle.place, `roles inherit in a circle: ${cycle.path.join(' → ')}`);
  }
  const known = cache.rulesIn(vocabularyText(subjects));
  const roles = new Map(
    [...drafts.values()].map((draft) => [draft.name, toRole(draft, drafts, subjects, known, problems)]),
  );
  if (roles.size === 0 && problems.count === 0)
    problems.add(startOf(files), 'no file declares a role', 'without roles nobody may do anything');
  const said = [...roles.values()].reduce(
    (sum, { rules }) => sum + rules.reduce((more, rule) => more + sizeOf(rule), 0),
    0,
  );
  if (said > saidMax)
    problems.add(
      startOf(files),
      `the rules say more than ${saidMax} things`,
      'each is about one action on one subject',
    );
  problems.raise();
  return { version: versionOf(subjects, roles, known.meanings), subjects, roles, warnings: warningsOf(roles) };
}

const startOf = (files: readonly PolicyFile[]): Place => ({ file: files[0]?.path ?? 'policies', line: 1, column: 1 });

function readSections(
  files: readonly PolicyFile[],
  cache: ParseCache,
  problems: Problems,
): readonly ReadonlyMap<string, Entry>[] {
  const paths = new Set<string>();
  return files.flatMap((file) => {
    if (paths.has(file.path)) problems.add(startOf([file]), 'there are two files of this path');
    paths.add(file.path);
    return (
      cache.sections(file, problems, () => {
        const root = readDocument(file, problems);
        return root === null ? null : recordOf(root, 'a policy file', ['subjects', 'roles'], problems);
      }) ?? []
    );
  });
}

function entriesOf(
  sections: readonly ReadonlyMap<string, Entry>[],
  name: string,
  problems: Problems,
): readonly Entry[] {
  return sections.flatMap((section) => {
    const value = section.get(name)?.value;
    const map = value === undefined ? null : mapOf(value, name, problems);
    return [...(map?.entries.values() ?? [])];
  });
}

function collectSubjects(
  sections: readonly ReadonlyMap<string, Entry>[],
  problems: Problems,
): Map<string, SubjectType> {
  const subjects = new Map<string, SubjectType>();
  for (const entry of entriesOf(sections, 'subjects', problems)) {
    const first = subjects.get(entry.key);
    if (first !== undefined) {
      problems.add(
        entry.place,
        `the subject "${entry.key}" is declared twice`,
        `the first is at ${label(first.place)}`,
      );
      continue;
    }
    const subject = parseSubject(entry, problems);
    if (subject !== null) subjects.set(subject.name, subject);
  }
  return subjects;
}

function collectRoles(sections: readonly ReadonlyMap<string, Entry>[], problems: Problems): Map<string, Draft> {
  const drafts = new Map<string, Draft>();
  for (const { key: name, place, value } of entriesOf(sections, 'roles', problems)) {
    const refused = refusedName('role', name);
    if (refused !== null) problems.add(place, refused);
    const parts = recordOf(value, 'a role', ['inherits', 'mfa', 'allow', 'deny'], problems);
    if (parts === null) continue;

    const draft: Draft = drafts.get(name) ?? { name, place, parents: [], mfa: false, rules: [] };
    drafts.set(name, draft);
    const parents = parts.get('inherits')?.value;
    if (parents !== undefined) draft.parents.push(...wordsOf(parents, 'a role', problems));
    const mfa = parts.get('mfa')?.value;
    if (mfa !== undefined && parseMfa(mfa, problems)) draft.mfa = true;
    for (const effect of ['allow', 'deny'] as const) {
      const rules = parts.get(effect)?.value;
      if (rules === undefined) continue;
      draft.rules.push(...listOf(rules, effect, problems).map((node) => ({ effect, node })));
    }
  }
  return drafts;
}

function toRole(
  draft: Draft,
  drafts: ReadonlyMap<string, Draft>,
  subjects: ReadonlyMap<string, SubjectType>,
  known: KnownRules,
  problems: Problems,
): Role {
  const { name, mfa } = draft;
  const parents = knownWords(draft.parents, drafts, (word) => `there is no role "${word}"`, problems);
  const rules = draft.rules.flatMap(({ effect, node }): readonly Rule[] => {
    const rule = known.rule(node, problems, () => parseRule(effect, name, node, subjects, problems));
    return rule === null ? [] : [rule];
  });
  return { name, inherits: [...new Set(parents.map(({ text }) => text))], mfa, rules };
}
