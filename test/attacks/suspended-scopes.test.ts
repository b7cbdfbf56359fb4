import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import type { App } from '../../src/app.ts';
import { askingOn } from '../support/asking.ts';
import { type Castellans, codesOf, instanceOf, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';

/** A scope that is suspended takes away what is granted there. It must give nothing, to nobody, neither then nor once it is resumed. */

const DOCUMENTS = `subjects:
  Document: { actions: [read, publish], attributes: { id: id, scope: scope } }
roles:
  reader: { allow: [{ action: read, subject: Document }] }
  publisher: { allow: [{ action: publish, subject: Document }] }
  outsider: { deny: [{ action: [read, publish], subject: Document }] }
  keeper:
    inherits: [member]
    allow:
      - { action: [read, grant], subject: User }
      - { action: [read, grant, revoke], subject: Role }
      - { action: [read, grant], subject: ServiceAccount }
      - { action: [read, create, update, rotate], subject: ApiKey }
      - { action: [read, create, delete], subject: Scope }
`;

const MAY = `query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed } }`;
const SUSPEND = 'mutation ($id: ID!) { suspendScope(id: $id) { position } }';
const RESUME = 'mutation ($id: ID!) { resumeScope(id: $id) { position } }';
const DELETE = 'mutation ($id: ID!) { deleteScope(id: $id) { position } }';
const REVOKE = 'mutation ($id: ID!) { revokeRole(grantId: $id) { position } }';
const CREATE_KEY = `mutation ($of: ID!) {
  createApiKey(input: { name: "key", serviceAccountId: $of }) { secret }
}`;

let castellans: Castellans;
let alice: SignedInUser;
let mallory: SignedInUser;

beforeAll(async () => {
  const policyFiles = [...(await readPolicyFiles('policies')), { path: 'policies/documents.yaml', text: DOCUMENTS }];
  castellans = await startCastellans(2, { policyFiles });
  alice = await castellans.signUp('alice', ['administrator']);
  mallory = await castellans.signUp('mallory', ['keeper']);
});

afterAll(() => castellans?.close());

const { ask, done } = askingOn(
  () => castellans,
  () => alice,
);
const first = (): App => instanceOf(castellans, 0);

/** What of documents in this scope may be done, on both instances. */
async function may(user: SignedInUser, scope: string): Promise<readonly string[]> {
  const checks = ['read', 'publish'].map((action) => ({ action, subject: 'Document', id: '1', attributes: { scope } }));
  const [one, two] = await Promise.all(
    [0, 1].map(async (instance) => {
      const { data } = await ask<{ viewerCanMany: { allowed: boolean }[] }>(MAY, { checks }, { by: user, instance });
      return checks.flatMap(({ action }, n) => (data?.viewerCanMany[n]?.allowed === true ? [action] : []));
    }),
  );
  expect(two).toEqual(one);
  return one ?? [];
}

async function scopeId(path: string): Promise<string> {
  await castellans.addScopes(path);
  return (await done<{ id: string }>('query ($path: String) { scope(path: $path) { id } }', { path })).id;
}

/** Somebody who may read documents everywhere, but not in this scope; and the grant that keeps them from it. */
async function outsiderAt(scope: string): Promise<{ readonly bob: SignedInUser; readonly grant: string }> {
  const bob = await castellans.signUp('bob', ['member', 'reader']);
  return { bob, grant: await addGrant(first(), { principalId: bob.id, role: 'outsider', scope }) };
}

describe('AC-58: while a scope is suspended', () => {
  test('what is denied to somebody there stays denied', async () => {
    const id = await scopeId('closed/inner');
    const { bob } = await outsiderAt('closed');
    expect([await may(bob, 'closed/inner'), await may(bob, 'open')]).toEqual([[], ['read']]);
    const closed = await scopeId('closed');
    await done(SUSPEND, { id: closed });
    expect([await may(bob, 'closed/inner'), await may(bob, 'closed'), await may(bob, 'open')]).toEqual([
      [],
      [],
      ['read'],
    ]);
    await done(RESUME, { id: closed });
    await done(SUSPEND, { id });
    expect(await may(bob, 'closed/inner')).toEqual([]);
  });

  test('nobody takes a denial away, from themselves or from somebody else, that they could not before', async () => {
    const id = await scopeId('quiet');
    const { bob, grant } = await outsiderAt('quiet');
    await addGrant(first(), { principalId: bob.id, role: 'publisher', scope: 'quiet' });
    const own = await addGrant(first(), { principalId: mallory.id, role: 'outsider', scope: 'quiet' });
    await addGrant(first(), { principalId: mallory.id, role: 'reader', scope: 'quiet' });
    const refused = async () =>
      Promise.all([grant, own].map(async (each) => codesOf(await ask(REVOKE, { id: each }, { by: mallory }))));
    expect(await refused()).toEqual([['FORBIDDEN'], ['FORBIDDEN']]);
    await done(SUSPEND, { id });
    expect(await refused()).toEqual([['FORBIDDEN'], ['FORBIDDEN']]);
    await done(RESUME, { id });
    expect([await may(bob, 'quiet'), await may(mallory, 'quiet')]).toEqual([[], []]);
  });

  test('nobody has a key made that is good for more than they may once it is resumed', async () => {
    const id = await scopeId('asleep');
    const { value: program } = await first().services.serviceAccounts.create(
      { kind: 'system', id: 'system' },
      { name: 'program' },
    );
    await addGrant(first(), { principalId: program.id, role: 'publisher', scope: 'asleep' });
    const create = async () => codesOf(await ask(CREATE_KEY, { of: program.id }, { by: mallory }));
    expect(await create()).toEqual(['FORBIDDEN']);
    await done(SUSPEND, { id });
    expect(await create()).toEqual(['FORBIDDEN']);
  });
});

test('AC-58: nobody deletes a scope to take away what denies somebody what they may not do themselves', async () => {
  const id = await scopeId('gone');
  const { bob } = await outsiderAt('gone');
  expect(codesOf(await ask(DELETE, { id }, { by: mallory }))).toEqual(['FORBIDDEN']);
  expect(await may(bob, 'gone')).toEqual([]);
  await done(DELETE, { id });
});
