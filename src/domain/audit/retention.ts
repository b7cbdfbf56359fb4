import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Store } from '../store.ts';
import { beginningOf } from './beginning.ts';
import { anchorParts, type ChainPlace, isSameAnchor, isAnchorSigned, monthOf, START } from './chain.ts';
import type { AuditAnchor } from './log.ts';

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
    await resignAnchor(this.#store, this.#keys);
    const before = monthOf(toInstant(now - this.#days * DAY_MS));
    for (let drops = 0; drops < DROPS_MAX; drops += 1) {
      if (!(await this.#dropFirst(before))) return;
    }
  }

  /** Whether there was a month to take away. */
  async #dropFirst(before: string): Promise<boolean> {
    const { value: found } = await this.#store.transaction(async ({ auditChain }) => ({
      first: await auditChain.firstBefore(before),
      anchor: await auditChain.anchor(),
    }));
    const { first, anchor } = found;
    if (first === null) return false;
    // What is older than where the log begins came late, and does not make it begin earlier.
    const month = anchor !== null && anchor.month > first ? anchor.month : first;
    const beginning = await beginningOf(this.#store.audit, this.#keys, { anchor, month });
    if (beginning === null) {
      const message =
        'the beginning of the audit log is not what was signed, and is kept until castellan audit verify finds nothing there';
      this.#logger.error({ month }, message);
      return false;
    }
    const { value: isDropped } = await this.#store.transaction(async ({ auditChain }) => {
      await auditChain.begin('wait');
      const now = await auditChain.anchor();
      const { number, hash } = (await auditChain.lastUpTo(month)) ?? now ?? START;
      // Somebody else has done it, or there is more by now.
      if (!isSameAnchor(anchor, now) || number !== beginning.number || hash !== beginning.hash) return false;
      await auditChain.drop(signed(this.#keys, { ...placeOf(beginning), month, at: toInstant(this.#clock.now()) }));
      return true;
    });
    if (isDropped) this.#logger.info({ month }, 'a month of the audit log was dropped: it is kept no longer');
    return isDropped;
  }
}

/** Signs where the log begins with the current key, where that was done with a previous one: whoever drops that can still tell. */
export async function resignAnchor(store: Pick<Store, 'transaction'>, keys: Keys): Promise<void> {
  await store.transaction(async ({ auditChain }) => {
    await auditChain.begin('wait');
    const anchor = await auditChain.anchor();
    if (anchor === null || isAnchorSigned(keys, anchor) !== true) return;
    const anew = signed(keys, anchor);
    if (anew.key !== anchor.key) await auditChain.drop(anew);
  });
}

function signed(keys: Keys, anchor: Omit<AuditAnchor, 'key' | 'signature'>): AuditAnchor {
  return { ...anchor, ...keys.attest('audit', ...anchorParts(anchor)) };
}

const placeOf = ({ number, lastSeq, hash }: ChainPlace): ChainPlace => ({ number, lastSeq, hash });

function monthsFrom(epochMs: number, ahead: number): string {
  const [year = 0, month = 0] = monthOf(toInstant(epochMs)).split('-').map(Number);
  const index = year * 12 + month - 1 + ahead;
  return `${Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, '0')}`;
}
