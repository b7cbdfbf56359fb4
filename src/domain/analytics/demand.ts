import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';

/** Refuses whoever may not read these analytics everywhere: they tell about all scopes, so that a right in one of them is not enough. */
export function demandAnalytics(policy: Policy, by: Principal, id: string): void {
  const analytics = { __typename: 'Analytics', id };
  policy.demandOpenly(by, 'read', analytics);
  policy.demandOpenly(policy.within(by, null), 'read', analytics);
}
