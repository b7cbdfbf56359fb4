import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import {
  type Ask,
  askingOn,
  EVERYWHERE,
  IN_FORCE,
  INSTANCES,
  NOWHERE,
  onEveryInstance,
  seen,
} from '../support/asking.ts';
import { type Castellans, codesOf, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { watching } from '../support/rights-events.ts';

const POLICIES = join(import.meta.dirname, '../../policies');
const MISSING = `role_${'0'.repeat(26)}`;

const ROLE = 'id name description managed inherits { name } ancestors { name } descendants { name }';
const RECEIPT = 'receipt { enforced position instances acknowledged } position';
const CREATE = `mutation ($input: CreateRoleInput!) { createRole(input: $input) { role { ${ROLE} } position } }`;
const UPDATE = `mutation ($id: ID!, $input: UpdateRoleInput!) {
  updateRole(id: $id, input: $input) { role { ${ROLE} } ${RECEIPT} }
}`;
const DELETE = `mutation ($id: ID!) { deleteRole(id: $id) { role { id name description managed } ${RECEIPT} } }`;
const GRANT = `mutation ($user: ID!, $role: ID!, $scope: String) {
  grantRole(principalId: $user, roleId: $role, scope: $scope) { grant { id } }
}`;
const APPLY = `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
  applyPolicy(files: $files, expectedVersion: $expectedVersion) { version }
}`;
const CHANGED = 'subscription { permissionsChanged { __typename ... on PermissionsChanged { rules position } } }';

interface RoleData {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly managed: boolean;
  readonly inherits: readonly { readonly name: string }[];
  readonly ancestors: readonly { readonly name: string }[];
  readonly descendants: readonly { readonly name: string }[];
}
interface Changed {
  readonly role: RoleData;
  readonly receipt: object;
  readonly position: string;
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let count = 0;
let managed: ReadonlyMap<string, string>;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  const found = await castellans.rows<{ id: string; name: string }>('select id, name from roles');
  managed = new Map(found.map(({ id, name }) => [name, id]));
});

afterAll(() => castellans.close());

const namesOf = (roles: readonly { readonly name: string }[]) => roles.map(({ name }) => name);
const idOf = (name: string): string => managed.get(name) ?? '';
const asking = askingOn(
  () => castellans,
  () => alice,
);
const { ask, done, unchanged, audited } = asking;
const may = (user: SignedInUser, action: string, id: string) => asking.may(user, action, 'User', id);

const aName = (): string => `role-${(count += 1)}`;

/** A custom role of a name of its own, made of these. */
async function create(...inherits: readonly string[]): Promise<RoleData> {
  return (await done<Changed>(CREATE, { input: { name: aName(), inherits } })).role;
}

const update = (id: string, input: object, options: Ask = {}) => done<Changed>(UPDATE, { id, input }, options);

async function holder(...roles: readonly RoleData[]): Promise<SignedInUser> {
  const user = await castellans.signUp('holder');
  for (const { id } of roles) await done(GRANT, { user: user.id, role: id });
  return user;
}

const readOnEvery = (id: string, by = alice) =>
  onEveryInstance((instance) =>
    done<RoleData | null>(`query ($id: ID) { role(id: $id) { ${ROLE} } }`, { id }, { by, instance }),
  );

