import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OperationContext } from '../../src/api/graphql/context.ts';
import type { Services } from '../../src/api/graphql/services.ts';
import { delivered } from '../../src/api/graphql/execution.ts';
import { LiveSubscription } from '../../src/api/graphql/live-subscription.ts';
import { type Principal, SYSTEM, type UserPrincipal } from '../../src/domain/principals/principal.ts';
import { Refusal } from '../../src/domain/refusals.ts';
import { type Castellans, startCastellans, until } from '../support/castellan.ts';

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

test('rights that change before a subscription is open are told to it, and what they depend on is watched', async () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const bob = await castellans.signUp('bob');
  const before = await services.identification.identify({ kind: 'accessToken', token: bob.accessToken });
  const context = new OperationContext(services, before, { userAgent: null, address: null, client: null });

  const support = await services.roles.findByName(SYSTEM, 'support');
  await services.grants.grant(SYSTEM, { principalId: bob.id, roleId: support?.id ?? '' });
  const told: UserPrincipal[] = [];
  const subscription = await LiveSubscription.open<never>(context, {
    open: () => Promise.resolve(() => {}),
    changed: (by) => void told.push(by),
  });
  expect(told.map(({ standing }) => standing.grants.map(({ role }) => role).toSorted())).toEqual([
    ['member', 'support'],
  ]);
  expect(subscription.dependencies).toContain(support?.id);
  await subscription.return();
  expect(services.live.size).toBe(0);
});

test('what a check finds out about a token counts for nothing once the token has been renewed', async () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const bob = await castellans.signUp('bob');
  const identify = (token: string) => services.identification.identify({ kind: 'accessToken', token, held: true });
  const before = await identify(bob.accessToken);
  const { data } = await castellans.ask<{ refreshSession: { accessToken: string } }>(
    'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }',
    { variables: { token: bob.refreshToken } },
  );
  const after = await identify(data?.refreshSession.accessToken ?? '');
  if (before.kind !== 'user' || after.kind !== 'user') throw new TypeError('nobody is signed in');

  // The check of the first token is under way when the second takes its place, and then fails.
  const checking = Promise.withResolvers<void>();
  const found = Promise.withResolvers<void>();
  let isHeld = false;
  const identification = {
    async recheck(by: Principal): Promise<Principal> {
      if (!isHeld || by !== before) return services.identification.recheck(by);
      checking.resolve();
      await found.promise;
      throw new Refusal('TOKEN_EXPIRED', 'The access token has expired.');
    },
  } as Services['identification'];
  const context = new OperationContext({ ...services, identification }, before, {
    userAgent: null,
    address: null,
    client: null,
  });
  const subscription = await LiveSubscription.open<{ readonly __typename: 'Event'; readonly position: string }>(
    context,
    {
      open: () => Promise.resolve(() => {}),
    },
  );
  isHeld = true;
  subscription.changed();
  await checking.promise;
  context.renew(after);
  found.resolve();
  await new Promise(setImmediate);

  subscription.push({ __typename: 'Event', position: '' });
  expect(await subscription.next()).toEqual({ done: false, value: { __typename: 'Event', position: '' } });
  expect(subscription.by).toBe(after);
  await subscription.return();
  expect(services.live.size).toBe(0);
});

test('what may not be told any more when it is handed out is passed over, and its place is behind it', async () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const bob = await castellans.signUp('bob');
  const by = await services.identification.identify({ kind: 'accessToken', token: bob.accessToken });
  const context = new OperationContext(services, by, { userAgent: null, address: null, client: null });
  const hidden = new Set<string>();
  const event = (position: string) => ({ __typename: 'Event', position }) as const;
  const subscription = await LiveSubscription.open<ReturnType<typeof event>>(context, {
    open: (opened) => {
      opened.startAt('0');
      return Promise.resolve(() => {});
    },
    allows: (_, { position }) => !hidden.has(position),
  });
  for (const position of ['1', '2', '3']) subscription.push(event(position));
  subscription.push({ __typename: 'Resync', position: '4' });
  expect((await subscription.next()).value).toEqual(event('1'));
  hidden.add('2').add('3').add('4');
  expect((await subscription.next()).value).toEqual({ __typename: 'Resync', position: '4' });
  subscription.push(event('3'));
  const waiting = subscription.next();
  await new Promise(setImmediate);
  subscription.refuse(new Refusal('FORBIDDEN', 'Not any more.'));
  expect((await waiting).value).toMatchObject({ __typename: 'AccessEnded', position: '3' });
  await subscription.return();
});

