import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EVERYWHERE, IN_FORCE, INSTANCES, NOWHERE, onEveryInstance, seen } from '../support/asking.ts';
import {
  askOver,
  collect,
  codesOf,
  PASSWORD,
  type Castellans,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { GRANT, IN, ME, MOVE, OUT, RESUME, SUSPEND, type Changed, scopeStepsOn } from '../support/scope-steps.ts';

const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }';
const REFRESH = `mutation ($token: String!) {
  refreshSession(refreshToken: $token) { accessToken refreshToken session { id } }
}`;
const EVENTS = `subscription {
  sessionEvents { __typename ... on AccessEnded { code position } }
}`;
/** In the feed of sessions. */
const POSITION = expect.stringMatching(/^events-[0-9a-f]{8}-\d+$/);

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const { ask, done, unchanged, audited, atHome, may, tree, roleIdOf, grant, statusOf, readOnEvery } = scopeStepsOn(
  () => castellans,
  () => alice,
);

describe('suspending a scope', () => {
  test('shuts out everybody at home there and below, on every instance, before the receipt, and nobody else', async () => {
    for (const instance of INSTANCES) {
      const { root, id } = await tree('a/b/c', 'ab', 'other');
      const inside = [await atHome('bob', `${root}/a`), await atHome('carol', `${root}/a/b/c`)];
      const outside = [
        await atHome('dave', root),
        await atHome('dora', `${root}/ab`),
        await atHome('eve', `${root}/other`),
        await atHome('erin', null),
      ];
      for (const user of [...inside, ...outside]) expect(await statusOf(user)).toEqual(IN);
      const { scope, receipt, position } = await done<Changed>(SUSPEND, { id: await id('a') }, { instance });
      for (const user of inside) expect(await statusOf(user)).toEqual(OUT);
      for (const user of outside) expect(await statusOf(user)).toEqual(IN);
      expect(scope).toMatchObject({ path: `${root}/a`, status: 'suspended' });
      expect(receipt).toEqual({ ...IN_FORCE, position });
      expect(await readOnEvery({ id: scope.id })).toEqual([scope, scope, scope]);
    }
  });

  test('takes back what is granted there, from people who are at home elsewhere and stay', async () => {
    const { root, id } = await tree('a/b');
    const [bob, sam] = [await atHome('bob', `${root}/a/b`), await atHome('sam', null)];
    await grant(sam, 'support', `${root}/a`);
    await grant(sam, 'support', `${root}/a/b`);
    expect(await may(sam, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
    await done(SUSPEND, { id: await id('a') }, { instance: 1 });
    expect(await may(sam, 'disable', 'User', bob.id)).toEqual(NOWHERE);
    expect(await statusOf(sam)).toEqual(IN);
    await done(RESUME, { id: await id('a') }, { instance: 2 });
    expect(await may(sam, 'disable', 'User', bob.id)).toEqual(EVERYWHERE);
  });

  test('answers signing in and refreshing as for a disabled user', async () => {
    const { root, id } = await tree('a');
    const [bob, mallory] = [await atHome('bob', `${root}/a`), await atHome('mallory', root)];
    await done(SUSPEND, { id: await id('a') });
    await done('mutation ($id: ID!) { disableUser(id: $id) { position } }', { id: mallory.id });
    for (const instance of INSTANCES) {
      const [suspended, disabled] = await Promise.all(
        [bob, mallory].map(async ({ email, refreshToken }) => {
          const input = { email, password: PASSWORD };
          return [
            seen(await ask(SIGN_IN, { input }, { by: null, instance })),
            seen(await ask(REFRESH, { token: refreshToken }, { by: null, instance })),
          ];
        }),
      );
      expect(suspended).toEqual(disabled);
      expect(suspended?.map(codesOf)).toEqual([['UNAUTHENTICATED'], ['SESSION_REVOKED']]);
    }
  });

  test('ends open subscriptions with AccessEnded and closes their sockets before it answers', async () => {
    const { root, id } = await tree('a/b');
    const bob = await atHome('bob', `${root}/a/b`);
    const outside = await atHome('dave', root);
    const order: string[] = [];
    const streams = INSTANCES.map((instance) => {
      const closed = Promise.withResolvers<number>();
      const client = castellans.connect({ token: bob.accessToken, instance, onClosed: closed.resolve });
      return { client, closed: closed.promise, events: collect<{ sessionEvents: object }>(client, EVENTS) };
    });
    const stays = castellans.connect({ token: outside.accessToken, instance: 1 });
    const theirs = collect<{ sessionEvents: object }>(stays, EVENTS);
    const pending = theirs.next();
    const ends = streams.map(async ({ events, closed }) => {
      const event = await events.next();
      order.push('AccessEnded');
      return { event, last: await events.next(), code: await closed };
    });
    for (const instance of INSTANCES) await untilFollowed(castellans, instance, instance === 1 ? 2 : 1);

    await done<Changed>(SUSPEND, { id: await id('a') }, { instance: 2 });
    order.push('receipt');
    for (const end of ends) {
      expect(await end).toEqual({
        event: { sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED', position: POSITION } },
        last: null,
        code: 4401,
      });
    }
    expect(order).toEqual(['AccessEnded', 'AccessEnded', 'AccessEnded', 'receipt']);
    expect((await askOver(stays, ME)).data).toEqual({ me: { id: outside.id } });
    expect(await Promise.race([pending, Promise.resolve('nothing')])).toBe('nothing');
    await theirs.stop();
  });

  test('again changes nothing, and confirms that it is in force', async () => {
    const { id } = await tree('a');
    const first = await done<Changed>(SUSPEND, { id: await id('a') });
    await unchanged(async () => {
      expect(await done<Changed>(SUSPEND, { id: await id('a') }, { instance: 1 })).toEqual(first);
    });
    const resumed = await done<Changed>(RESUME, { id: await id('a') }, { instance: 2 });
    expect(resumed).toMatchObject({ scope: { status: 'active' }, receipt: IN_FORCE });
    await unchanged(async () => {
      expect(await done<Changed>(RESUME, { id: await id('a') }, { instance: 1 })).toEqual(resumed);
    });
  });

  test('is recorded once, as resuming is, with how it was and is', async () => {
    const { root, id } = await tree('a');
    await done(SUSPEND, { id: await id('a') });
    await done(RESUME, { id: await id('a') });
    const [active, suspended] = ['active', 'suspended'].map((status) => ({ path: `${root}/a`, status }));
    expect((await audited(await id('a'))).slice(1)).toEqual([
      { by: alice.id, action: 'scope.suspend', before: active, after: suspended },
      { by: alice.id, action: 'scope.resume', before: suspended, after: active },
    ]);
  });
});

describe('resuming a scope', () => {
  test('lets its users refresh the same session; access tokens of before stay refused', async () => {
    const { root, id } = await tree('a/b');
    const bob = await atHome('bob', `${root}/a/b`);
    await done(SUSPEND, { id: await id('a') });
    await done(RESUME, { id: await id('a') }, { instance: 1 });
    expect(await statusOf(bob)).toEqual(OUT);
    const fresh = await done<{ accessToken: string; session: { id: string } }>(
      REFRESH,
      { token: bob.refreshToken },
      { by: null, instance: 2 },
    );
    expect(fresh.session.id).toBe(bob.sessionId);
    expect(await statusOf({ ...bob, accessToken: fresh.accessToken })).toEqual(IN);
    expect(await statusOf(bob)).toEqual(OUT);
    const again = await castellans.signIn(bob.email, 1);
    expect(await statusOf({ ...bob, accessToken: again.accessToken })).toEqual(IN);
  });

  test('lets nobody in while a scope above or below it is suspended', async () => {
    const { root, id } = await tree('a/b');
    const bob = await atHome('bob', `${root}/a/b`);
    for (const rest of ['', 'a', 'a/b']) await done(SUSPEND, { id: await id(rest) });
    const refreshed = () => ask(REFRESH, { token: bob.refreshToken }, { by: null });
    const resume = 'mutation ($id: ID!) { resumeScope(id: $id) { scope { status } } }';
    for (const rest of ['a', '']) {
      const resumed = await done(resume, { id: await id(rest) });
      expect(resumed).toEqual({ scope: { status: 'active' } });
      expect(codesOf(await refreshed())).toEqual(['SESSION_REVOKED']);
    }
    await done(RESUME, { id: await id('a/b') });
    expect(codesOf(await refreshed())).toEqual([]);
  });
});

describe('moving a scope', () => {
  test('takes homes and grants along, on every instance, with the same ids', async () => {
    for (const instance of INSTANCES) {
      const { root, id } = await tree('a/b', 'target');
      const bob = await atHome('bob', `${root}/a/b`);
      const [sam, olga, dora] = [await atHome('sam', null), await atHome('olga', null), await atHome('dora', null)];
      await castellans.addScopes(`${root}/old`);
      const there = await done<Changed>(MOVE, { id: await id('a'), path: `${root}/old/a` });
      await grant(sam, 'support', there.scope.id);
      await grant(olga, 'support', `${root}/old`);
      await grant(dora, 'support', `${root}/target`);
      const reach = async () =>
        Promise.all([sam, olga, dora].map(async (user) => (await may(user, 'disable', 'User', bob.id)).every(Boolean)));
      expect(await reach()).toEqual([true, true, false]);

      const before = (await readOnEvery({ id: there.scope.id }))[0];
      const path = `${root}/target/moved`;
      const moved = await done<Changed>(MOVE, { id: there.scope.id, path }, { instance });
      expect(moved.scope).toEqual({
        ...before,
        name: 'moved',
        path,
        parent: { id: await id('target'), path: `${root}/target` },
      });
      expect(moved.receipt).toEqual({ ...IN_FORCE, position: moved.position });
      expect(await reach()).toEqual([true, false, true]);
      expect(await may(olga, 'disable', 'User', bob.id)).toEqual(NOWHERE);
      const home = { scope: `${path}/b`, scopes: [root, `${root}/target`, path, `${path}/b`] };
      for (const each of await onEveryInstance((n) => done('{ me { scope scopes } }', {}, { by: bob, instance: n }))) {
        expect(each).toEqual(home);
      }
      expect(await readOnEvery({ path: `${root}/old/a` })).toEqual([null, null, null]);
      expect(await readOnEvery({ path })).toEqual([moved.scope, moved.scope, moved.scope]);
      // By its path of now it is the same scope as by its id.
      const again = await ask(GRANT, { user: sam.id, role: await roleIdOf('support'), scope: path });
      expect(codesOf(again)).toEqual(['CONFLICT']);
      const { grants } = await done<{ grants: readonly { scope: string | null }[] }>(
        'query ($id: ID!) { user(id: $id) { grants { scope } } }',
        { id: sam.id },
      );
      expect(grants.map(({ scope }) => scope)).toContain(path);
    }
  });

  test('to where it is changes nothing, and confirms that it is in force', async () => {
    const { root, id } = await tree('a', 'b');
    const moved = await done<Changed>(MOVE, { id: await id('a'), path: `${root}/b/a` });
    await unchanged(async () => {
      const variables = { id: moved.scope.id, path: `${root}/b/a` };
      expect(await done<Changed>(MOVE, variables, { instance: 2 })).toEqual(moved);
    });
  });

  test('below a suspended one shuts its users out and ends what they listen to', async () => {
    const { root, id } = await tree('a/b', 'shut');
    const bob = await atHome('bob', `${root}/a/b`);
    await done(SUSPEND, { id: await id('shut') });
    const closed = Promise.withResolvers<number>();
    const client = castellans.connect({ token: bob.accessToken, instance: 1, onClosed: closed.resolve });
    const events = collect<{ sessionEvents: object }>(client, EVENTS);
    const ended = events.next();
    await askOver(client, ME);
    expect(await statusOf(bob)).toEqual(IN);

    await done(MOVE, { id: await id('a'), path: `${root}/shut/a` }, { instance: 2 });
    expect(await statusOf(bob)).toEqual(OUT);
    expect(await ended).toMatchObject({ sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } });
    expect(await closed.promise).toBe(4401);
    expect(codesOf(await ask(REFRESH, { token: bob.refreshToken }, { by: null }))).toEqual(['SESSION_REVOKED']);
    await done(MOVE, { id: await id('shut/a'), path: `${root}/a` });
    expect(codesOf(await ask(REFRESH, { token: bob.refreshToken }, { by: null }))).toEqual([]);
  });

  test('out of a suspended one lets its users refresh; access tokens of before stay refused', async () => {
    const { root, id } = await tree('shut/a', 'open');
    const bob = await atHome('bob', `${root}/shut/a`);
    await done(SUSPEND, { id: await id('shut') });
    await done(MOVE, { id: await id('shut/a'), path: `${root}/open/a` }, { instance: 1 });
    expect(await statusOf(bob)).toEqual(OUT);
    const fresh = await done<{ accessToken: string }>(REFRESH, { token: bob.refreshToken }, { by: null, instance: 2 });
    const again = { ...bob, accessToken: fresh.accessToken };
    expect(await statusOf(again)).toEqual(IN);

    // The same when it was moved below one that had been suspended long before.
    await done(MOVE, { id: await id('open/a'), path: `${root}/shut/a` });
    await done(RESUME, { id: await id('shut') });
    expect(await statusOf(again)).toEqual(OUT);
  });

  test('is refused onto a taken path, into itself, to where nothing is, and deeper than paths go', async () => {
    const { root, id } = await tree('a/b/c', 'd');
    const deep = [root, ...Array.from({ length: 12 }, () => 'x')].join('/');
    await castellans.addScopes(deep);
    const a = await id('a');
    const { root: alone, id: idOf } = await tree();
    await unchanged(async () => {
      for (const [path, extensions] of [
        [`${root}/d`, { code: 'CONFLICT', field: 'path' }],
        [`${root}/a/b/a`, { code: 'CONFLICT', field: 'path' }],
        [`${root}/a/a`, { code: 'CONFLICT', field: 'path' }],
        [`${root}/nowhere/a`, { code: 'BAD_USER_INPUT', field: 'path' }],
        [`${deep}/a/b`, { code: 'BAD_USER_INPUT', field: 'path' }],
        [`${deep}/x/a`, { code: 'BAD_USER_INPUT', field: 'path' }],
      ] as const) {
        const { errors } = await ask(MOVE, { id: a, path });
        expect([path, errors.map((error) => error.extensions)]).toEqual([path, [extensions]]);
      }
      expect(codesOf(await ask(MOVE, { id: await idOf(), path: `${alone}/x` }))).toEqual(['CONFLICT']);
    });
    // Three levels fit below the thirteen.
    expect(codesOf(await ask(MOVE, { id: a, path: `${deep}/a` }))).toEqual([]);
  });

  test('two below each other at once: one is moved, and every scope still hangs on the root', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { root, id } = await tree('a', 'b');
      const answers = await Promise.all([
        ask(MOVE, { id: await id('a'), path: `${root}/b/a` }, { instance: round % 3 }),
        ask(MOVE, { id: await id('b'), path: `${root}/a/b` }, { instance: (round + 1) % 3 }),
      ]);
      expect(answers.flatMap(codesOf)).toHaveLength(1);
      const scopes = await castellans.rows<{ path: string; depth: number }>(
        'select path, cardinality(lineage) as depth from scopes where $1 = any(paths) order by length(path)',
        root,
      );
      expect(scopes.map(({ depth }) => depth)).toEqual([1, 2, 3]);
      expect([`${root}/a/b`, `${root}/b/a`]).toContain(scopes[2]?.path);
    }
  });

  test('is recorded once with both paths', async () => {
    const { root, id } = await tree('a', 'b');
    const moved = await id('a');
    await done(MOVE, { id: moved, path: `${root}/b/a` });
    const [before, after] = [`${root}/a`, `${root}/b/a`].map((path) => ({ path, status: 'active' }));
    expect((await audited(moved)).slice(1)).toEqual([{ by: alice.id, action: 'scope.move', before, after }]);
  });
});
