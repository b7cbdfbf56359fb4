import type { AuthorityParts } from '../app/authority.ts';
import type { Foundation } from '../app/foundation.ts';
import { KeyUsage } from '../domain/api-keys/key-usage.ts';
import { KeyUses } from '../domain/api-keys/key-uses.ts';
import { InstanceShare } from '../domain/limits/instance-share.ts';
import { LimitsWithFallback } from '../domain/limits/limits-with-fallback.ts';
import { OperationLimits } from '../domain/limits/operation-limits.ts';
import type { Policy } from '../domain/policy/policy.ts';
import { Activity } from '../domain/sessions/activity.ts';
import { UncountedUses } from '../domain/usage/uncounted-uses.ts';
import { UsageFlusher } from '../domain/usage/usage-flusher.ts';

/** How much is asked, by whom, and how much of it is let through. */
export function startUsage(
  { config, store, usage, rateLimits, clock, logger, metrics, cleanup }: Foundation,
  { tail }: AuthorityParts,
  policy: Policy,
) {
  const activity = new Activity({ store, clock, logger });
  cleanup.start('what is known of activity', activity.rounds);
  const keyUses = new KeyUses({ store, clock, logger });
  cleanup.start('what is known of the use of keys', keyUses.rounds);
  const usageFlusher = new UsageFlusher({ store, counts: usage, clock, logger });
  cleanup.start('the writing of uses', usageFlusher.rounds);
  const uncountedUses = new UncountedUses({ counts: usage, clock, logger });
  cleanup.start('the uses that are not counted yet', uncountedUses.rounds);
  metrics.gauge('uses_pending', 'Counts of uses that are not in Redis yet.', () => uncountedUses.pending);

  const share = new InstanceShare({ clock, instances: () => tail.instances });
  const limits = new LimitsWithFallback({ limits: rateLimits, share, uncounted: uncountedUses });
  metrics.counter(
    'limits_by_share_total',
    'Uses of API keys that were let through or refused by the share of this instance, since Redis did not count them.',
    () => limits.byShare,
  );
  return {
    activity,
    keyUses,
    keyUsage: new KeyUsage({ store, policy, uncounted: uncountedUses, flusher: usageFlusher, clock }),
    usageFlusher,
    uncountedUses,
    operationLimits: new OperationLimits({ settings: config, share, limits, uncounted: uncountedUses, clock }),
  };
}
