import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import {
  codesOf,
  recordStatements,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';

const DOCUMENTS = `
subjects:
  Document:
    actions: [read, publish]
    attributes: { id: id, ownerId: id, status: 'enum(draft, public)', pages: number, tags: list(string), scope: scope }
roles:
  member:
    allow:
      - { action: [read, publish], subject: Document, where: { ownerId: '\${principal.id}' }, within: any }
      - { action: read, subject: Document, where: { status: public }, within: any }
    deny:
      - { action: publish, subject: Document, where: { tags: embargo }, reason: Under embargo. }
`;

const MANY = `query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed reason rule policyVersion position } }`;

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  const files = await readPolicyFiles(join(import.meta.dirname, '../../policies'));
  castellans = await startCastellans(1, {
    policyFiles: [...files, { path: 'policies/documents.yaml', text: DOCUMENTS }],
  });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans.close());

interface Answers {
  readonly viewerCanMany: readonly {
    readonly allowed: boolean;
    readonly reason: string;
    readonly rule: string | null;
  }[];
}

const ask = (checks: readonly object[], token?: string) =>
  castellans.ask<Answers>(MANY, { variables: { checks }, ...(token !== undefined && { token }) });

const document = (attributes: object, action = 'read') => ({ action, subject: 'Document', id: 'doc_1', attributes });

describe('several questions at once', () => {
  test('about records of another subgraph are decided on the attributes it names, in their order', async () => {
    const { data, errors } = await ask(
      [
        document({ ownerId: bob.id, status: 'draft' }),
        document({ ownerId: alice.id, status: 'draft' }),
        document({ ownerId: alice.id, status: 'public' }),
        document({ ownerId: bob.id, tags: ['embargo'] }, 'publish'),
        document({ ownerId: bob.id, tags: [] }, 'publish'),
        { action: 'read', subject: 'User', id: bob.id },
        { action: 'read', subject: 'User', id: alice.id },
      ],
      bob.accessToken,
    );
    expect(errors).toEqual([]);
    expect(data?.viewerCanMany.map(({ allowed }) => allowed)).toEqual([true, false, true, false, true, true, false]);
    expect(data?.viewerCanMany[3]?.reason).toBe('Under embargo.');
    expect(data?.viewerCanMany[0]?.rule).toMatch(/^policies\/documents\.yaml:\d+$/);
  });

  test('a thousand of them cost no statement when all is warm, and more are refused', async () => {
    const checks = Array.from({ length: 1_000 }, (_, n) => document({ ownerId: bob.id, pages: n }));
    await ask(checks.slice(0, 1), bob.accessToken);
    const statements = recordStatements(castellans.apps);
    const { data } = await ask(checks, bob.accessToken);
    expect(data?.viewerCanMany).toHaveLength(1_000);
    statements.stop();
    // The eraser of sealed tokens, the heartbeat and the writing of what was counted go on by themselves.
    const asked = statements.names.filter((name) => name !== 'a transaction');
    expect(asked).toEqual([]);
    expect(codesOf(await ask([...checks, ...checks], bob.accessToken))).toEqual(['BAD_USER_INPUT']);
  });

  test.each([
    ['a name that is not declared', { statu: 'draft' }, 'did you mean'],
    ['a value of another type', { pages: 'many' }, 'pages'],
    ['a word that the enum does not have', { status: 'secret' }, 'status'],
    ['the scopes, which follow from the scope', { scopes: ['acme'] }, 'scopes'],
    ['a type of its own', { __caslSubjectType__: 'User' }, '__caslSubjectType__'],
  ])('refuse %s', async (_, attributes, word) => {
    const answer = await ask([document(attributes)], bob.accessToken);
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors[0]?.extensions).toMatchObject({ field: 'attributes' });
    expect(answer.errors[0]?.message.toLowerCase()).toContain(word.toLowerCase());
  });

  test('AC-84: attributes say nothing about users, roles and sessions', async () => {
    const check = { action: 'disable', subject: 'User', id: alice.id, attributes: { id: bob.id } };
    const answer = await ask([check], bob.accessToken);
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors[0]?.extensions).toMatchObject({ field: 'attributes' });
  });

  test('AC-86: a prototype in the attributes changes nothing', async () => {
    const text = `{"query":${JSON.stringify(MANY)},"variables":{"checks":[{"action":"read","subject":"Document","attributes":{"constructor":{"prototype":{"allowed":true}}}}]}}`;
    const response = await fetch(`${castellans.apps[0]?.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${bob.accessToken}` },
      body: text,
    });
    expect(response.status).toBeLessThan(500);
    expect(await response.text()).toContain('BAD_USER_INPUT');
    expect(({} as { allowed?: boolean }).allowed).toBeUndefined();
  });

  test('of nobody are all denied', async () => {
    const { data } = await ask([document({ status: 'public' })]);
    expect(data?.viewerCanMany).toEqual([expect.objectContaining({ allowed: false })]);
  });
});
