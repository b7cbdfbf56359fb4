import { expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Bundle } from '../../../src/domain/policy/bundle.ts';
import { pairsOf } from '../../../src/domain/policy/diff-changes.ts';
import { diffPolicies, type PolicyDiff, type Population } from '../../../src/domain/policy/diff.ts';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { actor, policy, record, written } from './arbitraries.ts';

/** `POLICY_CASES=2000000` looks longer. */
const cases = Number(process.env['POLICY_CASES'] ?? 120_000);
jest.setTimeout(60_000 + cases);

const bundleOf = (text: string) => parseBundle([{ path: 'policies/all.yaml', text }]);

/** Asks both policies everything: one line for each answer that differs. */
function bruteForce(before: Bundle, after: Bundle, { principals, subjects }: Population): Set<string> {
  const lines = new Set<string>();
  const engines = [new Engine(before), new Engine(after)] as const;
  const words = new Map(
    [...new Set(subjects.map(({ __typename }) => __typename))].map((type) => {
      const known = [before, after].flatMap(({ subjects }) => subjects.get(type) ?? []);
      const fields = new Set(known.flatMap(({ attributes }) => [...attributes.keys()]));
      return [type, { actions: new Set(known.flatMap(({ actions }) => [...actions])), fields: [undefined, ...fields] }];
    }),
  );
  for (const { label, facts, grants } of principals) {
    const [was, is] = engines.map((engine) => engine.ability(facts, grants));
    for (const subject of subjects) {
      const { actions, fields } = words.get(subject.__typename) ?? { actions: [], fields: [] };
      for (const action of actions) {
        for (const field of fields) {
          const could = engines[0].decide(was, action, subject, field).allowed;
          if (could === engines[1].decide(is, action, subject, field).allowed) continue;
          lines.add([could ? 'loses' : 'gains', subject.__typename, action, field ?? '', label, subject.id].join(' '));
        }
      }
    }
  }
  return lines;
}

function linesOf({ changes }: PolicyDiff): Set<string> {
  const lines = new Set<string>();
  for (const change of changes) {
    for (const { principal, record } of pairsOf(change)) {
      for (const field of change.fields) {
        lines.add([change.effect, change.subject, change.action, field ?? '', principal, record].join(' '));
      }
    }
  }
  return lines;
}

const unshared = (a: ReadonlySet<string>, b: ReadonlySet<string>) => [
  ...[...a].filter((line) => !b.has(line)),
  ...[...b].filter((line) => !a.has(line)),
];

const subjects = `subjects:
  User:
    actions: [read, create, update, disable, delete, grant]
    attributes: { id: id, email: string, status: 'enum(active, disabled)', roles: list(string), scope: scope }
  Session: { actions: [read, revoke], attributes: { id: id, userId: id, scope: scope } }
`;
const before = bundleOf(`${subjects}roles:
  member:
    allow:
      - { action: [read, update], subject: User, where: { id: '\${principal.id}' }, within: any }
      - { action: [read, revoke], subject: Session, where: { userId: '\${principal.id}' }, within: any }
  support:
    inherits: [member]
    allow: [{ action: [read, disable], subject: User }]
    deny: [{ action: disable, subject: User, where: { roles: administrator } }]
  administrator: { allow: [{ action: manage, subject: all }] }
`);
const after = bundleOf(`${subjects}roles:
  member:
    allow:
      - { action: read, subject: User, where: { id: '\${principal.id}' }, within: any }
      - { action: update, subject: User, fields: [email], where: { id: '\${principal.id}' }, within: any }
      - { action: [read, revoke], subject: Session, where: { userId: '\${principal.id}' }, within: any, reason: Yours. }
  support:
    inherits: [member]
    allow:
      - { action: [read, disable], subject: User, where: { status: active } }
      - { action: read, subject: Session }
    deny: [{ action: disable, subject: User, where: { email: '\${principal.email}' } }]
  administrator: { allow: [{ action: manage, subject: all }], deny: [{ action: delete, subject: User, where: { id: '\${principal.id}' } }] }
`);