describe('a custom role', () => {
  test('is made of others, and says so on every instance, through what files let those inherit', async () => {
    for (const instance of INSTANCES) {
      const input = { name: aName(), description: ' Helps ', inherits: [idOf('support'), idOf('service')] };
      const { role, position } = await done<Changed>(CREATE, { input }, { instance });
      expect(role).toMatchObject({ name: input.name, description: 'Helps', managed: false, descendants: [] });
      expect(namesOf(role.inherits).toSorted()).toEqual(['service', 'support']);
      // Nearest first: member comes through support.
      expect(namesOf(role.ancestors).toSorted()).toEqual(['member', 'service', 'support']);
      expect(namesOf(role.ancestors).at(-1)).toBe('member');
      expect(position).toMatch(/^[0-9a-f]{8}-\d+$/);
      expect(await readOnEvery(role.id)).toEqual([role, role, role]);
      for (const name of ['support', 'member']) {
        const [below] = await readOnEvery(idOf(name));
        expect(namesOf(below?.descendants ?? [])).toContain(role.name);
      }
      const after = { name: input.name, described: true, inherits: ['service', 'support'] };
      expect(await audited(role.id)).toEqual([{ by: alice.id, action: 'role.create', before: null, after }]);
    }
  });

  test('may be made of custom ones, which know of it, nearest first', async () => {
    const low = await create(idOf('support'));
    const middle = await create(low.id, idOf('service'));
    const high = await create(middle.id);
    expect(namesOf(high.inherits)).toEqual([middle.name]);
    expect(namesOf(high.ancestors)[0]).toBe(middle.name);
    expect(new Set(namesOf(high.ancestors))).toEqual(new Set([middle.name, low.name, 'service', 'support', 'member']));
    const [below] = await readOnEvery(low.id, bob);
    expect(namesOf(below?.descendants ?? [])).toEqual([middle.name, high.name]);
  });

  test('shows nothing of roles that may not be read', async () => {
    const low = await create(idOf('support'));
    const nobody = await castellans.signUp('nobody', []);
    expect(await readOnEvery(low.id, nobody)).toEqual([null, null, null]);
  });

  test('gives its holders what it is made of, and user.roles names it alone', async () => {
    const high = await create((await create(idOf('support'))).id);
    const carol = await castellans.signUp('carol');
    expect(await may(carol, 'disable', bob.id)).toEqual(NOWHERE);
    await done(GRANT, { user: carol.id, role: high.id }, { instance: 1 });
    expect(await may(carol, 'disable', bob.id)).toEqual(EVERYWHERE);
    const roles = await done<{ roles: readonly { name: string }[] }>('{ me { roles { name } } }', {}, { by: carol });
    expect(namesOf(roles.roles).toSorted()).toEqual([high.name, 'member'].toSorted());
  });

  test('at a scope gives there and below only', async () => {
    await castellans.addScopes('custom/in', 'outside');
    const role = await create(idOf('support'));
    const carol = await castellans.signUp('carol');
    await done(GRANT, { user: carol.id, role: role.id, scope: 'custom' });
    const people = await Promise.all(
      ['custom/in', 'outside'].map(async (scope) => {
        const email = `at.${aName()}@example.com`;
        const { value } = (await castellans.apps[0]?.services.users.create(SYSTEM, { email, name: 'At', scope })) ?? {};
        return value?.id ?? '';
      }),
    );
    expect(await may(carol, 'disable', people[0] ?? '')).toEqual(EVERYWHERE);
    expect(await may(carol, 'disable', people[1] ?? '')).toEqual(NOWHERE);
  });

  test('made of administrator makes its holders administrators to whom policies speak of them', async () => {
    const role = await create((await create(idOf('administrator'))).id);
    const [carol, sam] = [await holder(role), await castellans.signUp('sam', ['support'])];
    expect(await may(sam, 'disable', bob.id)).toEqual(EVERYWHERE);
    expect(await may(sam, 'disable', carol.id)).toEqual(NOWHERE);
    const disable = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
    expect(codesOf(await ask(disable, { id: carol.id }, { by: sam }))).toEqual(['FORBIDDEN']);
    await update(role.id, { inherits: [idOf('support')] });
    expect(await may(sam, 'disable', carol.id)).toEqual(EVERYWHERE);
  });
});

