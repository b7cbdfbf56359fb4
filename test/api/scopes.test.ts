import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EVERYWHERE, IN_FORCE, INSTANCES, NOWHERE, onEveryInstance, seen } from '../support/asking.ts';
import { codesOf, type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import {
  CREATE,
  DELETE,
  MISSING,
  MOVE,
  RESUME,
  SCOPE,
  SUSPEND,
  type Changed,
  scopeStepsOn,
} from '../support/scope-steps.ts';

const LIST = `query ($first: Int!, $after: String, $filter: ScopeFilter, $orderBy: ScopeOrder) {
  scopes(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { path } } pageInfo { hasNextPage endCursor }
  }
}`;

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const { ask, done, unchanged, audited, atHome, may, tree, grant, readOnEvery } = scopeStepsOn(
  () => castellans,
  () => alice,
);

describe('creating a scope', () => {
  test('makes it below one that is there, to be found by id and by path on every instance', async () => {
    const { root, id } = await tree();
    for (const instance of INSTANCES) {
      const path = `${root}/n${instance}`;
      const { scope, position } = await done<Changed>(CREATE, { path }, { instance });
      expect(scope).toEqual({
        id: expect.stringMatching(/^scope_/),
        name: `n${instance}`,
        path,
        status: 'active',
        createdAt: expect.any(String),
        parent: { id: await id(), path: root },
      });
      expect(position).toMatch(/^[0-9a-f]{8}-\d+$/);
      expect(await readOnEvery({ id: scope.id })).toEqual([scope, scope, scope]);
      expect(await readOnEvery({ path })).toEqual([scope, scope, scope]);
      expect(await audited(scope.id)).toEqual([
        { by: alice.id, action: 'scope.create', before: null, after: { path, status: 'active' } },
      ]);
    }
  });

  test('is refused when the path is taken or there is nothing above it', async () => {
    const { root } = await tree('a');
    await unchanged(async () => {
      for (const [path, code] of [
        [root, 'CONFLICT'],
        [`${root}/a`, 'CONFLICT'],
        [`${root}/b/c`, 'BAD_USER_INPUT'],
      ]) {
        const { errors } = await ask(CREATE, { path }, { instance: 1 });
        expect(errors.map(({ extensions }) => extensions)).toEqual([{ code, field: 'path' }]);
      }
    });
  });

  test.each(['', '/', 'a/', '/a', 'a//b', 'A', 'a b', '..', 'ä', '-a', MISSING, `${'a/'.repeat(16)}a`, 'a\u0000'])(
    'refuses %j as a path, as moving does',
    async (path) => {
      const { id } = await tree();
      const [moved] = [await id()];
      await unchanged(async () => {
        for (const answer of [await ask(CREATE, { path }), await ask(MOVE, { id: moved, path })]) {
          expect(answer.errors.map(({ extensions }) => extensions)).toEqual([
            { code: 'BAD_USER_INPUT', field: 'path' },
          ]);
        }
      });
    },
  );

  test('raced from three instances with one path makes one', async () => {
    const { root } = await tree();
    const answers = await onEveryInstance((instance) => ask(CREATE, { path: `${root}/raced` }, { instance }));
    expect(answers.flatMap(codesOf)).toEqual(['CONFLICT', 'CONFLICT']);
  });
});

describe('reading scopes', () => {
  test.each(['', '(id: null)', '(id: "scope_1", path: "acme")'])(
    'is refused without exactly one of id and path: scope%s',
    async (args) => {
      const { errors } = await ask(`{ scope${args} { id } }`, {});
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'id' }]);
    },
  );

  test('a member sees its home and no more of the tree, by id, by path, in lists and as an entity', async () => {
    const { root, id } = await tree('a/b', 'c');
    const bob = await atHome('bob', `${root}/a`);
    const own = await id('a');
    const [scope] = await readOnEvery({ id: own }, bob);
    expect(scope).toMatchObject({ id: own, path: `${root}/a`, name: 'a', parent: null });
    for (const rest of ['', 'a/b', 'c']) {
      expect(await readOnEvery({ id: await id(rest) }, bob)).toEqual([null, null, null]);
      const path = rest === '' ? root : `${root}/${rest}`;
      expect(await readOnEvery({ path }, bob)).toEqual([null, null, null]);
    }
    const { edges } = await done<{ edges: readonly object[] }>(LIST, { first: 100 }, { by: bob });
    expect(edges).toMatchObject([{ node: { path: `${root}/a` } }]);
  });

  test('the scopes above can be followed up to the root, as far as they may be read', async () => {
    const { root, id } = await tree('a/b');
    const sam = await atHome('sam', null);
    await grant(sam, 'support', `${root}/a`);
    const query = 'query ($id: ID) { scope(id: $id) { name parent { name parent { name parent { name } } } } }';
    const above = (name: string, parent: object | null) => ({ name, parent });
    const variables = { id: await id('a/b') };
    expect(await done(query, variables)).toEqual(above('b', above('a', above(root, null))));
    expect(await done(query, variables, { by: sam, instance: 1 })).toEqual(above('b', above('a', null)));
  });

  test('_entities gives the verdict of the field', async () => {
    const { root, id } = await tree('a');
    const [bob, mallory] = [await atHome('bob', `${root}/a`), await castellans.signUp('mallory')];
    const own = await id('a');
    const representations = [own, await id(), MISSING].map((each) => ({ __typename: 'Scope', id: each }));
    const query = `query ($representations: [_Any!]!) {
      entities: _entities(representations: $representations) { ... on Scope { ${SCOPE} } }
    }`;
    for (const by of [alice, bob, mallory, null]) {
      const expected: unknown[] = [];
      for (const representation of representations) {
        const answer = await ask<{ scope: unknown }>(
          `query ($id: ID) { scope(id: $id) { ${SCOPE} } }`,
          representation,
          {
            by,
          },
        );
        expected.push(answer.data?.scope);
      }
      const { data } = await ask(query, { representations }, { by, instance: 1 });
      expect(data).toEqual({ entities: expected });
      const readable = expected.filter((scope) => scope !== null).length;
      expect(readable).toBe(by === alice ? 2 : by === bob ? 1 : 0);
    }
  });

  test('a page is in order, narrowed, and goes on at a cursor', async () => {
    const { root, id } = await tree('a/b', 'a/c', 'a-b', 'd');
    await done(SUSPEND, { id: await id('a/c') });
    const page = async (variables: object, instance = 0) => {
      type Page = {
        readonly edges: readonly { readonly cursor: string; readonly node: { readonly path: string } }[];
        readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
      };
      const { edges, pageInfo } = await done<Page>(LIST, { first: 100, ...variables }, { instance });
      return { paths: edges.map(({ node }) => node.path.slice(root.length)), ...pageInfo };
    };
    const orderBy = { field: 'path', direction: 'ascending' };
    const all = ['', '/a', '/a-b', '/a/b', '/a/c', '/d'].toSorted();
    expect(await page({ filter: { within: root }, orderBy })).toMatchObject({ paths: all, hasNextPage: false });
    const descending = { field: 'path', direction: 'descending' };
    const first = await page({ first: 2, filter: { within: root }, orderBy: descending });
    expect(first).toMatchObject({ paths: all.toReversed().slice(0, 2), hasNextPage: true });
    const after = { after: first.endCursor, filter: { within: root }, orderBy: descending };
    expect(await page(after, 2)).toMatchObject({ paths: all.toReversed().slice(2), hasNextPage: false });
    expect((await page({ filter: { within: `${root}/a` }, orderBy })).paths).toEqual(['/a', '/a/b', '/a/c']);
    expect((await page({ filter: { within: root, status: 'suspended' } }, 1)).paths).toEqual(['/a/c']);
    const byTime = { filter: { within: root }, orderBy: { field: 'createdAt', direction: 'ascending' } };
    expect((await page(byTime)).paths.toSorted()).toEqual(all);
  });

  test('users and sessions say which scopes they lie in, and whether that shuts them out', async () => {
    const { root, id } = await tree('a/b');
    const bob = await atHome('bob', `${root}/a/b`);
    const where = { scope: `${root}/a/b`, scopes: [root, `${root}/a`, `${root}/a/b`] };
    const ofBob = `query ($id: ID!) { user(id: $id) { scope scopes suspended status } }`;
    const ofSession = 'query ($id: ID!) { session(id: $id) { scope scopes } }';
    const user = (instance: number) => done(ofBob, { id: bob.id }, { instance });
    expect(await user(1)).toEqual({ ...where, suspended: false, status: 'active' });
    expect(await done(ofSession, { id: bob.sessionId }, { by: bob })).toEqual(where);
    await done(SUSPEND, { id: await id() });
    expect(await user(2)).toEqual({ ...where, suspended: true, status: 'active' });
    expect(await done(ofSession, { id: bob.sessionId })).toEqual(where);
  });

  test('are null for whom the scope of a user may not be told', async () => {
    const sam = await atHome('sam', null, []);
    const { data, errors } = await ask(
      `query ($id: ID!) { user(id: $id) { scopes suspended } }`,
      { id: alice.id },
      {
        by: sam,
      },
    );
    expect({ data, errors }).toEqual({ data: { user: null }, errors: [] });
  });
});

