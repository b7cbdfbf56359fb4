import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';

/** Refuses whoever may not read these analytics. */
export function demandAnalytics(policy: Policy, by: Principal, id: string): void {
  policy.demandOpenly(by, 'read', { __typename: 'Analytics', id });
}
