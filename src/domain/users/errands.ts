import { toInstant, type Clock, type Instant, type Timer } from '../../kit/clock.ts';
import { Failures } from '../../kit/failures.ts';
import { newId } from '../../kit/ids.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Keys } from '../../kit/secret.ts';
import type { Store, Transaction } from '../store.ts';
import type { Mail } from './mail.ts';

/** What there is to do. */
export interface ErrandKinds {
  readonly mail: Mail;
  readonly signUp: { readonly email: string; readonly name: string; readonly passwordHash: string };
  readonly passwordReset: { readonly email: string };
}

export type ErrandKind = keyof ErrandKinds;

/** An errand as it is kept: sealed, since a mail has tokens in it. */
export interface SealedErrand {
  readonly id: string;
  readonly kind: ErrandKind;
  /** Whom it concerns, if that is known. */
  readonly userId: string | null;
  readonly sealed: string;
}

export interface ErrandWriter {
  add(errand: SealedErrand, at: Instant): Promise<void>;
  /** Adds all of these. One statement. */
  addMany(errands: readonly SealedErrand[], at: Instant): Promise<void>;
  /**
   * Up to `limit` errands that are due, each of which nobody else gets until it is due again: twice as late as the time before,
   * so that one that fails or whose instance died is done later. Never waits.
   */
  claim(at: Instant, limit: number): Promise<readonly (SealedErrand & { readonly attempts: number })[]>;
  /** Takes the errand away: of N callers at most one gets true. */
  finish(id: string): Promise<boolean>;
}

export type Carriers = { readonly [K in ErrandKind]: (content: ErrandKinds[K], id: string) => Promise<void> };

const EVERY_MS = 5_000;
/** Most transactions have committed by then; what has not waits for the next round. */
const SOON_MS = 20;
const BATCH = 10;
/** Over a day, with twice the wait after each. */
const ATTEMPTS_MAX = 12;

/**
 * What is done after the commit that asked for it, at least once, by whichever instance comes first. A kill in between loses
 * nothing, since an errand is written in the transaction that asks for it.
 */
export class Errands {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #rounds: Rounds;
  /** Of those that were begun: where the mail server is away, all mails fail alike, and nothing else does. */
  readonly #failures = new Map<ErrandKind, Failures>();
  #carriers: Carriers | null = null;
  #soon: Timer | null = null;
  /** What this instance gave up since it started, and how often it could not do something. */
  abandoned = 0;
  failed = 0;

  constructor(parts: { store: Store; keys: Keys; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#keys = parts.keys;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
    const failed = 'errands could not be looked for';
    this.#rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.#run(), failed, ...parts });
  }

  /** For how long they could not be looked for. */
  get failingSeconds(): number {
    return this.#rounds.failingSeconds;
  }

  /** Asks for it, as a part of the transaction. */
  async add<K extends ErrandKind>(
    tx: Transaction,
    kind: K,
    content: ErrandKinds[K],
    userId: string | null = null,
  ): Promise<void> {
    await tx.errands.add(this.#sealed(kind, content, userId), toInstant(this.#clock.now()));
    this.#goSoon();
  }

  /** Asks for all of these, as a part of the transaction. */
  async addMany<K extends ErrandKind>(
    tx: Transaction,
    kind: K,
    errands: readonly { readonly content: ErrandKinds[K]; readonly userId: string | null }[],
  ): Promise<void> {
    if (errands.length === 0) return;
    const sealed = errands.map(({ content, userId }) => this.#sealed(kind, content, userId));
    await tx.errands.addMany(sealed, toInstant(this.#clock.now()));
    this.#goSoon();
  }

  #sealed<K extends ErrandKind>(kind: K, content: ErrandKinds[K], userId: string | null): SealedErrand {
    const id = newId('errand');
    return { id, kind, userId, sealed: this.#keys.seal('errands', JSON.stringify(content), id) };
  }

  #goSoon(): void {
    if (this.#carriers === null) return;
    this.#soon?.cancel();
    this.#soon = this.#clock.after(SOON_MS, () => this.#rounds.begin());
  }

  start(carriers: Carriers): void {
    this.#carriers = carriers;
    this.#rounds.begin();
    this.#rounds.start();
  }

  /** Resolves when nothing that was begun is under way. */
  async stop(): Promise<void> {
    this.#carriers = null;
    this.#soon?.cancel();
    await this.#rounds.stop();
  }

  async #run(): Promise<void> {
    for (let due = BATCH; due === BATCH;) {
      const carriers = this.#carriers;
      if (carriers === null) return;
      const now = toInstant(this.#clock.now());
      const { value: claimed } = await this.#store.transaction((tx) => tx.errands.claim(now, BATCH));
      await Promise.all(claimed.map((errand) => this.#carry(carriers, errand)));
      due = claimed.length;
    }
  }

  async #carry(carriers: Carriers, errand: SealedErrand & { readonly attempts: number }): Promise<void> {
    const { id, kind, attempts } = errand;
    try {
      const content = this.#keys.open('errands', errand.sealed, id);
      if (content === null) throw new Error('it was sealed under a secret that is not listed');
      // What was sealed under its id is what was added as this kind.
      const carry = carriers[kind] as (content: unknown, id: string) => Promise<void>;
      await carry(JSON.parse(content), id);
      await this.#finish(id);
      this.#failures.get(kind)?.well();
    } catch (error) {
      this.failed += 1;
      this.#failuresOf(kind).wrong(error, { errand: id, kind, attempts });
      if (attempts < ATTEMPTS_MAX) return;
      this.abandoned += 1;
      this.#logger.error({ errand: id, kind }, 'an errand was given up');
      await this.#finish(id).catch(() => {});
    }
  }

  /** A later version may have kinds that this one does not know. */
  #failuresOf(kind: ErrandKind): Failures {
    const known = this.#failures.get(kind);
    if (known !== undefined) return known;
    const failures = new Failures({ failed: 'an errand failed', clock: this.#clock, logger: this.#logger });
    this.#failures.set(kind, failures);
    return failures;
  }

  async #finish(id: string): Promise<void> {
    await this.#store.transaction((tx) => tx.errands.finish(id));
  }
}