describe('deleting a scope', () => {
  test('takes what was granted there, on every instance, and frees its path for another one', async () => {
    for (const instance of INSTANCES) {
      const { root, id } = await tree('a');
      const sam = await atHome('sam', null);
      await grant(sam, 'support', `${root}/a`);
      const scopeId = await id('a');
      expect(await may(sam, 'read', 'Scope', scopeId)).toEqual(EVERYWHERE);
      const deleted = await done<Changed>(DELETE, { id: scopeId }, { instance });
      expect(await may(sam, 'read', 'Scope', scopeId)).toEqual(NOWHERE);
      expect(deleted).toMatchObject({ scope: { id: scopeId, path: `${root}/a` }, receipt: IN_FORCE });
      expect(await readOnEvery({ id: scopeId })).toEqual([null, null, null]);

      const { scope } = await done<Changed>(CREATE, { path: `${root}/a` });
      expect(scope.id).not.toBe(scopeId);
      const bob = await atHome('bob', `${root}/a`);
      expect(await may(sam, 'disable', 'User', bob.id)).toEqual(NOWHERE);
      expect(await may(sam, 'read', 'Scope', scope.id)).toEqual(NOWHERE);
      expect((await audited(scopeId)).at(-1)).toEqual({
        by: alice.id,
        action: 'scope.delete',
        before: { path: `${root}/a`, status: 'active' },
        after: null,
      });
    }
  });

  test('again changes nothing, and confirms that it is in force', async () => {
    const { id } = await tree('a');
    const scopeId = await id('a');
    const first = await done<Changed>(DELETE, { id: scopeId });
    await unchanged(async () => {
      expect(await done<Changed>(DELETE, { id: scopeId }, { instance: 1 })).toEqual(first);
    });
    for (const mutation of [SUSPEND, RESUME, MOVE]) {
      expect(codesOf(await ask(mutation, { id: scopeId, path: 'elsewhere' }))).toEqual(['NOT_FOUND']);
    }
  });

  test('is refused while users are at home in it or scopes are below it', async () => {
    const { root, id } = await tree('a/b', 'c');
    await atHome('bob', `${root}/c`);
    await unchanged(async () => {
      for (const rest of ['a', 'c', '']) {
        const { errors } = await ask(DELETE, { id: await id(rest) }, { instance: 1 });
        const extensions = { code: 'CONFLICT', reason: 'not_empty', id: await id(rest) };
        expect(errors.map((error) => error.extensions)).toEqual([extensions]);
      }
    });
    await done(DELETE, { id: await id('a/b') });
    await done(DELETE, { id: await id('a') });
  });
});

