import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Store } from '../store.ts';
import { anchorParts, GENESIS, monthOf } from './chain.ts';

const EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Partitions that are there before their month begins. */
const MONTHS_AHEAD = 2;
/** Months that one round takes away: the rest waits for the next. */
const DROPS_MAX = 12;

/**
 * Sees to it that there is a partition for each month before it begins, and takes those away whose every entry is older than what
 * is kept. Where the log begins from then on is signed: nobody else can take its beginning away and say that it was retention.
 */
export class AuditRetention {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #days: number;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly rounds: Rounds;

  constructor(parts: {
    store: Store;
    keys: Keys;
    settings: { readonly auditDays: number };
    clock: Clock;
    logger: Log;
  }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#days = parts.settings.auditDays;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    const failed = 'the months of the audit log were not seen to';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.keep(), failed, ...parts });
  }

  /** One round. */
  async keep(): Promise<void> {
    const now = this.#clock.now();
    const months = Array.from({ length: MONTHS_AHEAD + 1 }, (_, ahead) => monthsFrom(now, ahead));
    await this.#store.transaction(async ({ auditChain }) => {
      await auditChain.begin('wait');
      await auditChain.prepare(months);
    });
    const before = monthOf(toInstant(now - this.#days * DAY_MS));
    for (let drops = 0; drops < DROPS_MAX; drops += 1) {
      if (!(await this.#dropFirst(before))) return;
    }
  }

  /** Whether there was a month to take away. */
  async #dropFirst(before: string): Promise<boolean> {
    const { value: month } = await this.#store.transaction(async ({ auditChain }) => {
      await auditChain.begin('wait');
      const month = await auditChain.firstBefore(before);
      if (month === null) return null;
      const last = (await auditChain.lastUpTo(month)) ?? (await auditChain.anchor());
      const { number = 0, lastSeq = 0, hash = GENESIS } = last ?? {};
      const anchor = { month, number, lastSeq, hash, at: toInstant(this.#clock.now()) };
      await auditChain.drop({ ...anchor, ...this.#keys.attest('audit', ...anchorParts(anchor)) });
      return month;
    });
    if (month !== null) this.#logger.info({ month }, 'a month of the audit log was dropped: it is kept no longer');
    return month !== null;
  }
}

function monthsFrom(epochMs: number, ahead: number): string {
  const [year = 0, month = 0] = monthOf(toInstant(epochMs)).split('-').map(Number);
  const index = year * 12 + month - 1 + ahead;
  return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, '0')}`;
}
