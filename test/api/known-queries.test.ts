import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans.close());

interface Raw {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

async function raw(body: object, token?: string, accept?: string): Promise<Raw> {
  const response = await fetch(`${castellans.apps[0]?.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(accept !== undefined && { accept }),
    },
    body: JSON.stringify(body),
  });
  const headers = [...response.headers].filter(([name]) => name !== 'date').map((pair) => pair.join(': '));
  return { status: response.status, headers, body: await response.text() };
}

/** Ids of faults and of nothing else differ between two equal answers. */
const USER = 'query ($id: ID!) { user(id: $id) { __typename id email roles { name } } }';

test('a known query is answered to the byte as Apollo Server answers it', async () => {
  const cases: readonly [object, string | undefined, string | undefined][] = [
    [{ query: '{ me { id email name status createdAt } }' }, alice.accessToken, undefined],
    [{ query: '{ me { id email name status createdAt } }' }, undefined, undefined],
    [{ query: '{ me { a: id b: id ... on User { roles { name } grants { id } } } }' }, bob.accessToken, undefined],
    [{ query: USER, variables: { id: bob.id } }, alice.accessToken, undefined],
    [{ query: USER, variables: { id: bob.id } }, alice.accessToken, 'application/graphql-response+json'],
    [{ query: USER, variables: { id: alice.id } }, bob.accessToken, '*/*'],
    [{ query: 'query Q { __typename me { id } }', operationName: 'Q' }, bob.accessToken, 'application/json'],
    [{ query: '{ __schema { queryType { name } } }' }, bob.accessToken, undefined],
    [{ query: '{ _service { sdl } }' }, undefined, undefined],
  ];
  for (const [body, token, accept] of cases) {
    const first = await raw(body, token, accept);
    expect(first.status).toBe(200);
    expect(await raw(body, token, accept)).toEqual(first);
    expect(await raw(body, token, accept)).toEqual(first);
  }
});

test('what a known query refuses is refused in the same words as before it was known', async () => {
  const query = `query ($action: String!) { viewerCan(action: $action, subject: "User") { allowed reason } me { id } }`;
  const unknown = { query: `${query} `, variables: { action: 'fly' } };
  const expected = await raw(unknown, bob.accessToken);
  expect((await raw({ query, variables: { action: 'read' } }, bob.accessToken)).status).toBe(200);
  expect(await raw({ query, variables: { action: 'fly' } }, bob.accessToken)).toEqual(expected);
  expect(expected.body).toContain('BAD_USER_INPUT');
});

test('variables that do not fit a known query are refused as ever', async () => {
  expect((await raw({ query: USER, variables: { id: bob.id } }, bob.accessToken)).status).toBe(200);
  for (const variables of [{}, { id: null }, { id: { deep: 1 } }, null]) {
    const answer = await raw({ query: USER, variables }, bob.accessToken);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('BAD_USER_INPUT');
  }
});

test('a query that one person made known shows another only what is theirs', async () => {
  const body = { query: USER, variables: { id: alice.id } };
  const allowed = await raw(body, alice.accessToken);
  expect(allowed.body).toContain(alice.email);
  const hidden = await raw(body, bob.accessToken);
  expect(JSON.parse(hidden.body)).toEqual({ data: { user: null } });
});

test('a mutation is never taken for a known query', async () => {
  const query = `mutation { createUser(input: { email: "once@example.com", name: "Once" }) { user { email } } }`;
  expect((await raw({ query }, alice.accessToken)).body).toContain('once@example.com');
  expect((await raw({ query }, alice.accessToken)).body).toContain('CONFLICT');
});