describe('who may change scopes', () => {
  const CHANGES = [MOVE, SUSPEND, RESUME, DELETE];

  test('of what is not there everybody is told so', async () => {
    await unchanged(async () => {
      for (const id of [MISSING, '', '__proto__', 'scope_', alice.id]) {
        for (const query of CHANGES) {
          const { errors } = await ask(query, { id, path: 'elsewhere' });
          expect(errors).toMatchObject([{ message: 'There is no such scope.', extensions: { code: 'NOT_FOUND', id } }]);
        }
      }
    });
  });

  test('a member may not change its home, which it sees, nor know of others', async () => {
    const { root, id } = await tree('a', 'b');
    const bob = await atHome('bob', `${root}/a`);
    const [own, other] = [await id('a'), await id('b')];
    await unchanged(async () => {
      for (const query of CHANGES) {
        const path = `${root}/elsewhere`;
        expect(codesOf(await ask(query, { id: own, path }, { by: bob }))).toEqual(['FORBIDDEN']);
        const [there, missing] = [
          await ask(query, { id: other, path }, { by: bob }),
          await ask(query, { id: MISSING, path }, { by: bob }),
        ];
        expect(codesOf(missing)).toEqual(['NOT_FOUND']);
        expect(JSON.stringify(seen(there)).replaceAll(other, MISSING)).toBe(JSON.stringify(seen(missing)));
      }
      const answers = [];
      for (const path of [root, `${root}/a`, `${root}/new`, `${root}/nowhere/new`]) {
        answers.push(seen(await ask(CREATE, { path }, { by: bob })));
      }
      expect(answers.map(codesOf)).toEqual(answers.map(() => ['FORBIDDEN']));
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    });
  });

  test('anonymous callers are asked to sign in, whether it is there or not', async () => {
    const { root, id } = await tree('a');
    await unchanged(async () => {
      for (const query of [...CHANGES, CREATE]) {
        const answers = [];
        for (const scope of [await id('a'), MISSING]) {
          for (const path of [root, `${root}/new`]) {
            answers.push(seen(await ask(query, { id: scope, path }, { by: null })));
          }
        }
        expect(answers.map(codesOf)).toEqual(answers.map(() => ['UNAUTHENTICATED']));
        expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      }
    });
  });

  test('an administrator of one scope changes what is in it, and nothing beside or above it', async () => {
    const { root, id } = await tree('mine/a', 'mine/b', 'mine2', 'other/a');
    const ada = await atHome('ada', `${root}/mine`);
    await grant(ada, 'administrator', `${root}/mine`);
    const by = { by: ada };
    const { scope } = await done<Changed>(CREATE, { path: `${root}/mine/new` }, by);
    await done(MOVE, { id: scope.id, path: `${root}/mine/a/new` }, { ...by, instance: 1 });
    for (const query of [SUSPEND, RESUME, DELETE]) await done(query, { id: scope.id }, { ...by, instance: 2 });

    const [inside, mine2, other, above] = [await id('mine/a'), await id('mine2'), await id('other/a'), await id()];
    await unchanged(async () => {
      for (const path of ['', '/mine2/x', '/other/x', '/x', '-x'].map((rest) => `${root}${rest}`)) {
        expect([path, codesOf(await ask(CREATE, { path }, by))]).toEqual([path, ['FORBIDDEN']]);
        const moved = await ask(MOVE, { id: inside, path }, by);
        expect([path, codesOf(moved)]).toEqual([path, ['FORBIDDEN']]);
      }
      for (const scopeId of [mine2, other, above]) {
        for (const query of CHANGES) {
          const answer = await ask(query, { id: scopeId, path: `${root}/mine/taken` }, by);
          expect(codesOf(answer)).toEqual(['NOT_FOUND']);
        }
      }
    });
  });
});
