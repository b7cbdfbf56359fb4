import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OperationContext, type Services } from '../../src/api/graphql/context.ts';
import { LiveSubscription } from '../../src/api/graphql/live-subscription.ts';
import { type Principal, SYSTEM, type UserPrincipal } from '../../src/domain/principals/principal.ts';
import { Refusal } from '../../src/domain/refusals.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';

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
  const identify = (token: string) => services.identification.identify({ kind: 'accessToken', token });
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