test('what is withheld on its way, since access has ended meanwhile, is told to whoever comes back', async () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const event = (position: string) => ({ __typename: 'Event', position }) as const;
  for (const [isRevoked, place] of [
    [true, '1'],
    [false, '2'],
  ] as const) {
    const bob = await castellans.signUp('bob');
    const by = await services.identification.identify({ kind: 'accessToken', token: bob.accessToken });
    const context = new OperationContext(services, by, { userAgent: null, address: null, client: null });
    const subscription = await LiveSubscription.open<ReturnType<typeof event>>(context, {
      open: (opened) => {
        opened.startAt('0');
        return Promise.resolve(() => {});
      },
    });
    for (const position of ['1', '2']) subscription.push(event(position));
    expect((await subscription.next()).value).toEqual(event('1'));
    expect(await delivered({ data: {} }, context)).toEqual({ data: {} });
    expect((await subscription.next()).value).toEqual(event('2'));
    // While what belongs to it is being read.
    const revoked = isRevoked ? services.sessions.revoke(SYSTEM, bob.sessionId) : null;
    if (isRevoked) await until(() => !services.identification.stillHolds(subscription.by));
    const told = await delivered({ data: {} }, context);
    expect(told).toMatchObject(isRevoked ? { errors: [{ extensions: { code: 'SESSION_REVOKED' } }] } : { data: {} });
    const later = revoked ?? services.sessions.revoke(SYSTEM, bob.sessionId);
    expect((await subscription.next()).value).toMatchObject({ __typename: 'AccessEnded', position: place });
    expect((await subscription.next()).done).toBe(true);
    await later;
  }
});

test('what is told at once is looked at in the step that tells it, and goes the long way where anything is to be read', async () => {
  const { services } = castellans.apps[0] ?? {};
  if (services === undefined) throw new TypeError('there is no instance');
  const bob = await castellans.signUp('bob');
  const by = await services.identification.identify({ kind: 'accessToken', token: bob.accessToken });
  if (by.kind !== 'user') throw new TypeError('nobody is signed in');
  const context = new OperationContext(services, by, { userAgent: null, address: null, client: null });
  const [told, hidden]: [unknown[], Set<string>] = [[], new Set()];
  context.tellNow = (event) => {
    told.push(event);
    return true;
  };
  const event = (position: string) => ({ __typename: 'Event', position }) as const;
  const subscription = await LiveSubscription.open<ReturnType<typeof event>>(context, {
    open: () => Promise.resolve(() => {}),
    allows: (_, { position }) => !hidden.has(position),
  });
  // Nobody waits for it yet.
  subscription.push(event('1'));
  expect((await subscription.next()).value).toEqual(event('1'));
  const waiting = subscription.next();
  await new Promise(setImmediate);
  hidden.add('3');
  for (const position of ['2', '3', '4']) subscription.push(event(position));
  expect(told).toEqual([event('2'), event('4')]);

  expect(services.identification.stillHolds(by)).toBe(true);
  const { tombstones } = services.tail;
  // As while an entry of the log is being applied, before whom it ends is told.
  const ended = { target: bob.sessionId, kind: 'revoked', userId: null, reason: 'revoked', at: '' } as const;
  tombstones.add({ ...ended, seq: by.credential.label + 1 }, services.clock.monotonicMs());
  expect(services.identification.stillHolds(by)).toBe(false);
  subscription.push(event('5'));
  expect(told.length).toBe(2);
  expect((await waiting).value).toMatchObject({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' });
  await subscription.return();
});