describe('changing a custom role', () => {
  test('changes what its holders may, on every instance, once the receipt is there', async () => {
    for (const instance of INSTANCES) {
      const role = await create(idOf('member'));
      const above = await create((await create(role.id)).id);
      const [carol, dora] = [await holder(role), await holder(above)];
      for (const inherits of [[idOf('support')], [idOf('member')]]) {
        const changed = await update(role.id, { inherits }, { instance });
        const expected = inherits.includes(idOf('support')) ? EVERYWHERE : NOWHERE;
        for (const user of [carol, dora]) expect(await may(user, 'disable', bob.id)).toEqual(expected);
        expect(changed.receipt).toEqual({ ...IN_FORCE, position: changed.position });
      }
    }
  });

  test('leaves as it is what is not named, and takes a description away that is null', async () => {
    const role = await create(idOf('support'));
    const described = await update(role.id, { description: 'First' });
    expect(described.role).toEqual({ ...role, description: 'First' });
    const name = aName();
    expect((await update(role.id, { name }, { instance: 1 })).role).toEqual({ ...role, name, description: 'First' });
    expect((await update(role.id, { description: null })).role).toEqual({ ...role, name });
    expect((await update(role.id, { inherits: [idOf('member'), idOf('member')] })).role).toMatchObject({
      name,
      inherits: [{ name: 'member' }],
    });
    expect(await readOnEvery(role.id)).toMatchObject(INSTANCES.map(() => ({ name, description: null })));
    const state = { name: role.name, described: false, inherits: ['support'] };
    const rest = (await audited(role.id)).slice(1);
    expect(rest.map((entry) => Object(entry).action)).toEqual(rest.map(() => 'role.update'));
    expect(rest).toMatchObject([
      { by: alice.id, before: state, after: { ...state, described: true } },
      { before: { ...state, described: true }, after: { ...state, name, described: true } },
      { before: { ...state, name, described: true }, after: { ...state, name } },
      { before: { ...state, name }, after: { ...state, name, inherits: ['member'] } },
    ]);
  });

  test('tells those who hold it, also through another one, what they may now', async () => {
    const role = await create(idOf('member'));
    const above = await create(role.id);
    const people = [await holder(role), await holder(above)];
    const streams = [];
    for (const [n, { accessToken: token }] of people.entries()) {
      const instance = n + 1;
      const client = castellans.connect({ token, instance });
      streams.push(
        await watching<{ permissionsChanged: { rules: unknown } }>(castellans, { client, instance, query: CHANGED }),
      );
    }
    await update(role.id, { inherits: [idOf('support')] });
    for (const events of streams) {
      const event = await events.next();
      expect(event).toMatchObject({ permissionsChanged: { __typename: 'PermissionsChanged' } });
      expect(JSON.stringify(event?.permissionsChanged.rules)).toContain('disable');
      await events.stop();
    }
  });

  test('never makes it of itself: not directly, nor through others', async () => {
    const one = await create(idOf('member'));
    const two = await create(one.id);
    const three = await create(two.id);
    await unchanged(async () => {
      for (const parent of [one, two, three]) {
        const input = { inherits: [idOf('member'), parent.id] };
        const { errors } = await ask(UPDATE, { id: one.id, input }, { instance: 1 });
        const extensions = { code: 'CONFLICT', field: 'inherits', reason: 'circle' };
        expect(errors.map((error) => error.extensions)).toEqual([extensions]);
        expect(errors[0]?.message).toContain(`${one.name} → `);
      }
    });
  });

  test('raced from three instances, never makes a circle', async () => {
    for (let round = 0; round < 10; round += 1) {
      const roles = [await create(idOf('member')), await create(idOf('member')), await create(idOf('member'))];
      const answers = await onEveryInstance((instance) =>
        ask(
          UPDATE,
          { id: roles[instance]?.id, input: { inherits: [roles[(instance + 1) % 3]?.id] } },
          { instance: (instance + round) % 3 },
        ),
      );
      expect(answers.flatMap(codesOf)).toEqual(['CONFLICT']);
    }
    const circles = await castellans.rows(
      `select 1 from role_closure a join role_closure b on a.role_id = b.held_id and a.held_id = b.role_id
       where a.role_id <> a.held_id`,
    );
    expect(circles).toEqual([]);
  });
});

