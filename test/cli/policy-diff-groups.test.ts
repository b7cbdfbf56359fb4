import { expect, test } from '@jest/globals';
import { groupChanges, type ToldChange } from '../../src/cli/policy-diff-groups.ts';
import { rolesThatDiffer } from '../../src/cli/policy-population.ts';
import { diffPolicies, type PolicyChange } from '../../src/domain/policy/diff.ts';
import { pairsOf } from '../../src/domain/policy/diff-changes.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';

const SUBJECTS = `subjects:
  Note: { actions: [read, write], attributes: { owner: id, topic: string, scope: scope } }
`;
const before = parseBundle([
  {
    path: 'a.yaml',
    text: `${SUBJECTS}roles:
  guest: { allow: [{ action: read, subject: Note, where: { topic: news } }] }
  keeper: { inherits: guest, allow: [{ action: write, subject: Note }] }
  owner: { inherits: guest, allow: [{ action: write, subject: Note, where: { owner: '\${principal.id}' } }] }
`,
  },
]);
const after = parseBundle([
  {
    path: 'a.yaml',
    text: `${SUBJECTS}roles:
  guest: { allow: [{ action: read, subject: Note }] }
  keeper: { inherits: guest, allow: [{ action: write, subject: Note, fields: [topic] }] }
  owner: { inherits: guest, allow: [{ action: write, subject: Note, where: { owner: '\${principal.id}' } }] }
`,
  },
]);

const scopes = ['acme', 'acme/east', 'globex'];
const people = Array.from({ length: 24 }, (_, at) => ({
  id: `user_${at}`,
  email: at % 4 === 0 ? null : `u${at}@example.com`,
  grants: [
    { role: ['guest', 'keeper', 'owner'][at % 3] ?? '', scope: scopes[at % 5] ?? null },
    ...(at % 2 === 0 ? [{ role: 'owner', scope: null }] : []),
  ],
  liveSessions: at,
}));
const notes = Array.from({ length: 40 }, (_, at) => {
  const scope = scopes[at % 3] ?? '';
  const path = scope.split('/').map((_, end, all) => all.slice(0, end + 1).join('/'));
  const topic = at % 2 === 0 ? 'news' : 'rumours';
  return { __typename: 'Note', id: `note_${at}`, owner: `user_${at % 24}`, topic, scope, scopes: path };
});

const changes = diffPolicies(before, after, {
  principals: people.map(({ id, grants }) => ({ label: id, facts: { id }, grants })),
  subjects: notes,
}).changes;
const told = changes.map((change): ToldChange => ({ ...change, fields: namedFields(change) }));
const groups = groupChanges(told, new Map(people.map((person) => [person.id, person])), (action, subject) =>
  rolesThatDiffer([before, after], action, subject),
);

function namedFields({ whole, fields }: PolicyChange): readonly string[] {
  return whole ? [] : fields.filter((field) => field !== null);
}

test('counts principals and records as if every pair were written out', () => {
  expect(groups.map(({ effect, action }) => `${effect} ${action}`)).toEqual(['gains read', 'loses write']);
  for (const { effect, action, subject, fields, members, principals, records, liveSessions } of groups) {
    const pairs = changes
      .filter((change) => change.effect === effect && change.action === action && change.subject === subject)
      .filter((change) => namedFields(change).toSorted().join() === fields.join())
      .flatMap((change) => [...pairsOf(change)]);
    const byPerson = Map.groupBy(pairs, ({ principal }) => principal);
    expect(new Map(members.map((member) => [member.id, member.records]))).toEqual(
      new Map([...byPerson].map(([id, own]) => [id, own.length])),
    );
    expect(principals).toBe(byPerson.size);
    expect(records).toBe(new Set(pairs.map(({ record }) => record)).size);
    const sessions = people.filter(({ id }) => byPerson.has(id)).reduce((sum, each) => sum + each.liveSessions, 0);
    expect(liveSessions).toBe(sessions);
  }
});

test('names the roles that bring it, by inheritance too, and no others that somebody holds', () => {
  const rolesOf = (action: string) => new Set(groups.filter((group) => group.action === action).flatMap(names));
  const names = ({ roles }: (typeof groups)[number]) => roles.map((role) => role.split(' ')[0]);
  expect(rolesOf('read')).toEqual(new Set(['guest', 'keeper', 'owner']));
  expect(rolesOf('write')).toEqual(new Set(['keeper']));
});

test('tells gains first, and people whose address is known first, in order', () => {
  expect(groups.map(({ effect }) => effect)).toEqual(groups.map(({ effect }) => effect).toSorted());
  for (const { members } of groups) {
    const names = members.map(({ email, id }) => (email === null ? `~${id}` : email));
    expect(names).toEqual(names.toSorted());
  }
});
