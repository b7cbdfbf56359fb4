import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import { accountsOn } from '../support/accounts.ts';
import { askingOn, type Ask, EVERYWHERE, extensionsOf, IN_FORCE, INSTANCES, NOWHERE } from '../support/asking.ts';
import {
  type Castellans,
  codesOf,
  recordStatements,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { addGrant, addUser } from '../support/people.ts';

/** Many at once: what each alone would come to, and one receipt. */

const REFUSAL = 'refusal { code message field reason rule }';
const RECEIPT = 'receipt { enforced instances acknowledged position } position';
const GRANT = `mutation ($items: [GrantRoleInput!]!) {
  grantRoles(grants: $items) { results { grant { id scope expiresAt grantedBy } ${REFUSAL} } ${RECEIPT} }
}`;
const REVOKE = `mutation ($items: [ID!]!) {
  revokeRoles(grantIds: $items) { results { grant { id } ${REFUSAL} } ${RECEIPT} }
}`;
const DISABLE = `mutation ($items: [ID!]!) {
  disableUsers(ids: $items) { results { user { id status } ${REFUSAL} } ${RECEIPT} }
}`;
const IMPORT = `mutation ($items: [ImportUserInput!]!) {
  importUsers(users: $items) { results { user { id email name scope metadata roles { name } } ${REFUSAL} } ${RECEIPT} }
}`;
const MISSING = { user: `user_${'0'.repeat(26)}`, role: `role_${'0'.repeat(26)}`, grant: `grant_${'0'.repeat(26)}` };

interface Done {
  readonly results: readonly {
    readonly grant?: { readonly id: string } | null;
    readonly user?: { readonly id: string; readonly email: string; readonly roles: readonly { name: string }[] } | null;
    readonly refusal: { readonly code: string; readonly field: string | null; readonly reason: string | null } | null;
  }[];
  readonly receipt: object;
  readonly position: string;
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let roleIds: ReadonlyMap<string, string>;

beforeAll(async () => {
  castellans = await startCastellans(3);
  await castellans.addScopes('acme/platform', 'globex');
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
  const found = await castellans.rows<{ id: string; name: string }>('select id, name from roles');
  roleIds = new Map(found.map(({ id, name }) => [name, id]));
}, 40_000);

afterAll(() => castellans?.close());

const { ask, done, audited, atHome, may } = askingOn(
  () => castellans,
  () => alice,
);
const accounts = accountsOn(() => castellans);
const first = (): App => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('three were started');
  return app;
};
const role = (name: string): string => roleIds.get(name) ?? '';
const bulk = (query: string, items: readonly unknown[], options: Ask = {}) => done<Done>(query, { items }, options);
/** What became of each: `ok`, or the code of its refusal with what it names. */
const fates = ({ results }: Done) =>
  results.map(({ refusal }) =>
    refusal === null ? 'ok' : [refusal.code, refusal.reason ?? refusal.field].filter(Boolean).join(' '),
  );
let people = 0;
const someone = (scope: string | null = null, roles: readonly string[] = ['member']) =>
  addUser(first(), { email: `person.${(people += 1)}@example.com`, name: 'p', scope, roles });
/** A signed-in administrator of a scope, who holds what members hold as well. */
async function administratorOf(scope: string): Promise<SignedInUser> {
  const ada = await atHome('ada', scope);
  await addGrant(first(), { principalId: ada.id, role: 'administrator', scope });
  return ada;
}
const grantsOf = (id: string) =>
  castellans.rows<{ id: string }>(
    'select id from grants where principal_id = $1 and revoked_at is null order by id',
    id,
  );

describe('giving roles', () => {
  test('does what may be done, says of each other why not, and is in force everywhere with one receipt', async () => {
    const [dave, dora] = [await atHome('dave', null), await someone()];
    const items = [
      { principalId: dave.id, roleId: role('support') },
      { principalId: MISSING.user, roleId: role('support') },
      { principalId: dora, roleId: MISSING.role },
      { principalId: dora, roleId: role('support'), scope: 'nowhere' },
      { principalId: dora, roleId: role('support'), scope: 'No Scope' },
      { principalId: dora, roleId: role('support'), expiresAt: '2001-01-01T00:00:00.000Z' },
      { principalId: dora, roleId: role('support'), scope: 'acme', expiresAt: '2099-01-01T00:00:00.000Z' },
      { principalId: dora, roleId: role('support'), scope: 'acme' },
      { principalId: dora, roleId: role('member') },
    ];
    expect(await may(dave, 'disable', 'User', bob.id)).toEqual(NOWHERE);
    const given = await bulk(GRANT, items, { instance: 1 });
    expect(await may(dave, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
    expect(fates(given)).toEqual([
      'ok',
      'NOT_FOUND',
      'NOT_FOUND',
      'BAD_USER_INPUT scope',
      'BAD_USER_INPUT scope',
      'BAD_USER_INPUT expiresAt',
      'ok',
      'CONFLICT roleId',
      'CONFLICT roleId',
    ]);
    expect(given.receipt).toEqual({ ...IN_FORCE, position: given.position });
    expect(given.results[6]?.grant).toEqual({
      id: expect.any(String),
      scope: 'acme',
      expiresAt: '2099-01-01T00:00:00.000Z',
      grantedBy: alice.id,
    });
    expect(await audited(dora)).toEqual([
      expect.objectContaining({ action: 'user.create' }),
      expect.objectContaining({ action: 'role.grant', by: alice.id }),
    ]);
  });

  test('nobody gives what they lack, item by item, and nobody learns of whom they may not read', async () => {
    const ada = await administratorOf('acme');
    const [inside, outside] = [await someone('acme'), await someone('globex')];
    const items = [
      { principalId: inside, roleId: role('support'), scope: 'acme/platform' },
      { principalId: inside, roleId: role('support') },
      { principalId: inside, roleId: role('administrator'), scope: 'globex' },
      { principalId: outside, roleId: role('support'), scope: 'acme' },
      { principalId: MISSING.user, roleId: role('support'), scope: 'acme' },
      { principalId: inside, roleId: role('administrator'), scope: 'acme' },
    ];
    const given = await bulk(GRANT, items, { by: ada });
    expect(fates(given)).toEqual(['ok', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'ok']);
    // One by one they come to the same.
    const ONE = `mutation ($principalId: ID!, $roleId: ID!, $scope: String) {
      grantRole(principalId: $principalId, roleId: $roleId, scope: $scope) { position }
    }`;
    for (const [n, item] of items.entries()) {
      const [alone] = (await ask(ONE, item, { by: ada })).errors;
      const told = given.results[n]?.refusal;
      if (told !== null) expect(told).toMatchObject({ code: alone?.extensions['code'], message: alone?.message });
    }
    const { results } = given;
    expect({ ...results[3]?.refusal, id: null }).toEqual({ ...results[4]?.refusal, id: null });
  });

  test('an account without any right gives nothing', async () => {
    const items = [{ principalId: bob.id, roleId: role('administrator') }];
    expect(fates(await bulk(GRANT, items, { by: bob }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await ask(GRANT, { items }, { by: null }))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('taking roles away', () => {
  test('does what may be done, in order, and says why not of each other', async () => {
    const dave = await atHome('dave', null, ['member', 'support']);
    const [one, two] = await grantsOf(dave.id);
    expect(await may(dave, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
    const taken = await bulk(REVOKE, [one?.id, MISSING.grant, two?.id, one?.id], { instance: 2 });
    expect(await may(dave, 'disable', 'User', bob.id)).toEqual(NOWHERE);
    expect(fates(taken)).toEqual(['ok', 'NOT_FOUND', 'ok', 'ok']);
    expect(taken.receipt).toEqual({ ...IN_FORCE, position: taken.position });
    expect(await grantsOf(dave.id)).toEqual([]);
    const revoked = (await audited(dave.id)).filter((entry) => Object(entry).action === 'role.revoke');
    expect(revoked).toHaveLength(2);
  });

  test('the last administrator stays, however many are named, and the others of the request are done', async () => {
    const lone = await startCastellans(3);
    try {
      const root = await lone.signUp('root', ['administrator']);
      await lone.rows(`update grants set revoked_at = now() where principal_id <> $1`, root.id);
      const more = [
        await lone.signUp('eve', ['administrator', 'member']),
        await lone.signUp('finn', ['administrator']),
      ];
      const grants = await lone.rows<{ id: string; administrator: boolean }>(
        `select g.id, r.name = 'administrator' as administrator from grants g join roles r on r.id = g.role_id
         where g.revoked_at is null order by g.created_at, g.id`,
      );
      const items = grants.map(({ id }) => id);
      const race = INSTANCES.map((instance) =>
        lone.ask<{ revokeRoles: Done }>(REVOKE, { variables: { items }, token: root.accessToken, instance }),
      );
      const answers = await Promise.all(race);
      // Whoever comes first leaves one administrator; the others find everything done, or the right to do it gone.
      const held = await lone.rows<{ principal_id: string }>(
        `select principal_id from grants g join roles r on r.id = g.role_id
         where r.name = 'administrator' and g.revoked_at is null`,
      );
      expect(held).toHaveLength(1);
      const last = answers.flatMap(({ data }) => data?.revokeRoles.results ?? []).map(({ refusal }) => refusal?.reason);
      expect(last).toContain('last_administrator');
      expect([root, ...more].map(({ id }) => id)).toContain(held[0]?.principal_id);
    } finally {
      await lone.close();
    }
  }, 60_000);
});

describe('shutting people out', () => {
  test('ends their sessions on every instance, and says why not of each other', async () => {
    const ada = await administratorOf('acme');
    const [dave, dora] = [await atHome('dave', 'acme'), await atHome('dora', 'acme/platform')];
    const shut = await bulk(DISABLE, [dave.id, bob.id, MISSING.user, dora.id, dave.id], { by: ada, instance: 1 });
    expect(fates(shut)).toEqual(['ok', 'NOT_FOUND', 'NOT_FOUND', 'ok', 'ok']);
    expect(shut.receipt).toEqual({ ...IN_FORCE, position: shut.position });
    for (const user of [dave, dora]) {
      for (const instance of INSTANCES) {
        expect(codesOf(await ask('{ me { id } }', {}, { by: user, instance }))).toEqual(['SESSION_REVOKED']);
      }
    }
    expect((await ask('{ me { id } }', {}, { by: bob })).data).toEqual({ me: { id: bob.id } });
    expect(fates(await bulk(DISABLE, [dave.id], { by: alice }))).toEqual(['ok']);
    expect((await audited(dave.id)).filter((entry) => Object(entry).action === 'user.disable')).toHaveLength(1);
  });

  test('never the last administrator, in sum, raced from three instances', async () => {
    const lone = await startCastellans(3);
    try {
      const admins: SignedInUser[] = [];
      for (const name of ['ann', 'ben', 'cleo']) admins.push(await lone.signUp(name, ['administrator']));
      const everybody = (await lone.rows<{ id: string }>('select id from users')).map(({ id }) => id);
      await Promise.all(
        admins.map(({ accessToken: token }, instance) =>
          lone.ask(DISABLE, { variables: { items: everybody }, token, instance }),
        ),
      );
      const left = await lone.rows<{ id: string }>(`select id from users where status = 'active'`);
      expect(left).toHaveLength(1);
    } finally {
      await lone.close();
    }
  }, 60_000);
});

describe('bringing users in', () => {
  test('creates those that may be, with name, home, roles and metadata, and mails each to choose a password', async () => {
    const items = [
      {
        email: 'Ina@import.example',
        name: 'Ina',
        scope: 'acme/platform',
        roles: ['support'],
        metadata: { team: 'blue' },
      },
      { email: 'jo.e@import.example' },
      { email: 'INA@import.example' },
      { email: bob.email },
      { email: 'no address' },
      { email: 'kim@import.example', name: '' },
      { email: 'kim@import.example', scope: 'nowhere' },
      { email: 'kim@import.example', roles: ['no-such-role'] },
      { email: 'kim@import.example', metadata: { deep: {} } },
    ];
    const { results, ...rest } = await bulk(IMPORT, items, { instance: 2 });
    expect(fates({ results, ...rest })).toEqual([
      'ok',
      'ok',
      'CONFLICT email',
      'CONFLICT email',
      'BAD_USER_INPUT email',
      'BAD_USER_INPUT name',
      'BAD_USER_INPUT scope',
      'BAD_USER_INPUT roles',
      'BAD_USER_INPUT metadata',
    ]);
    expect(results[0]?.user).toEqual({
      id: expect.any(String),
      email: 'Ina@import.example',
      name: 'Ina',
      scope: 'acme/platform',
      metadata: { team: 'blue' },
      roles: expect.arrayContaining([{ name: 'member' }, { name: 'support' }]),
    });
    expect(results[1]?.user).toMatchObject({ name: 'jo.e', scope: null, roles: [{ name: 'member' }] });
    const ina = results[0]?.user?.id ?? '';
    const held = 'query ($id: ID!) { user(id: $id) { grants { scope role { name } } } }';
    expect(await done(held, { id: ina })).toEqual({
      grants: expect.arrayContaining([
        { scope: null, role: { name: 'member' } },
        { scope: 'acme/platform', role: { name: 'support' } },
      ]),
    });
    const token = await accounts.tokenFor('Ina@import.example');
    expect((await accounts.reset(token, 'a few words of her own')).errors).toEqual([]);
    const signedIn = await accounts.signIn({ email: 'ina@import.example', password: 'a few words of her own' });
    expect(signedIn.data?.signIn.__typename).toBe('SignedIn');
  });

  test('by the administrator of a scope: into it, with roles that hold there, and nowhere else', async () => {
    const ada = await administratorOf('acme');
    const items = [
      { email: 'lee@import.example', scope: 'acme/platform', roles: ['support', 'administrator'] },
      { email: 'max@import.example', scope: 'globex' },
      { email: 'max@import.example' },
      { email: 'max@import.example', scope: 'missing' },
    ];
    expect(fates(await bulk(IMPORT, items, { by: ada }))).toEqual(['ok', 'FORBIDDEN', 'FORBIDDEN', 'FORBIDDEN']);
    expect(fates(await bulk(IMPORT, [{ email: 'max@import.example' }], { by: bob }))).toEqual(['FORBIDDEN']);
  });

  test('the same address from three instances at once comes in once', async () => {
    const items = Array.from({ length: 20 }, (_, n) => ({ email: `race.${n}@import.example` }));
    const answers = await Promise.all(INSTANCES.map((instance) => bulk(IMPORT, items, { instance })));
    for (const n of items.keys()) {
      expect(answers.map((answer) => fates(answer)[n] ?? '').toSorted()).toEqual([
        'CONFLICT email',
        'CONFLICT email',
        'ok',
      ]);
    }
  });
});

describe('how many', () => {
  test.each([
    [GRANT, 'grants', { principalId: 'x', roleId: 'y' }],
    [REVOKE, 'grantIds', 'x'],
    [DISABLE, 'ids', 'x'],
    [IMPORT, 'users', { email: 'x' }],
  ])('more than a thousand are refused as a whole', async (query, field, item) => {
    const refused = await ask(query, { items: Array.from({ length: 1_001 }, () => item) });
    expect(extensionsOf(refused)).toEqual([expect.objectContaining({ code: 'BAD_USER_INPUT', field })]);
    expect(fates(await bulk(query, []))).toEqual([]);
  });

  test('a thousand cost statements by the hundred, and not by the piece', async () => {
    const items = Array.from({ length: 1_000 }, (_, n) => ({ email: `many.${n}@import.example`, roles: ['auditor'] }));
    const statements = recordStatements(castellans.apps);
    const imported = await bulk(IMPORT, items);
    const ids = imported.results.map(({ user }) => user?.id ?? '');
    const given = await bulk(
      GRANT,
      ids.map((principalId) => ({ principalId, roleId: role('support') })),
    );
    const taken = await bulk(
      REVOKE,
      given.results.map(({ grant }) => grant?.id ?? ''),
    );
    const shut = await bulk(DISABLE, ids);
    statements.stop();
    for (const each of [imported, given, taken, shut]) {
      expect(fates(each)).toEqual(ids.map(() => 'ok'));
      expect(each.receipt).toMatchObject({ enforced: true });
    }
    // Each transaction counts as one; mails, and what goes on by itself, come to no more than a few for each hundred.
    const own = statements.names.filter((name) => /user|role|grant|scope|session|authority-committed/.test(name));
    expect(own.length).toBeLessThan(100);
  }, 120_000);
});