describe('what a role may be', () => {
  test('of a name that no other has, in files or not', async () => {
    const role = await create(idOf('member'));
    const other = await create(idOf('member'));
    await unchanged(async () => {
      for (const name of ['member', 'administrator', role.name]) {
        const input = { name, inherits: [idOf('member')] };
        for (const answer of [await ask(CREATE, { input }), await ask(UPDATE, { id: other.id, input: { name } })]) {
          expect(answer.errors.map(({ extensions }) => extensions)).toEqual([{ code: 'CONFLICT', field: 'name' }]);
        }
      }
    });
    const name = aName();
    const raced = await onEveryInstance((instance) =>
      ask(CREATE, { input: { name, inherits: [idOf('member')] } }, { instance }),
    );
    expect(raced.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT']);
  });

  test.each(['', 'Support', '1st', '-a', 'a b', 'a/b', 'ä', 'a'.repeat(64), ' a', 'a\u0000'])(
    'refuses %j as a name',
    async (name) => {
      const role = await create(idOf('member'));
      await unchanged(async () => {
        const input = { name, inherits: [idOf('member')] };
        for (const answer of [await ask(CREATE, { input }), await ask(UPDATE, { id: role.id, input: { name } })]) {
          expect(answer.errors.map(({ extensions }) => extensions)).toEqual([
            { code: 'BAD_USER_INPUT', field: 'name' },
          ]);
        }
      });
    },
  );

  test('refuses a description that is too long or has control characters', async () => {
    await unchanged(async () => {
      for (const description of ['x'.repeat(501), 'a\u0007b']) {
        const { errors } = await ask(CREATE, { input: { name: aName(), description, inherits: [idOf('member')] } });
        const extensions = { code: 'BAD_USER_INPUT', field: 'description' };
        expect(errors.map((error) => error.extensions)).toEqual([extensions]);
      }
    });
  });

  test('made of 1 to 50 roles that are there', async () => {
    const role = await create(idOf('member'));
    const gone = await create(idOf('member'));
    await done(DELETE, { id: gone.id });
    const many = Array.from({ length: 51 }, (_, n) => `role_${String(n).padStart(26, '0')}`);
    await unchanged(async () => {
      for (const inherits of [[], many, [MISSING], [idOf('member'), gone.id], ['']]) {
        const answers = [
          await ask(CREATE, { input: { name: aName(), inherits } }),
          await ask(UPDATE, { id: role.id, input: { inherits } }),
        ];
        for (const { errors } of answers) {
          const extensions = { code: 'BAD_USER_INPUT', field: 'inherits' };
          expect(errors.map((error) => error.extensions)).toEqual([extensions]);
        }
      }
    });
  });

  test('a role from policy files is changed and deleted there alone', async () => {
    await unchanged(async () => {
      for (const name of managed.keys()) {
        const id = idOf(name);
        const answers = [
          await ask(UPDATE, { id, input: { name: aName() } }),
          await ask(UPDATE, { id, input: { inherits: [idOf('member')] } }, { instance: 1 }),
          await ask(UPDATE, { id, input: {} }),
          await ask(DELETE, { id }, { instance: 2 }),
        ];
        for (const { errors } of answers) {
          expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'CONFLICT', reason: 'managed', id }]);
        }
      }
    });
  });

  test('a policy that has a role of a custom one’s name is refused, and nothing changes', async () => {
    const role = await create(idOf('member'));
    const carol = await holder(role);
    const text = `roles: { another: { inherits: [member] }, ${role.name}: { inherits: [administrator] } }`;
    const files = [...(await readPolicyFiles(POLICIES)), { path: 'policies/more.yaml', text }];
    const { version } = await done<{ version: string }>('{ policy { version } }', {});
    await unchanged(async () => {
      const { errors } = await ask(APPLY, { files, expectedVersion: version }, { instance: 1 });
      expect(errors).toMatchObject([{ extensions: { code: 'CONFLICT', field: 'files' } }]);
      expect(errors[0]?.message).toContain(role.name);
    });
    expect(await may(carol, 'read', bob.id)).toEqual(NOWHERE);
    expect(await onEveryInstance((instance) => done('{ policy { version } }', {}, { instance }))).toEqual(
      INSTANCES.map(() => ({ version })),
    );

    // Under another name it is in nobody's way, and whoever holds it holds what they held.
    await update(role.id, { name: aName() });
    await done(APPLY, { files, expectedVersion: version });
    expect(await may(carol, 'read', bob.id)).toEqual(NOWHERE);
    const { id } = await done<RoleData>('query ($name: String) { role(name: $name) { id } }', { name: role.name });
    expect(id).not.toBe(role.id);
  });
});

