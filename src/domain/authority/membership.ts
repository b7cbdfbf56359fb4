import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { AuthorityLog } from './log.ts';
import { settleMs, type Timing } from './timing.ts';

/**
 * Removes instances that died without leaving, so that receipts stop waiting for them. In two phases: a
 * marked instance gets no further lease from a poll, and its row goes only when the last lease it may
 * hold has run out. Any number of instances may collect at once.
 */
export class Membership {
  readonly #log: AuthorityLog;
  readonly #clock: Clock;
  readonly #timing: Timing;
  readonly #logger: Log;
  /** Monotonic time at which this process knew the mark to be committed. */
  readonly #marked = new Map<string, number>();
  readonly rounds: Rounds;

  constructor(parts: { log: AuthorityLog; clock: Clock; timing: Timing; logger: Log }) {
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#timing = parts.timing;
    this.#logger = parts.logger;
    const { leaseMs: everyMs } = parts.timing;
    const failed = 'dead instances could not be collected';
    this.rounds = new Rounds({ everyMs, work: () => this.collect(), failed, ...parts });
  }

  async collect(): Promise<void> {
    const marked = new Set(await this.#log.markSilent(this.#timing.leaseMs * 2));
    const now = this.#clock.monotonicMs();
    for (const instanceId of this.#marked.keys()) if (!marked.has(instanceId)) this.#marked.delete(instanceId);
    for (const instanceId of marked) if (!this.#marked.has(instanceId)) this.#marked.set(instanceId, now);

    const due = [...this.#marked].filter(([, since]) => now >= since + settleMs(this.#timing)).map(([id]) => id);
    if (due.length === 0) return;
    await this.#log.removeMarked(due);
    for (const instanceId of due) this.#marked.delete(instanceId);
    this.#logger.info({ instances: due }, 'collected dead instances');
  }
}
