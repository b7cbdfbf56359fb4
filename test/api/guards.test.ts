import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { type Ask, askingOn, extensionsOf, INSTANCES } from '../support/asking.ts';
import { type Answer, type Castellans, codesOf, type SignedInUser, startCastellans } from '../support/castellan.ts';

/** That nobody gives what they lack, that somebody is always administrator, and that what is taken away is gone. */

jest.setTimeout(60_000);

const POLICIES = join(import.meta.dirname, '../../policies');
const EXCEEDS = [{ code: 'FORBIDDEN', reason: 'exceeds_own_rights', rule: expect.any(String) }];
const WIDENS = [{ code: 'FORBIDDEN', reason: 'widens_own_rights', rule: expect.any(String) }];
const LAST = [{ code: 'CONFLICT', reason: 'last_administrator' }];

const GRANT = `mutation ($user: ID!, $role: ID!, $scope: String, $expiresAt: DateTime) {
  grantRole(principalId: $user, roleId: $role, scope: $scope, expiresAt: $expiresAt) { grant { id } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeRole(grantId: $id) { receipt { enforced } } }';
const CREATE_ROLE = 'mutation ($input: CreateRoleInput!) { createRole(input: $input) { role { id } } }';
const UPDATE_ROLE = `mutation ($id: ID!, $input: UpdateRoleInput!) {
  updateRole(id: $id, input: $input) { receipt { enforced } }
}`;
const DELETE_ROLE = 'mutation ($id: ID!) { deleteRole(id: $id) { receipt { enforced } } }';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }';
const SUSPEND = 'mutation ($id: ID!) { suspendScope(id: $id) { receipt { enforced } } }';
const MOVE_SCOPE = `mutation ($id: ID!, $path: String!) {
  moveScope(id: $id, path: $path) { receipt { enforced } }
}`;
const DELETE_SCOPE = 'mutation ($id: ID!) { deleteScope(id: $id) { receipt { enforced } } }';
const APPLY = `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
  applyPolicy(files: $files, expectedVersion: $expectedVersion) { receipt { enforced } }
}`;
const MAY = `query ($id: ID) { viewerCan(action: "disable", subject: "User", id: $id) { allowed } }`;

/** Roles that give a right to give, and some that take away, beside those that Castellan starts with. */
const MORE = `
subjects:
  Doc:
    actions: [read, update, delete]
    attributes: { id: id, owner: id, title: string, state: 'enum(draft, done)', place: scope }
roles:
  giver:
    inherits: [member]
    allow:
      - { action: [read, grant], subject: User }
      - { action: [grant, revoke, create, update, delete], subject: Role }
      - { action: [read, create, move, delete], subject: Scope }
  writer: { allow: [{ action: [read, update], subject: Doc }] }
  reader: { allow: [{ action: read, subject: Doc }] }
  titles: { allow: [{ action: read, subject: Doc, fields: [title] }] }
  drafts: { allow: [{ action: [read, update], subject: Doc, where: { state: draft } }] }
  own: { allow: [{ action: read, subject: Doc, where: { owner: '\${principal.id}' } }] }
  barred: { deny: [{ action: read, subject: Doc, where: { state: done } }] }
  careful:
    allow: [{ action: read, subject: Doc }]
    deny: [{ action: read, subject: Doc, where: { state: done } }]