describe('deleting a custom role', () => {
  test('takes it from everybody who holds it, on every instance', async () => {
    for (const instance of INSTANCES) {
      const role = await create(idOf('support'));
      const carol = await holder(role);
      expect(await may(carol, 'disable', bob.id)).toEqual(EVERYWHERE);
      const { receipt, position, role: deleted } = await done<Changed>(DELETE, { id: role.id }, { instance });
      expect(await may(carol, 'disable', bob.id)).toEqual(NOWHERE);
      expect(receipt).toEqual({ ...IN_FORCE, position });
      expect(deleted).toEqual({ id: role.id, name: role.name, description: null, managed: false });
      expect(await readOnEvery(role.id)).toEqual([null, null, null]);
      const { grants } = await done<{ grants: object[] }>('{ me { grants { id } } }', {}, { by: carol });
      expect(grants).toHaveLength(1);
      const before = { name: role.name, described: false, inherits: ['support'] };
      expect((await audited(role.id)).at(-1)).toEqual({ by: alice.id, action: 'role.delete', before, after: null });
    }
  });

  test('again changes nothing, and confirms that it is in force', async () => {
    const role = await create(idOf('support'));
    const first = await done<Changed>(DELETE, { id: role.id });
    await unchanged(async () => {
      expect(await done<Changed>(DELETE, { id: role.id }, { instance: 1 })).toEqual(first);
      expect(codesOf(await ask(UPDATE, { id: role.id, input: {} }))).toEqual(['NOT_FOUND']);
      expect(codesOf(await ask(GRANT, { user: bob.id, role: role.id }))).toEqual(['NOT_FOUND']);
    });
  });

  test('is refused while others are made of it', async () => {
    const role = await create(idOf('support'));
    const above = await create(role.id);
    await unchanged(async () => {
      const { errors } = await ask(DELETE, { id: role.id }, { instance: 1 });
      const extensions = { code: 'CONFLICT', reason: 'inherited', id: role.id };
      expect(errors.map((error) => error.extensions)).toEqual([extensions]);
    });
    await update(above.id, { inherits: [idOf('member')] });
    await done(DELETE, { id: role.id });
  });

  test('frees its name, and one of that name is not held by those who held it', async () => {
    const role = await create(idOf('member'));
    const carol = await holder(role);
    await done(DELETE, { id: role.id });
    const again = await done<Changed>(CREATE, { input: { name: role.name, inherits: [idOf('support')] } });
    expect(again.role.id).not.toBe(role.id);
    expect(await may(carol, 'disable', bob.id)).toEqual(NOWHERE);
  });
});

describe('who may change custom roles', () => {
  const attempts = (id: string, by: SignedInUser | null) =>
    Promise.all([
      ask(CREATE, { input: { name: aName(), inherits: [idOf('member')] } }, { by }),
      ask(UPDATE, { id, input: { name: aName() } }, { by, instance: 1 }),
      ask(DELETE, { id }, { by, instance: 2 }),
    ]);

  test('members and support may not, though they see them', async () => {
    const role = await create(idOf('member'));
    const sam = await castellans.signUp('sam', ['support', 'auditor']);
    await unchanged(async () => {
      for (const by of [bob, sam]) {
        expect((await attempts(role.id, by)).map(codesOf)).toEqual([['FORBIDDEN'], ['FORBIDDEN'], ['FORBIDDEN']]);
        expect((await attempts(MISSING, by)).map(codesOf)).toEqual([['FORBIDDEN'], ['NOT_FOUND'], ['NOT_FOUND']]);
      }
    });
  });

  test('to those who see none, they are as missing ones', async () => {
    const role = await create(idOf('member'));
    const nobody = await castellans.signUp('nobody', []);
    const [there, missing] = [await attempts(role.id, nobody), await attempts(MISSING, nobody)];
    expect(missing.map(codesOf)).toEqual([['FORBIDDEN'], ['NOT_FOUND'], ['NOT_FOUND']]);
    expect(JSON.stringify(there.map(seen)).replaceAll(role.id, MISSING)).toBe(JSON.stringify(missing.map(seen)));
  });

  test('anonymous callers are asked to sign in, whether it is there or not', async () => {
    const role = await create(idOf('member'));
    for (const id of [role.id, MISSING]) {
      expect((await attempts(id, null)).map(codesOf)).toEqual(INSTANCES.map(() => ['UNAUTHENTICATED']));
    }
  });

  test('an administrator of one scope may not: roles hold in every one', async () => {
    await castellans.addScopes('acme');
    const role = await create(idOf('member'));
    const ada = await castellans.signUp('ada');
    await done(GRANT, { user: ada.id, role: idOf('administrator'), scope: 'acme' });
    await unchanged(async () => {
      expect((await attempts(role.id, ada)).map(codesOf)).toEqual([['FORBIDDEN'], ['FORBIDDEN'], ['FORBIDDEN']]);
    });
    await done(DELETE, { id: role.id });
    expect(codesOf(await ask(DELETE, { id: role.id }, { by: ada }))).toEqual(['FORBIDDEN']);
  });

  test('whoever has been told that there is no such role is told so of every other', async () => {
    await unchanged(async () => {
      for (const id of [MISSING, '', '__proto__', alice.id]) {
        for (const answer of [await ask(UPDATE, { id, input: {} }), await ask(DELETE, { id })]) {
          expect(answer.errors).toMatchObject([
            { message: 'There is no such role.', extensions: { code: 'NOT_FOUND', id } },
          ]);
        }
      }
    });
  });
});
