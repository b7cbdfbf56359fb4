import type { Bundle } from './bundle.ts';
import { type Entry, type Node, type PolicyFile, readDocument } from './document.ts';
import { type Place, type Problems } from './problems.ts';
import { makeRecord } from './record.ts';
import type { GrantFacts } from './compiler.ts';
import { knownWords, listOf, mapOf, recordOf, textOf, type Word, wordsOf } from './shape.ts';
import { type PrincipalFacts, templateNames } from './templates.ts';
import type { SubjectRecord } from '../principals/principal.ts';
import { misfit } from './values.ts';
import { nearOrAll } from './words.ts';

export interface CasePrincipal {
  readonly facts: PrincipalFacts;
  readonly grants: readonly GrantFacts[];
}

/** One line of a decision table. Several actions or fields are several questions with the same answer. */
export interface PolicyCase {
  readonly place: Place;
  readonly principal: CasePrincipal;
  readonly actions: readonly string[];
  readonly subject: SubjectRecord;
  readonly fields: readonly (string | undefined)[];
  readonly expect: 'allow' | 'deny';
}

/** The cases of one file; what is wrong with it goes to `problems`. */
export function parseCases(file: PolicyFile, bundle: Bundle, problems: Problems): readonly PolicyCase[] {
  const root = readDocument(file, problems);
  const parts = root === null ? null : recordOf(root, 'a file of cases', ['principals', 'cases'], problems);
  if (root === null || parts === null) return [];

  const principals = parsePrincipals(parts.get('principals')?.value, bundle, problems);
  const cases = parts.get('cases')?.value;
  if (cases === undefined) problems.add(root.place, 'a file of cases has cases');
  const nodes = cases === undefined ? [] : listOf(cases, 'cases', problems);
  return nodes.flatMap((node) => parseCase(node, principals, bundle, problems) ?? []);
}

function parsePrincipals(
  node: Node | undefined,
  bundle: Bundle,
  problems: Problems,
): ReadonlyMap<string, CasePrincipal> {
  const map = node === undefined ? null : mapOf(node, 'principals', problems);
  return new Map(
    [...(map?.entries.values() ?? [])].flatMap(({ key, value }) => {
      const parts = recordOf(value, 'a principal', [...templateNames, 'grants'], problems);
      if (parts === null) return [];
      const facts: Record<string, string> = {};
      for (const name of templateNames) {
        const fact = parts.get(name)?.value;
        const word = fact === undefined ? null : textOf(fact, name, problems);
        if (word !== null) facts[name] = word.text;
      }
      const grants = parts.get('grants')?.value;
      const held = grants === undefined ? [] : listOf(grants, 'grants', problems);
      return [
        [
          key,
          { facts: { id: key, ...facts }, grants: held.flatMap((grant) => parseGrant(grant, bundle, problems) ?? []) },
        ],
      ];
    }),
  );
}

function parseGrant(node: Node, bundle: Bundle, problems: Problems): GrantFacts | null {
  const parts = recordOf(node, 'a grant', ['role', 'scope'], problems);
  const role = parts?.get('role')?.value;
  const scope = parts?.get('scope')?.value;
  if (parts !== null && role === undefined) problems.add(node.place, 'a grant names a role');
  const name = role === undefined ? null : textOf(role, 'a role', problems);
  const known = name === null ? [] : knownWords([name], bundle.roles, (word) => `there is no role "${word}"`, problems);
  const everywhere = scope === undefined || (scope.kind === 'scalar' && scope.value === null);
  const path = everywhere ? null : textOf(scope, 'a scope', problems);
  const wrong = path === null ? null : misfit({ kind: 'scope' }, path.text);
  if (path !== null && wrong !== null) problems.add(path.place, wrong.message, wrong.hint);
  // A scope that could not be read must not come to mean everywhere.
  if (known.length === 0 || name === null || (!everywhere && path === null)) return null;
  return { role: name.text, scope: path?.text ?? null };
}

const parts = ['principal', 'action', 'subject', 'object', 'field', 'expect'] as const;