`;

let castellans: Castellans;
let alice: SignedInUser;
let roleIds: ReadonlyMap<string, string>;
let files: Awaited<ReturnType<typeof readPolicyFiles>>;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  files = [...(await readPolicyFiles(POLICIES)), { path: 'policies/more.yaml', text: MORE }];
  await apply(files);
  const found = await castellans.rows<{ id: string; name: string }>('select id, name from roles');
  roleIds = new Map(found.map(({ id, name }) => [name, id]));
  await castellans.addScopes('acme/platform/api', 'acme/other', 'globex');
});

afterAll(() => castellans.close());

const { ask, done, unchanged, atHome } = askingOn(
  () => castellans,
  () => alice,
);

async function apply(next: typeof files): Promise<void> {
  const { version } = await done<{ version: string }>('{ policy { version } }', {});
  await done(APPLY, { files: next, expectedVersion: version });
}

const idOf = (role: string): string => roleIds.get(role) ?? role;

interface Given {
  readonly scope?: string | null;
  readonly expiresAt?: string;
}

const grant = (user: SignedInUser, role: string, { by, instance, ...where }: Given & Ask = {}) =>
  ask<{ grantRole: { grant: { id: string } } }>(
    GRANT,
    { user: user.id, role: idOf(role), ...where },
    {
      ...(by !== undefined && { by }),
      ...(instance !== undefined && { instance }),
    },
  );

async function granted(user: SignedInUser, role: string, where: Given = {}): Promise<string> {
  const { data, errors } = await grant(user, role, where);
  if (data === null) throw new Error(`the role was not granted: ${JSON.stringify(errors)}`);
  return data.grantRole.grant.id;
}

const compose = async (...inherits: readonly string[]): Promise<string> => {
  const input = { name: `made-${randomBytes(5).toString('hex')}`, inherits: inherits.map(idOf) };
  return (await done<{ role: { id: string } }>(CREATE_ROLE, { input })).role.id;
};

/** Somebody who may give and compose roles everywhere, and holds these besides. */
async function giver(...held: readonly (readonly [role: string, scope?: string])[]): Promise<SignedInUser> {
  const user = await castellans.signUp('giver', []);
  await granted(user, 'giver');
  for (const [role, scope = null] of held) await granted(user, role, { scope });
  return user;
}

describe('AC-58: nobody gives what they lack', () => {
  let bob: SignedInUser;

  beforeAll(async () => {
    bob = await castellans.signUp('bob', []);
  });

  test.each([
    ['a role above their own', [['reader']], 'writer', null],
    ['administrator', [['writer']], 'administrator', null],
    ['a role that speaks of everything', [['reader']], 'auditor', null],
    ['all fields of some', [['titles']], 'reader', null],
    ['all records of some', [['drafts']], 'writer', null],
    ['those of others for their own', [['own']], 'reader', null],
    ['everywhere what they have at a scope', [['reader', 'acme']], 'reader', null],
    ['above where they have it', [['reader', 'acme/platform']], 'reader', 'acme'],
    ['beside where they have it', [['reader', 'acme/platform']], 'reader', 'globex'],
    ['what they are denied', [['reader'], ['barred']], 'reader', null],
    ['what they are denied in a scope below', [['reader'], ['barred', 'acme/platform']], 'reader', null],
    ['what they are denied above', [['reader'], ['barred', 'acme']], 'reader', 'acme/platform'],
    ['a role that lacks the deny of their own', [['careful']], 'reader', null],
  ] as const)('%s', async (_, held, role, scope) => {
    const by = await giver(...held);
    const made = await compose(role);
    await unchanged(async () => {
      for (const each of [role, made]) {
        // To themselves as to others.
        for (const user of [bob, by]) expect(extensionsOf(await grant(user, each, { by, scope }))).toEqual(EXCEEDS);
      }
      if (scope === null) {
        const input = { name: 'never', inherits: [idOf(role)] };
        expect(extensionsOf(await ask(CREATE_ROLE, { input }, { by, instance: 1 }))).toEqual(EXCEEDS);
      }
    });
  });

  test.each([
    ['what they have', [['reader']], 'reader', null],
    ['less of it', [['writer']], 'titles', null],
    ['it further down', [['reader', 'acme']], 'reader', 'acme/platform'],
    ['what is denied there as much', [['careful']], 'careful', null],
    ['what they are denied elsewhere', [['reader'], ['barred', 'globex']], 'reader', 'acme'],
    ['a role that only takes away', [], 'barred', null],
  ] as const)('and may give %s', async (_, held, role, scope) => {
    const by = await giver(...held);
    const [one, two] = [await castellans.signUp('one', []), await castellans.signUp('two', [])];
    expect(extensionsOf(await grant(one, role, { by, scope }))).toEqual([]);
    expect(extensionsOf(await grant(two, await compose(role), { by, scope, instance: 2 }))).toEqual([]);
  });

  test('nor puts it into a role, which they hold or others do', async () => {
    const made = await compose('reader');
    const by = await giver([made]);
    const others = await compose('titles');
    await granted(bob, others);
    await unchanged(async () => {
      for (const id of [made, others]) {
        const input = { inherits: [idOf('reader'), idOf('writer')] };
        expect(extensionsOf(await ask(UPDATE_ROLE, { id, input }, { by, instance: 1 }))).toEqual(EXCEEDS);
      }
    });
    await done(UPDATE_ROLE, { id: others, input: { inherits: [idOf('reader')] } }, { by });
  });

  test('nor gives it by way of a role of theirs that is made of it later', async () => {
    const made = await compose('titles');
    const by = await giver(['reader']);
    await done(GRANT, { user: bob.id, role: made }, { by });
    await done(UPDATE_ROLE, { id: made, input: { inherits: [idOf('writer')] } });
    const other = await castellans.signUp('other', []);
    expect(extensionsOf(await grant(other, made, { by }))).toEqual(EXCEEDS);
  });

  test('nor lifts what denies them something, by revoking it, by composing anew or by deleting', async () => {
    const [base, fence] = [await compose('reader'), await compose('barred')];
    const both = await compose('reader', 'barred');
    const by = await giver([base], [both]);
    const own = await granted(by, fence);
    const scoped = await granted(by, 'barred', { scope: 'acme' });
    // What it is denied it is denied twice over; one alone takes nothing away that the other does not.
    await done(REVOKE, { id: own }, { by });
    await granted(by, fence, { scope: 'globex' });
    await done(UPDATE_ROLE, { id: both, input: { inherits: [idOf('reader')] } });
    await unchanged(async () => {
      expect(extensionsOf(await ask(REVOKE, { id: scoped }, { by }))).toEqual(WIDENS);
      const input = { inherits: [idOf('titles')] };
      expect(extensionsOf(await ask(DELETE_ROLE, { id: fence }, { by, instance: 1 }))).toEqual(EXCEEDS);
      // titles is less than it has, and barred is gone from it all the same.
      expect(extensionsOf(await ask(UPDATE_ROLE, { id: fence, input }, { by, instance: 2 }))).toEqual([
        expect.objectContaining({ code: 'FORBIDDEN' }),
      ]);
    });
    // Others lift it.
    await done(DELETE_ROLE, { id: fence });
    await done(REVOKE, { id: scoped });
  });

  test('nor takes from others what denies them something that they may not do themselves', async () => {
    const [some, all] = [await giver(['drafts']), await giver(['reader'])];
    const dan = await castellans.signUp('dan', []);
    await granted(dan, 'reader');
    const fence = await granted(dan, 'barred');
    await unchanged(async () => {
      expect(extensionsOf(await ask(REVOKE, { id: fence }, { by: some, instance: 1 }))).toEqual(EXCEEDS);
    });
    // Who may read them all gives nothing that they lack.
    await done(REVOKE, { id: fence }, { by: all });
  });

  test('nor moves a scope to where they may do more in it, or are denied less', async () => {
    await castellans.addScopes('from/moved/below', 'more', 'less');
    const [by, barred] = [await giver(['writer', 'more']), await giver(['reader'])];
    await granted(barred, 'barred', { scope: 'from' });
    const [scope] = await castellans.rows<{ id: string }>(`select scope_id_at('from/moved') as id`);
    const move = (path: string, who: SignedInUser, instance = 0) =>
      ask(MOVE_SCOPE, { id: scope?.id, path }, { by: who, instance });
    await unchanged(async () => {
      expect(extensionsOf(await move('more/moved', by))).toEqual(EXCEEDS);
      expect(extensionsOf(await move('less/moved', barred, 1))).toEqual(EXCEEDS);
    });
    // Nor to where others may, or are not denied, what they lack themselves.
    expect(extensionsOf(await move('less/moved', by, 2))).toEqual(EXCEEDS);
    expect(extensionsOf(await move('less/moved', alice, 2))).toEqual([]);
    expect(extensionsOf(await move('more/moved', barred, 2))).toEqual(EXCEEDS);
    await granted(by, 'writer', { scope: scope?.id ?? '' });
    expect(extensionsOf(await move('moved-to-root', by))).toEqual([]);
  });

  test('nor lifts it by deleting the scope that it holds in', async () => {
    await castellans.addScopes('barred-in');
    const by = await giver(['reader']);
    await granted(by, 'barred', { scope: 'barred-in' });
    const [scope] = await castellans.rows<{ id: string }>(`select scope_id_at('barred-in') as id`);
    await unchanged(async () => {
      expect(extensionsOf(await ask(DELETE_SCOPE, { id: scope?.id }, { by }))).toEqual(EXCEEDS);
    });
  });
});

describe('AC-59: somebody is always administrator, everywhere and without end', () => {
  const ADMINISTRATORS = `select distinct g.principal_id as id from grants g
    join role_closure c on c.role_id = g.role_id join roles r on r.id = c.held_id
    join users u on u.id = g.principal_id left join scopes s on s.id = u.scope_id
    where r.name = 'administrator' and g.scope_id is null and g.expires_at is null and g.revoked_at is null
      and u.status = 'active' and not exists (
        select from scopes above where above.id = any(s.lineage) and above.status = 'suspended')`;
  let lone: Castellans;
  let ada: SignedInUser;
  let eve: SignedInUser;
  let administrator: string;

  // Of its own: the first one that it makes for itself is disabled, so that who is left is who the tests say.
  beforeAll(async () => {
    lone = await startCastellans(3);
    ada = await lone.signUp('ada', ['administrator', 'member']);
    eve = await lone.signUp('eve', ['member']);
    const [role] = await lone.rows<{ id: string }>(`select id from roles where name = 'administrator'`);
    administrator = role?.id ?? '';
    const others = (await administrators()).filter((id) => id !== ada.id);
    for (const id of others) expect((await at(DISABLE, { id })).errors).toEqual([]);
    expect(await administrators()).toEqual([ada.id]);
  });
  afterAll(() => lone.close());

  const administrators = async () => (await lone.rows<{ id: string }>(ADMINISTRATORS)).map(({ id }) => id).toSorted();
  const at = <T>(query: string, variables: object, by = ada, instance = 0): Promise<Answer<T>> =>
    lone.ask<T>(query, { variables, token: by.accessToken, instance });

  /** The id of the grant of administrator, or of what is made of it, to this user. */
  async function grantOf(user: SignedInUser, role = administrator): Promise<string> {
    const text =
      'select id from grants where principal_id = $1 and role_id = $2 and revoked_at is null and scope_id is null';
    const [held] = await lone.rows<{ id: string }>(text, user.id, role);
    return held?.id ?? '';
  }

  async function makeBoth(): Promise<void> {
    const services = lone.apps[0]?.services;
    for (const { id } of [ada, eve]) {
      const held = await grantOf({ ...ada, id });
      if (held === '') await services?.grants.grant(SYSTEM, { principalId: id, roleId: administrator });
    }
    expect(await administrators()).toEqual([ada.id, eve.id].toSorted());
  }

  test.each([
    ['each takes it from the other', (user: SignedInUser) => (user === ada ? eve : ada)],
    ['each gives it up', (user: SignedInUser) => user],
  ])('two at once, of whom %s: one stays', async (_, targetOf) => {
    const pairs = INSTANCES.flatMap((one) => INSTANCES.filter((two) => two !== one).map((two) => [one, two] as const));
    for (let round = 0; round < 20; round += 1) {
      await makeBoth();
      const [one, two] = pairs[round % pairs.length] ?? [0, 1];
      const [adas, eves] = [await grantOf(targetOf(ada)), await grantOf(targetOf(eve))];
      const answers = await Promise.all([at(REVOKE, { id: adas }, ada, one), at(REVOKE, { id: eves }, eve, two)]);
      const refused = answers.flatMap(codesOf);
      expect(refused).toHaveLength(1);
      // The other is administrator no more by then, or would be the last.
      expect(['CONFLICT', 'FORBIDDEN', 'NOT_FOUND']).toContain(refused[0]);
      expect(await administrators()).toHaveLength(1);
    }
  });

  test('two at once, of whom each disables the other: one stays', async () => {
    for (let round = 0; round < 5; round += 1) {
      await makeBoth();
      const answers = await Promise.all([
        at(DISABLE, { id: eve.id }, ada, round % 3),
        at(DISABLE, { id: ada.id }, eve, (round + 1) % 3),
      ]);
      expect(answers.flatMap(codesOf)).toHaveLength(1);
      const [left] = await administrators();
      expect([ada.id, eve.id]).toContain(left);
      // Castellan cannot yet do this through the API.
      const gone = left === ada.id ? eve : ada;
      await lone.rows(`update users set status = 'active' where id = $1`, gone.id);
      const fresh = { ...gone, ...(await lone.signIn(gone.email)) };
      if (gone === ada) ada = fresh;
      else eve = fresh;
    }
  });

  /** With ada as the only one, who keeps being refused to stop being so. */
  async function alone(): Promise<void> {
    await makeBoth();
    expect((await at(REVOKE, { id: await grantOf(eve) })).errors).toEqual([]);
    expect(await administrators()).toEqual([ada.id]);
  }

  test('the last one is neither taken the role, nor disabled, by anybody, from any instance', async () => {
    await alone();
    for (const instance of INSTANCES) {
      expect(extensionsOf(await at(REVOKE, { id: await grantOf(ada) }, ada, instance))).toEqual(LAST);
      expect(extensionsOf(await at(DISABLE, { id: ada.id }, ada, instance))).toEqual(LAST);
    }
    const services = lone.apps[1]?.services;
    const own = grantOf(ada).then((id) => services?.grants.revoke(SYSTEM, id));
    await expect(own).rejects.toMatchObject({ code: 'CONFLICT', data: { reason: 'last_administrator' } });
    expect(await administrators()).toEqual([ada.id]);
  });

  test('one whose grant has an end, or is at a scope, or who is disabled, is not another', async () => {
    await alone();
    await lone.addScopes('acme');
    const expiresAt = '2099-01-01T00:00:00.000Z';
    for (const where of [{ expiresAt }, { scope: 'acme' }]) {
      const { errors } = await at(GRANT, { user: eve.id, role: administrator, ...where });
      expect(errors).toEqual([]);
      expect(extensionsOf(await at(REVOKE, { id: await grantOf(ada) }, ada, 1))).toEqual(LAST);
    }
    await lone.rows(
      'update grants set revoked_at = now() where principal_id = $1 and role_id = $2',
      eve.id,
      administrator,
    );
    const gone = await lone.signUp('gone', ['administrator']);
    expect((await at(DISABLE, { id: gone.id })).errors).toEqual([]);
    expect(extensionsOf(await at(REVOKE, { id: await grantOf(ada) }, ada, 2))).toEqual(LAST);
  });

  test('the home of the last one is not suspended, nor anything above it, nor is it moved to below what is', async () => {
    await alone();
    await lone.addScopes('home/inner');
    await lone.rows(`update users set scope_id = scope_id_at('home/inner') where id = $1`, ada.id);
    const ids = await lone.rows<{ id: string }>(`select id from scopes where path in ('home', 'home/inner')`);
    for (const { id } of ids) {
      expect(extensionsOf(await at(SUSPEND, { id }, ada, 1))).toEqual(LAST);
    }
    expect(await administrators()).toEqual([ada.id]);
    const [other] = await lone.rows<{ id: string }>(`select scope_id_at('acme') as id`);
    expect((await at(SUSPEND, { id: other?.id })).errors).toEqual([]);
    for (const { id } of ids) {
      expect(extensionsOf(await at(MOVE_SCOPE, { id, path: 'acme/home' }, ada, 2))).toEqual(LAST);
    }
    expect(await administrators()).toEqual([ada.id]);
    await lone.rows('update users set scope_id = null where id = $1', ada.id);
  });

  test('a custom role through which alone somebody is administrator is neither deleted nor composed anew', async () => {
    await alone();
    const made = await at<{ createRole: { role: { id: string } } }>(CREATE_ROLE, {
      input: { name: 'inner', inherits: [administrator] },
    });
    const inner = made.data?.createRole.role.id ?? '';
    const outer = await at<{ createRole: { role: { id: string } } }>(CREATE_ROLE, {
      input: { name: 'outer', inherits: [inner] },
    });
    const id = outer.data?.createRole.role.id ?? '';
    expect((await at(GRANT, { user: ada.id, role: id })).errors).toEqual([]);
    expect((await at(REVOKE, { id: await grantOf(ada) })).errors).toEqual([]);
    expect(await administrators()).toEqual([ada.id]);

    const [member] = await lone.rows<{ id: string }>(`select id from roles where name = 'member'`);
    const input = { inherits: [member?.id] };
    expect(extensionsOf(await at(DELETE_ROLE, { id }, ada, 1))).toEqual(LAST);
    for (const role of [inner, id])
      expect(extensionsOf(await at(UPDATE_ROLE, { id: role, input }, ada, 2))).toEqual(LAST);
    expect(extensionsOf(await at(REVOKE, { id: await grantOf(ada, id) }))).toEqual(LAST);
    expect(extensionsOf(await at(DISABLE, { id: ada.id }))).toEqual(LAST);
    expect(await administrators()).toEqual([ada.id]);
  });
});

describe('AC-02: what is taken away is gone on every instance for every request that starts after the receipt', () => {
  /** Asks on every instance without pause, and notes which requests that started after the receipt were permitted. */
  async function probe(may: (instance: number) => Promise<boolean>, change: () => Promise<unknown>): Promise<void> {
    const state = { acknowledged: false, over: false };
    const after: boolean[] = [];
    let before = 0;
    const asking = INSTANCES.flatMap((instance) => [instance, instance]).map(async (instance) => {
      while (!state.over) {
        const late = state.acknowledged;
        const allowed = await may(instance);
        if (late) after.push(allowed);
        else if (allowed) before += 1;
      }
    });
    await change();
    state.acknowledged = true;
    // Each asks some more.
    while (after.length < 60) await may(0);
    state.over = true;
    await Promise.all(asking);
    expect(before).toBeGreaterThan(0);
    expect(after.filter(Boolean)).toEqual([]);
  }

  const mayDisable = (user: SignedInUser, id: string) => async (instance: number) => {
    const { data } = await ask<{ viewerCan: { allowed: boolean } }>(MAY, { id }, { by: user, instance });
    return data?.viewerCan.allowed === true;
  };

  test('a scope that is suspended, for who is at home there', async () => {
    await castellans.addScopes('gone/below');
    const user = await atHome('home', 'gone/below');
    const [scope] = await castellans.rows<{ id: string }>(`select scope_id_at('gone') as id`);
    await probe(
      async (instance) => (await ask<{ me: object }>('{ me { id } }', {}, { by: user, instance })).data !== null,
      () => done(SUSPEND, { id: scope?.id }, { instance: 1 }),
    );
  });

  test('a scope that is suspended, for who was granted something there', async () => {
    await castellans.addScopes('kept/below');
    const [user, inside] = [await castellans.signUp('sam', []), await atHome('home', 'kept/below')];
    await granted(user, 'support', { scope: 'kept' });
    const [scope] = await castellans.rows<{ id: string }>(`select scope_id_at('kept') as id`);
    await probe(mayDisable(user, inside.id), () => done(SUSPEND, { id: scope?.id }, { instance: 2 }));
  });

  test('what a custom role is made of no more, also through another one', async () => {
    const inner = await compose('support');
    const outer = await compose(inner);
    const [user, bob] = [await castellans.signUp('sam', []), await castellans.signUp('bob')];
    await granted(user, outer);
    await probe(mayDisable(user, bob.id), () =>
      done(UPDATE_ROLE, { id: inner, input: { inherits: [idOf('member')] } }, { instance: 1 }),
    );
  });

  test('what a role inherits in the policy no more, also by way of a custom one', async () => {
    const guests = { path: 'policies/guests.yaml', text: 'roles: { guest: { inherits: [support] } }' };
    await apply([...files, guests]);
    const [role] = await castellans.rows<{ id: string }>(`select id from roles where name = 'guest'`);
    const made = await compose(role?.id ?? '');
    const [user, bob] = [await castellans.signUp('sam', []), await castellans.signUp('bob')];
    await granted(user, made);
    await probe(mayDisable(user, bob.id), () =>
      apply([...files, { ...guests, text: 'roles: { guest: { inherits: [member] } }' }]),
    );
  });
});
