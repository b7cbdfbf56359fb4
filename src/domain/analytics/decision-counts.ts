import type { DecisionCounter } from '../policy/policy.ts';
import type { Decision, DecisionEngine } from '../principals/principal.ts';
import type { Rollups } from './rollups.ts';
import { OVERFLOW, type Tally } from './tallies.ts';

export const DECISIONS = 'decision';

type ByAction = Map<string, Tally>;
type ByRule = Map<string | null, Map<string, ByAction>>;

/**
 * Counts decisions by action, subject, rule and outcome. Words that the policy does not know are counted as null, so that
 * there are only as many counts as there are words in the policy. A known combination costs three look-ups and nothing
 * else: it happens for every record and field that anybody reads.
 */
export class DecisionCounts implements DecisionCounter {
  readonly #rollups: Rollups;
  #open: object;
  #allowed: ByRule = new Map();
  #denied: ByRule = new Map();

  constructor(rollups: Rollups) {
    this.#rollups = rollups;
    this.#open = rollups.open;
  }

  decided(engine: DecisionEngine, { allowed, rule }: Decision, action: string, type: string): void {
    if (this.#open !== this.#rollups.open) this.#startOver();
    const known = (allowed ? this.#allowed : this.#denied).get(rule)?.get(type)?.get(action);
    if (known === undefined) this.#countNew(engine, { allowed, rule }, action, type);
    else known.count += 1;
  }

  /** What was kept belongs to tallies that are being written, and perhaps to a policy of yesterday. */
  #startOver(): void {
    this.#open = this.#rollups.open;
    this.#allowed = new Map();
    this.#denied = new Map();
  }

  #countNew(
    engine: DecisionEngine,
    { allowed, rule }: Pick<Decision, 'allowed' | 'rule'>,
    action: string,
    type: string,
  ): void {
    // A rule decides about what it names, and so about known words.
    const unknown = rule === null ? (engine.unknownWord(action, type)?.argument ?? null) : null;
    const words = {
      action: unknown === null ? action : null,
      subject: unknown === 'subject' ? null : type,
    };
    const tally = this.#rollups.tally(DECISIONS, { ...words, allowed, rule });
    tally.count += 1;
    if (unknown === null && tally.dimensions !== OVERFLOW) this.#keep(tally, allowed, rule, type, action);
  }

  #keep(tally: Tally, allowed: boolean, rule: string | null, type: string, action: string): void {
    const byRule = allowed ? this.#allowed : this.#denied;
    const byType = byRule.get(rule) ?? new Map<string, ByAction>();
    const byAction = byType.get(type) ?? new Map<string, Tally>();
    byRule.set(rule, byType);
    byType.set(type, byAction);
    byAction.set(action, tally);
  }
}