function parseCase(
  node: Node,
  principals: ReadonlyMap<string, CasePrincipal>,
  bundle: Bundle,
  problems: Problems,
): PolicyCase | null {
  const entries = recordOf(node, 'a case', parts, problems);
  if (entries === null) return null;
  const word = (name: (typeof parts)[number]) => required(node, entries, name, problems);

  const principal = word('principal');
  const actor = principal === null ? undefined : principals.get(principal.text);
  if (principal !== null && actor === undefined) {
    problems.add(
      principal.place,
      `there is no principal "${principal.text}"`,
      nearOrAll(principal.text, principals.keys()) ?? 'principals of the same file say who there is',
    );
  }
  const answer = parseExpected(node, entries.get('expect')?.value, problems);

  const subject = word('subject');
  const type = subject === null ? undefined : bundle.subjects.get(subject.text);
  if (subject === null) return null;
  if (type === undefined) {
    problems.add(
      subject.place,
      `there is no subject "${subject.text}"`,
      nearOrAll(subject.text, bundle.subjects.keys()),
    );
    return null;
  }
  const actions = known(entries.get('action')?.value, [type.name, 'action'], type.actions, problems);
  if (!entries.has('action')) problems.add(node.place, 'a case says which action it is about');
  const fields = known(entries.get('field')?.value, [type.name, 'field'], new Set(type.attributes.keys()), problems);
  const record = parseObject(entries.get('object')?.value, type.name, bundle, problems);
  if (actor === undefined || answer === undefined || record === null) return null;
  const asked = fields.length === 0 ? [undefined] : fields;
  return { place: node.place, principal: actor, actions, subject: record, fields: asked, expect: answer };
}

function required(node: Node, entries: ReadonlyMap<string, Entry>, name: string, problems: Problems): Word | null {
  const value = entries.get(name)?.value;
  if (value === undefined) problems.add(node.place, `a case has no "${name}"`);
  return value === undefined ? null : textOf(value, name, problems);
}

function parseExpected(of: Node, node: Node | undefined, problems: Problems): PolicyCase['expect'] | undefined {
  if (node === undefined) problems.add(of.place, 'a case has no "expect"');
  const answer = (['allow', 'deny'] as const).find((known) => node?.kind === 'scalar' && node.value === known);
  if (node !== undefined && answer === undefined) problems.add(node.place, 'expect is allow or deny');
  return answer;
}

function known(
  node: Node | undefined,
  [subject, what]: readonly [subject: string, what: 'action' | 'field'],
  words: ReadonlySet<string>,
  problems: Problems,
): readonly string[] {
  if (node === undefined) return [];
  const unknown = (word: string) => `${subject} has no ${what} "${word}"`;
  return knownWords(wordsOf(node, what === 'action' ? 'an action' : 'a field', problems), words, unknown, problems).map(
    ({ text }) => text,
  );
}

function parseObject(
  node: Node | undefined,
  typeName: string,
  bundle: Bundle,
  problems: Problems,
): SubjectRecord | null {
  const type = bundle.subjects.get(typeName);
  const map = node === undefined ? null : mapOf(node, 'an object', problems);
  if (type === undefined || (node !== undefined && map === null)) return null;
  const { id = 'any', ...attributes } = Object.fromEntries(
    [...(map?.entries.values() ?? [])].map(({ key, value }) => [key, plain(value)]),
  );
  const made = makeRecord(type, String(id), attributes);
  if ('record' in made) return made.record;
  for (const { attribute, message, hint } of made.refused) {
    const place = map?.entries.get(attribute)?.value.place ?? { file: '', line: 1, column: 1 };
    // Only whoever has the files is told all that there is.
    const known = type.attributes.has(attribute) ? undefined : nearOrAll(attribute, type.attributes.keys());
    problems.add(place, message, hint ?? known);
  }
  return null;
}

/** Nested maps are no value of any attribute, and are refused as such. */
const plain = (node: Node): unknown => {
  if (node.kind === 'scalar') return node.value;
  return node.kind === 'list' ? node.items.map(plain) : {};
};
