import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { codesOf, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';

const DIRECTORY = `
roles:
  directory:
    allow:
      - { action: read, subject: User, fields: [name, createdAt] }
      - { action: read, subject: AuditEntry, fields: [at, action] }
      - { action: read, subject: SecurityEvent, fields: [at, kind] }
`;

let castellans: Castellans;
let dora: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  const files = await readPolicyFiles(join(import.meta.dirname, '../../policies'));
  castellans = await startCastellans(1, {
    policyFiles: [...files, { path: 'policies/directory.yaml', text: DIRECTORY }],
  });
  bob = await castellans.signUp('bob');
  dora = await castellans.signUp('dora', ['member', 'directory']);
});

afterAll(() => castellans.close());

const FIELDS = 'id name email status scope createdAt mfaEnabled roles { name } grants { id }';
const pathsOf = (errors: readonly { readonly path?: readonly string[] }[]) => errors.map(({ path }) => path?.at(-1));

test('a field one may not read is null, with FORBIDDEN at its path; the others are there', async () => {
  const answer = await castellans.ask<{ user: Record<string, unknown> }>(
    `query ($id: ID!) { user(id: $id) { ${FIELDS} } }`,
    { variables: { id: bob.id }, token: dora.accessToken },
  );
  expect(answer.data?.user).toEqual({
    id: bob.id,
    name: 'bob',
    email: null,
    status: null,
    scope: null,
    createdAt: expect.any(String),
    mfaEnabled: null,
    roles: null,
    grants: null,
  });
  expect(new Set(codesOf(answer))).toEqual(new Set(['FORBIDDEN']));
  expect(new Set(pathsOf(answer.errors))).toEqual(
    new Set(['email', 'grants', 'mfaEnabled', 'roles', 'scope', 'status']),
  );
});

test('the same fields are withheld from an entity, a list and another name for them', async () => {
  const entities = await castellans.ask(
    `query ($of: [_Any!]!) { _entities(representations: $of) { ... on User { name secret: email } } }`,
    { variables: { of: [{ __typename: 'User', id: bob.id, email: 'mine' }] }, token: dora.accessToken },
  );
  expect(entities.data).toEqual({ _entities: [{ name: 'bob', secret: null }] });
  expect(codesOf(entities)).toEqual(['FORBIDDEN']);

  const list = await castellans.ask<{ users: { edges: { node: Record<string, unknown> }[] } }>(
    '{ users(first: 100) { edges { node { id email } } } }',
    { token: dora.accessToken },
  );
  const emails = new Map(list.data?.users.edges.map(({ node }) => [node['id'], node['email']]));
  expect(emails.get(bob.id)).toBeNull();
  expect(emails.get(dora.id)).toBe(dora.email);
});

test('one reads all of oneself', async () => {
  const { data, errors } = await castellans.ask(`{ me { ${FIELDS} } }`, { token: dora.accessToken });
  expect(errors).toEqual([]);
  expect(data).toMatchObject({ me: { email: dora.email, status: 'active' } });
});

test('of an entry of the audit log nothing is told but the fields one may read, not even what no rule can name', async () => {
  const alice = await castellans.signUp('alice', ['administrator']);
  const carol = await castellans.signUp('carol');
  const disable = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
  await castellans.ask(disable, { token: alice.accessToken, variables: { id: carol.id } });
  const log = '{ auditLog(first: 1, filter: { action: "user.disable" }) { edges { node { action before after } } } }';
  const told = { before: { status: 'active' }, after: { status: 'disabled' } };
  const whole = await castellans.ask(log, { token: alice.accessToken });
  expect(whole.data).toMatchObject({ auditLog: { edges: [{ node: told }] } });
  const answer = await castellans.ask(log, { token: dora.accessToken });
  const node = { action: 'user.disable', before: null, after: null };
  expect(answer.data).toEqual({ auditLog: { edges: [{ node }] } });
  expect(new Set(pathsOf(answer.errors))).toEqual(new Set(['before', 'after']));
});

test('and of a security event the same', async () => {
  await castellans.rows(
    `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
     values ('sec_0000000000000000000000test', now(), 'sign_in.failures', 'warning', $1, '', '{"address": "203.0.113.9", "count": 10}', 'x')`,
    bob.id,
  );
  const list =
    '{ securityEvents(first: 1) { edges { node { kind address count subjectId action device { kind } } } } }';
  const answer = await castellans.ask(list, { token: dora.accessToken });
  const node = { kind: 'sign_in.failures', address: null, count: null, subjectId: null, action: null, device: null };
  expect(answer.data).toEqual({ securityEvents: { edges: [{ node }] } });
  expect(new Set(pathsOf(answer.errors))).toEqual(new Set(['address', 'count', 'subjectId', 'action', 'device']));
});
