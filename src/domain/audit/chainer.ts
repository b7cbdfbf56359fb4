import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Store, Transaction } from '../store.ts';
import {
  batchHash,
  type ChainPlace,
  entryHash,
  headParts,
  isAnchorSigned,
  isHeadSigned,
  monthOf,
  START,
  unvouched,
} from './chain.ts';
import type { AuditRecord } from './entry.ts';

/** Entries chained in one transaction. */
const BATCH = 500;
/** Commits that follow each other closely are chained together. */
const REST_MS = 500;
/** For so long whoever does not know the key of the last batch leaves entries to others: while keys are replaced, some do not yet. */
const UNKNOWN_MS = 60_000;

/**
 * Puts entries into the chain once their commits can be seen: every instance tries and one at a time does, so that another goes
 * on where one dies. An entry that commits later comes later in the chain, whatever its id; so no change waits for another's place.
 */
export class AuditChainer {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly rounds: Rounds;
  /** The last batch that nobody who is known has signed, as far as it was told. */
  #told = -1;
  /** Somebody must know that it is done, and not only that somebody does it. */
  #waits = false;

  constructor(parts: { store: Store; keys: Keys; clock: Clock; logger: Log; everyMs: number }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    const failed = 'audit entries were not chained yet';
    this.rounds = new Rounds({ work: () => this.#chainAll(), failed, writesRest: true, ...parts });
  }

  /** Resolves when every entry that was committed before this call is chained. Shared by all who ask meanwhile. */
  chain(): Promise<void> {
    this.#waits = true;
    return this.rounds.next();
  }

  /** Something was committed that has entries. */
  soon(): void {
    this.rounds.soon(REST_MS);
  }

  async #chainAll(): Promise<void> {
    const how = this.#waits ? 'wait' : 'try';
    this.#waits = false;
    while (await this.#store.audit.waiting()) {
      const { value: chained } = await this.#store.transaction((tx) => this.#chainBatch(tx, how));
      if (!chained) return;
    }
  }

  async #chainBatch({ auditChain }: Transaction, how: 'wait' | 'try'): Promise<boolean> {
    if (!(await auditChain.begin(how))) return false;
    const gathered = await auditChain.gather(BATCH);
    const entries = await auditChain.next(BATCH);
    const [first] = entries;
    // Another instance may have done it while this one waited for its turn.
    if (first === undefined) return gathered > 0;

    const last = await auditChain.last();
    const anchor = last === null ? await auditChain.anchor() : null;
    const isVouched =
      last === null ? anchor === null || isAnchorSigned(this.#keys, anchor) : isHeadSigned(this.#keys, last);
    const place = last ?? anchor ?? START;
    if (isVouched !== true && this.#leaves(place, first)) return false;
    const { number, lastSeq, hash } = place;
    const firstSeq = lastSeq + 1;
    const unsigned = {
      number: number + 1,
      month: monthOf(first.at),
      firstSeq,
      lastSeq: firstSeq + entries.length - 1,
      entries: entries.map(entryHash),
      at: toInstant(this.#clock.now()),
    };
    const batch = { ...unsigned, hash: batchHash(isVouched === true ? hash : unvouched(hash), unsigned) };
    await auditChain.add({ ...batch, ...this.#keys.attest('audit', ...headParts(batch)) }, entries);
    return true;
  }

  /**
   * Whether it is left to another instance to go on from what nobody who is known here has signed. A signature vouches for all before it:
   * on what somebody made up who has no key, none must be put as if nothing were.
   */
  #leaves({ number }: ChainPlace, { at }: AuditRecord): boolean {
    if (this.#told !== number) {
      const message =
        'the audit log ends with a batch that was signed with none of the keys in KEY_ENCRYPTION_KEY: nothing before it is vouched for by what is chained here';
      this.#logger.error({ batch: number }, message);
      this.#told = number;
    }
    return this.#clock.now() - Date.parse(at) < UNKNOWN_MS;
  }
}