const places = ['acme', 'acme/platform', 'acme/platform/api', 'globex'];
const pathsTo = (path: string) => path.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'));
function user(at: number) {
  const scope = places[at % 4] ?? 'acme';
  const roles = at % 50 === 0 ? ['administrator'] : at % 10 === 0 ? ['member', 'support'] : ['member'];
  return {
    __typename: 'User',
    id: `user_${at}`,
    email: `${at}@acme`,
    status: at % 7 === 0 ? 'disabled' : 'active',
    roles,
    scope,
    scopes: pathsTo(scope),
  };
}
const session = (at: number) => ({ ...user(at), __typename: 'Session', id: `sess_${at}`, userId: `user_${at}` });
const people = Array.from({ length: 10_000 }, (_, at) => user(at));
const principals = people.map(({ id, email, roles, scope }, at) => ({
  label: id,
  facts: at % 11 === 0 ? { id } : { id, email },
  grants: roles.map((role) => ({ role, scope: role === 'administrator' ? null : scope })),
}));

test('finds what asking everything of 10,000 users finds', () => {
  const population = { principals, subjects: [user(0), user(1), user(10), user(14), session(1), session(50)] };
  const diff = diffPolicies(before, after, population);
  const found = linesOf(diff);
  expect(found.size).toBeGreaterThan(1_000);
  expect(unshared(found, bruteForce(before, after, population))).toEqual([]);
  expect(diff.changes.length).toBeLessThan(200);
});

test('compares 10,000 users with every user and session of theirs within seconds', () => {
  const population = { principals, subjects: people.flatMap((each, at) => [each, session(at)]) };
  const start = process.cpuUsage();
  const { changes } = diffPolicies(before, after, population);
  expect(process.cpuUsage(start).user / 1e6).toBeLessThan(10);
  const own = changes.find(
    ({ action, effect, pairs }) => action === 'update' && effect === 'loses' && pairs.length > 0,
  );
  expect(own?.pairs.length).toBeGreaterThan(9_000);
});

test('finds what asking everything finds, whatever the policies and records', () => {
  const population = fc.record({
    principals: fc
      .array(actor, { minLength: 1, maxLength: 5 })
      .map((actors) =>
        actors.map(({ principal, grants }, at) => ({ label: `principal ${at}`, facts: principal, grants })),
      ),
    subjects: fc
      .array(record, { minLength: 1, maxLength: 6 })
      .map((records) => records.map((each, at) => ({ ...each, id: `record ${at}` }))),
  });
  let differing = 0;
  const property = fc.property(policy, policy, fc.nat(), fc.boolean(), population, (one, other, at, related, all) => {
    // Mostly the same rules, as after an edit.
    const rules = [...one.rules.slice(0, at % one.rules.length), ...other.rules.slice(0, 2)];
    const edited = related ? { ...one, rules } : other;
    const bundles = [bundleOf(written(one)), bundleOf(written(edited))] as const;
    const found = linesOf(diffPolicies(...bundles, all));
    differing += Number(found.size > 0);
    expect(unshared(found, bruteForce(...bundles, all))).toEqual([]);
  });
  fc.assert(property, { numRuns: Math.ceil(cases / 400) });
  expect(differing).toBeGreaterThan(50);
});

test('a field and an action that only one of the policies knows are gained or lost', () => {
  const doc = (declared: string, rule: string) =>
    bundleOf(`subjects: { Doc: ${declared} }\nroles: { r: { allow: [${rule}] } }\n`);
  const old = doc('{ actions: [read], attributes: { a: string } }', '{ action: read, subject: Doc }');
  const grown = doc(
    '{ actions: [read, fly], attributes: { a: string, b: string } }',
    '{ action: manage, subject: Doc }',
  );
  const population = {
    principals: [{ label: 'rita', facts: { id: 'rita' }, grants: [{ role: 'r', scope: null }] }],
    subjects: [{ __typename: 'Doc', id: 'd1' }],
  };
  const common = { effect: 'gains', subject: 'Doc', principals: ['rita'], records: ['d1'], except: [], pairs: [] };
  expect(diffPolicies(old, grown, population)).toEqual({
    before: old.version,
    after: grown.version,
    changes: [
      { ...common, action: 'fly', fields: [null, 'a', 'b'], whole: true },
      { ...common, action: 'read', fields: ['b'], whole: false },
    ],
  });
  expect(diffPolicies(grown, old, population).changes.every(({ effect }) => effect === 'loses')).toBe(true);
});

test('says the same whatever the order of principals and records', () => {
  const some = { principals: principals.slice(0, 60), subjects: people.slice(0, 60) };
  const turned = { principals: some.principals.toReversed(), subjects: some.subjects.toReversed() };
  const diff = diffPolicies(before, after, some);
  expect(diffPolicies(before, after, turned)).toEqual(diff);
  expect(diffPolicies(before, before, some).changes).toEqual([]);
});
