import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type App, createApp } from '../../src/app.ts';
import { ConfigError } from '../../src/config.ts';
import { ANONYMOUS } from '../../src/domain/principals/principal.ts';
import type { PolicyFile } from '../../src/domain/policy/parse.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { type Answer, type Castellans, PASSWORD, post, SIGN_IN, startCastellans } from '../support/castellan.ts';
import { createLog } from '../../src/kit/log.ts';
import { doorsOf, takesMutations } from './doors.ts';

/** A policy that means to give everything to whoever is not signed in. */
const OPEN = `roles:
${['anonymous', 'everybody', 'guest', 'public'].map((role) => `  ${role}:\n    inherits: [administrator]\n    allow: []`).join('\n')}
`;

let castellans: Castellans;
/** As they come with Castellan, and with what gives everything away. */
let closed: readonly PolicyFile[];
let open: readonly PolicyFile[];

beforeAll(async () => {
  closed = await readPolicyFiles('policies');
  open = [...closed, { path: 'policies/open.yaml', text: OPEN }];
  castellans = await startCastellans(1, { policyFiles: open });
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

const APPLY = `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
  applyPolicy(files: $files, expectedVersion: $expectedVersion) { version }
}`;
const ROLLBACK = `mutation ($version: String!, $expectedVersion: String!) {
  rollbackPolicy(version: $version, expectedVersion: $expectedVersion) { version }
}`;

describe('AC-79: in production, a policy that gives everything to everybody', () => {
  let dataDir: string;
  let files: PolicyFile[];
  let trial: string;
  let app: App;

  /** Over a server of its own: that of the tests is too hasty for production. */
  const start = async (production: boolean): Promise<void> => {
    const config = { ...castellans.config, production, databaseUrl: null, redisUrl: null, dataDir, mailOn: false };
    app = await createApp(config, { policyFiles: files, logger: createLog('silent') });
  };

  async function ask<T>(text: string, variables: object = {}): Promise<Answer<T>> {
    const input = { email: castellans.config.adminEmail, password: PASSWORD };
    const { data } = await post<{ signIn: { accessToken: string } }>(app.url, SIGN_IN, { input });
    return post<T>(app.url, text, variables, { authorization: `Bearer ${data?.signIn.accessToken}` });
  }

  async function inForce(): Promise<string | undefined> {
    const { data } = await ask<{ policy: { version: string } }>('{ policy { version } }');
    return data?.policy.version;
  }

  const apply = async (given: readonly PolicyFile[]) => ask(APPLY, { files: given, expectedVersion: await inForce() });
  const rollback = async (version: string) => ask(ROLLBACK, { version, expectedVersion: await inForce() });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'castellan-trial-'));
    // A trial, where it may be: its files are not the policy in force.
    files = [...closed];
    await start(false);
    await apply(open);
    trial = (await inForce()) ?? '';
    await app.close();
  });

  afterAll(async () => {
    await app?.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  test('is not what it starts with, where files that were in force before do not replace it', async () => {
    const started = start(true);
    await expect(started).rejects.toThrow(ConfigError);
    await expect(started).rejects.toThrow(/POLICIES_DIR does not replace the policy in force, .* the role "anonymous"/);
  });

  test('is put in force by no change of the policy', async () => {
    files = [...closed, { path: 'policies/more.yaml', text: 'roles: { guest: { inherits: [member] } }' }];
    await start(true);
    const before = await inForce();
    expect(before).not.toBe(trial);
    files.push({ path: 'policies/open.yaml', text: 'roles: { member: { inherits: [administrator] } }' });
    for (const [field, change] of [
      ['files', () => apply(open)],
      ['version', () => rollback(trial)],
      ['files', () => ask('mutation { reloadPolicy { version } }')],
    ] as const) {
      const { errors } = await change();
      const extensions = { code: 'BAD_USER_INPUT', field, reason: 'everything_to_everybody' };
      expect(errors).toMatchObject([{ extensions }]);
      expect(errors[0]?.message).toMatch(/^This policy must not give everything to everybody in production: the role /);
    }
    expect(await inForce()).toBe(before);
  });
});
