import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LIMITS } from '../../src/kit/limits.ts';
import { startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { doorsOf, takesMutations, type Door } from './doors.ts';

/** What an answer tells of what is behind it, to somebody who should not know. */

let castellans: Castellans;
let doors: readonly Door[];
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1, {
    settings: { explorer: false, limits: { ...LIMITS, documents: { ...LIMITS.documents, introspection: false } } },
  });
  doors = doorsOf(castellans);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

describe('AC-75: the schema, where it is not shown', () => {
  test.each([
    ['introspection', '{ __schema { types { name } } }'],
    ['introspection of a type', '{ __type(name: "User") { fields { name } } }'],
    ['introspection in a fragment', '{ ...F } fragment F on Query { a: __schema { queryType { name } } }'],
    ['introspection below others', '{ me { id } ... on Query { __type(name: "Role") { name } } }'],
    ['the SDL of the subgraph', '{ _service { sdl } }'],
    ['the SDL under another name', 'query Q { me { id } s: _service { sdl } }'],
  ])('is not in the answer to %s, through any door, whoever asks', async (_, query) => {
    for (const door of doors) {
      for (const token of [undefined, alice.accessToken]) {
        const { data, codes, messages } = await door.ask(query, {}, token);
        expect({ door: door.name, data, codes }).toEqual({ door: door.name, data: null, codes: ['BAD_USER_INPUT'] });
        expect(messages).toEqual([
          expect.stringMatching(/^The schema is not shown here: (__schema|__type|_service) is/),
        ]);
      }
    }
  });

  test.each([
    ['a field', '{ mee { id } }', {}],
    ['a field of a type', '{ me { emial } }', {}],
    ['an argument', '{ user(idd: "1") { id } }', {}],
    ['a type', 'query ($a: Strin) { me { id } }', {}],
    ['an enum', '{ users(first: 1, orderBy: { field: emial }) { edges { cursor } } }', {}],
    ['an input field', '{ users(first: 1, filter: { emial: "x" }) { edges { cursor } } }', {}],
    [
      'an input field in a variable',
      'query ($f: UserFilter) { users(first: 1, filter: $f) { edges { cursor } } }',
      { f: { emial: 'x' } },
    ],
    [
      'an enum in a variable',
      'query ($o: UserOrder) { users(first: 1, orderBy: $o) { edges { cursor } } }',
      { o: { field: 'emial' } },
    ],
  ])('is not guessed at for whoever misspells %s', async (_, query, variables) => {
    for (const door of doors) {
      const { codes, messages } = await door.ask(query, variables, alice.accessToken);
      expect({ door: door.name, code: codes[0] }).toEqual({ door: door.name, code: 'BAD_USER_INPUT' });
      expect(messages.join(' ')).not.toMatch(/did you mean/i);
    }
  });

  test('is not at /sdl', async () => {
    for (const path of ['/sdl', '/sdl?auth=none']) {
      expect((await fetch(`${castellans.apps[0]?.url}${path}`)).status).toBe(404);
    }
  });

  test('is on no page: production has no explorer', async () => {
    const response = await fetch(`${castellans.apps[0]?.url}/graphql`, { headers: { accept: 'text/html' } });
    expect(Math.floor(response.status / 100)).toBe(4);
    expect(await response.text()).not.toMatch(/<html|sandbox|explorer/i);
  });
});

const TABLES: readonly (readonly [string, string, object])[] = [
  ['users', '{ users(first: 5, orderBy: { field: email }) { edges { node { name } } } }', {}],
  ['users', '{ users(first: 5) { edges { node { email } } } }', {}],
  ['sessions', '{ sessions(first: 5) { edges { node { id } } } }', {}],
  ['sessions', 'query ($id: ID!) { session(id: $id) { id } }', {}],
  ['scopes', '{ scopes(first: 5) { edges { node { path } } } }', {}],
  ['scopes', '{ scope(path: "acme") { id } }', {}],
  ['roles', '{ roles(first: 5) { edges { node { name } } } }', {}],
  ['roles', '{ role(name: "member") { id } }', {}],
  ['policy_bundles', '{ policy { history { version } } }', {}],
  [
    'grants',
    'query ($id: ID!) { them: _entities(representations: [{ __typename: "User", id: $id }]) { ... on User { grants { id } } } }',
    {},
  ],
  ['audit_entries', 'mutation { createUser(input: { email: "fault@example.com", name: "Fault" }) { position } }', {}],
  ['authority_log', 'mutation ($id: ID!) { disableUser(id: $id) { position } }', {}],
];

describe('AC-77: of a fault of ours', () => {
  test('an answer holds an id and nothing else, thirty times, through every door', async () => {
    const carol = await castellans.signUp('carol');
    const answers: { readonly fault: string; readonly text: string; readonly codes: readonly unknown[] }[] = [];
    for (const [table, query, more] of TABLES) {
      await castellans.rows(`alter table ${table} rename to hidden_${table}`);
      try {
        for (const door of doors.filter((each) => !query.startsWith('mutation') || takesMutations(each))) {
          const seen = await door.ask(query, { id: carol.id, ...more }, alice.accessToken);
          answers.push({ fault: `${table} ${door.name} ${query}`, text: JSON.stringify(seen), codes: seen.codes });
        }
      } finally {
        await castellans.rows(`alter table hidden_${table} rename to ${table}`);
      }
    }
    const faults = answers.filter(({ codes }) => codes.includes('INTERNAL'));
    expect(faults.length).toBeGreaterThanOrEqual(30);
    for (const { fault, text } of answers) {
      const leaked =
        /select |insert |update |relation|column|syntax|\bat \w+ \(|node_modules|\.ts:|postgres|constraint|42P01|@example\.com|hidden_/i.exec(
          text,
        );
      expect({ fault, leaked: leaked?.[0] ?? null }).toEqual({ fault, leaked: null });
    }
  }, 60_000);
});
