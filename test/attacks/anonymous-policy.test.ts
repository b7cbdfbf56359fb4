import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ANONYMOUS } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { startCastellans, type Castellans } from '../support/castellan.ts';
import { doorsOf, takesMutations } from './doors.ts';

/** A policy that means to give everything to whoever is not signed in. */
const OPEN = `roles:
${['anonymous', 'everybody', 'guest', 'public'].map((role) => `  ${role}:\n    inherits: [administrator]\n    allow: []`).join('\n')}
`;

let castellans: Castellans;

beforeAll(async () => {
  const policyFiles = [...(await readPolicyFiles('policies')), { path: 'policies/open.yaml', text: OPEN }];
  castellans = await startCastellans(1, { policyFiles });
});

afterAll(() => castellans?.close());

test('AC-79: no policy gives anything to whoever is not signed in, whatever its roles are called', async () => {
  const alice = await castellans.signUp('alice', ['anonymous']);
  const users = '{ users(first: 1) { edges { node { id } } } }';
  const disable = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
  for (const { name, ask, ...door } of doorsOf(castellans)) {
    // The role gives what it says, to who holds it.
    expect({ name, codes: (await ask(users, {}, alice.accessToken)).codes }).toEqual({ name, codes: [] });
    const { data, codes } = await ask(users, {});
    expect({ name, data, codes }).toEqual({ name, data: { users: { edges: [] } }, codes: [] });
    if (!takesMutations({ name, ask, ...door })) continue;
    expect({ name, codes: (await ask(disable, { id: alice.id })).codes }).toEqual({ name, codes: ['UNAUTHENTICATED'] });
  }
  const { policy } = castellans.apps[0]?.services ?? {};
  for (const type of ['User', 'Session', 'Role', 'Policy', 'SigningKey', 'ApiKey', 'Scope'] as const) {
    for (const action of ['read', 'create', 'update', 'delete', 'manage']) {
      expect(policy?.decide(ANONYMOUS, action, { __typename: type, id: alice.id })).toMatchObject({
        allowed: false,
      });
      expect(policy?.filter(ANONYMOUS, action, type)).toEqual({ kind: 'none' });
    }
  }
});
