import { type Condition, parseWhere } from './conditions.ts';
import type { Entry, Node } from './document.ts';
import type { Place, Problems } from './problems.ts';
import { knownWords, recordOf, textOf, type Word, wordsOf } from './shape.ts';
import type { SubjectType } from './vocabulary.ts';
import { ANY_ACTION, ANY_SUBJECT } from './words.ts';

export type Effect = 'allow' | 'deny';

export interface Target {
  readonly subject: string;
  readonly actions: readonly string[];
}

/** One line of the policy. Whatever stands for several words is written out. */
export interface Rule {
  readonly effect: Effect;
  readonly role: string;
  readonly place: Place;
  readonly targets: readonly Target[];
  /** The only fields it speaks of; null for the whole record. */
  readonly fields: readonly string[] | null;
  readonly where: readonly Condition[];
  /** `grant`: holds within the scope of the grant, on subjects that have a scope. `any`: everywhere. */
  readonly within: 'grant' | 'any';
  readonly reason: string | null;
}

export type Subjects = ReadonlyMap<string, SubjectType>;

const parts = ['action', 'subject', 'fields', 'where', 'within', 'reason'];
const reasonLengthMax = 300;

export function parseRule(
  effect: Effect,
  role: string,
  node: Node,
  subjects: Subjects,
  problems: Problems,
): Rule | null {
  const entries = recordOf(node, `a rule`, parts, problems);
  if (entries === null) return null;
  const targets = parseTargets(node.place, entries, subjects, problems);
  const types = targets.flatMap(({ subject }) => subjects.get(subject) ?? []);
  const fields = parseFields(entries.get('fields')?.value, types, problems);
  const where = entries.get('where')?.value;
  const within = entries.get('within')?.value;
  const reason = entries.get('reason')?.value;
  return {
    effect,
    role,
    place: node.place,
    targets,
    fields,
    where: where === undefined ? [] : parseWhere(where, types, problems),
    within: within === undefined ? 'grant' : parseWithin(within, problems),
    reason: reason === undefined ? null : parseReason(reason, problems),
  };
}

/** What elsewhere stands for everything. */
const everything: ReadonlySet<string> = new Set(['*', 'any', 'all', 'manage', 'everything']);
const everyAction = (word: string) => (everything.has(word) ? `"${ANY_ACTION}" is every action` : undefined);
const everySubject = (word: string) => (everything.has(word) ? `"${ANY_SUBJECT}" is every subject` : undefined);

function parseTargets(
  place: Place,
  entries: ReadonlyMap<string, Entry>,
  subjects: Subjects,
  problems: Problems,
): readonly Target[] {
  const action = entries.get('action')?.value;
  const subject = entries.get('subject')?.value;
  if (action === undefined) problems.add(place, 'a rule says which action it is about');
  if (subject === undefined) problems.add(place, 'a rule says which subject it is about');
  if (action === undefined || subject === undefined) return [];

  const actions = wordsOf(action, 'an action', problems);
  const named = wordsOf(subject, 'a subject', problems);
  const isEverything = named.some(({ text }) => text === ANY_SUBJECT);
  if (isEverything && named.length > 1) problems.add(subject.place, `"${ANY_SUBJECT}" stands alone`);
  if (actions.length > 1 && actions.some(({ text }) => text === ANY_ACTION)) {
    problems.add(action.place, `"${ANY_ACTION}" stands alone`);
  }
  if (isEverything) return wherePossible(actions, subjects, problems);
  const words = knownWords(named, subjects, (word) => `there is no subject "${word}"`, problems, everySubject);
  return words.flatMap(({ text }) => target(actions, subjects.get(text), problems) ?? []);
}

/** Each action on each subject that has it; an action that no subject has is a mistake. */
function wherePossible(actions: readonly Word[], subjects: Subjects, problems: Problems): readonly Target[] {
  const all = new Map([...subjects.values()].flatMap((subject) => [...subject.actions].map((name) => [name, subject])));
  const known = actions.some(({ text }) => text === ANY_ACTION)
    ? [...all.keys()]
    : knownWords(actions, all, (word) => `no subject has an action "${word}"`, problems, everyAction).map(
        ({ text }) => text,
      );
  return [...subjects.values()].flatMap(({ name, actions: own }) => {
    const shared = known.filter((action) => own.has(action));
    return shared.length === 0 ? [] : [{ subject: name, actions: shared }];
  });
}

function target(actions: readonly Word[], subject: SubjectType | undefined, problems: Problems): Target | null {
  if (subject === undefined) return null;
  if (actions.some(({ text }) => text === ANY_ACTION)) return { subject: subject.name, actions: [...subject.actions] };
  const own = new Map([...subject.actions].map((name) => [name, name]));
  const known = knownWords(actions, own, (word) => `${subject.name} has no action "${word}"`, problems, everyAction);
  return { subject: subject.name, actions: known.map(({ text }) => text) };
}

function parseFields(
  node: Node | undefined,
  types: readonly SubjectType[],
  problems: Problems,
): readonly string[] | null {
  if (node === undefined) return null;
  let fields = wordsOf(node, 'a field', problems);
  for (const { name, attributes } of types) {
    fields = knownWords(fields, attributes, (word) => `${name} has no attribute "${word}"`, problems);
  }
  return fields.map(({ text }) => text);
}

function parseWithin(node: Node, problems: Problems): Rule['within'] {
  const word = textOf(node, 'within', problems);
  if (word === null || word.text === 'any') return 'any';
  problems.add(word.place, `within is "any"`, 'without it a rule holds within the scope of its grant');
  return 'any';
}

function parseReason(node: Node, problems: Problems): string | null {
  const word = textOf(node, 'a reason', problems);
  if (word !== null && word.text.length > reasonLengthMax) {
    problems.add(word.place, `a reason has at most ${reasonLengthMax} characters`);
  }
  return word?.text ?? null;
}
