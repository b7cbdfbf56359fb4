import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { OperationContext } from '../../src/api/graphql/context.ts';
import { LiveSubscription } from '../../src/api/graphql/live-subscription.ts';
import { SYSTEM, type UserPrincipal } from '../../src/domain/principals/principal.ts';
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
  const before = await services.authentication.identify({ kind: 'accessToken', token: bob.accessToken });
  const context = new OperationContext(services, before, { userAgent: null, address: null });

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
