import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { type Castellans, PASSWORD, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { addGrant, addUser } from '../support/people.ts';
import { type Door, doorsOf } from './doors.ts';

/** Three instances with two tenants in them, acme and globex, and whoever attacks. */
export interface Tenants {
  readonly castellans: Castellans;
  readonly doors: readonly Door[];
  /** An administrator. */
  readonly alice: SignedInUser;
  /** A member of acme, and one of globex. */
  readonly bob: SignedInUser;
  readonly mallory: SignedInUser;
  /** Support in acme, and in globex. */
  readonly ada: SignedInUser;
  readonly gus: SignedInUser;
  /** The id of a grant of bob's. */
  readonly grantId: string;
  readonly memberRoleId: string;
  /** Of a service account of acme, and of two keys: that one's, and bob's. */
  readonly serviceAccountId: string;
  readonly apiKeyIds: readonly string[];
  /** Of acme, acme/platform and globex. */
  readonly scopeIds: readonly string[];
}

/** A type that another subgraph keeps. */
const DOCUMENTS = {
  path: 'policies/documents.yaml',
  text: `subjects:
  Document:
    actions: [read, publish]
    attributes: { id: id, ownerId: id, place: scope }
roles:
  member:
    allow:
      - { action: [read, publish], subject: Document, where: { ownerId: '\${principal.id}' }, within: any }
`,
};

export async function openTenants(): Promise<Tenants> {
  const policyFiles = [...(await readPolicyFiles('policies')), DOCUMENTS];
  const castellans = await startCastellans(3, { policyFiles });
  const alice = await castellans.signUp('alice', ['administrator']);
  const bob = await signUpAt(castellans, 'bob', 'acme/platform');
  const mallory = await signUpAt(castellans, 'mallory', 'globex');
  const ada = await signUpAt(castellans, 'ada', 'acme', 'support');
  const gus = await signUpAt(castellans, 'gus', 'globex', 'support');
  const [grant] = await castellans.rows<{ id: string; role: string }>(
    'select id, role_id as role from grants where principal_id = $1',
    bob.id,
  );
  const scopes = await castellans.rows<{ id: string }>('select id from scopes order by path');
  const { serviceAccountId, apiKeyIds } = await addKeys(castellans, bob);
  if (grant === undefined) throw new Error('bob is a member');
  return {
    castellans,
    doors: doorsOf(castellans),
    alice,
    bob,
    mallory,
    ada,
    gus,
    grantId: grant.id,
    memberRoleId: grant.role,
    serviceAccountId,
    apiKeyIds,
    scopeIds: scopes.map(({ id }) => id),
  };
}

/** A member whose home is at the scope, holding a role there. */
async function signUpAt(castellans: Castellans, name: string, scope: string, role?: string): Promise<SignedInUser> {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  const email = `${name}@tenants.example`;
  const id = await addUser(app, { email, name, scope, password: PASSWORD, roles: ['member'] });
  if (role !== undefined) await addGrant(app, { principalId: id, role, scope });
  return { id, ...(await castellans.signIn(email)) };
}

async function addKeys(castellans: Castellans, { accessToken: token }: SignedInUser) {
  const services = castellans.apps[0]?.services;
  const { value: account } = (await services?.serviceAccounts.create(SYSTEM, { name: 'gateway', scope: 'acme' })) ?? {};
  const serviceAccountId = account?.id ?? '';
  const made = await services?.apiKeys.create(SYSTEM, { name: 'of a gateway', serviceAccountId });
  const own = await castellans.ask<{ createApiKey: { apiKey: { id: string } } }>(
    `mutation { createApiKey(input: { name: "of bob" }) { apiKey { id } } }`,
    { token },
  );
  return { serviceAccountId, apiKeyIds: [made?.value.apiKey.id ?? '', own.data?.createApiKey.apiKey.id ?? ''] };
}
