import { randomUUID } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';
import { entriesAfter, lineOf } from './export.ts';

/** Takes lines of JSON, each one entry. Must reject where it is not certain that they were taken; within its own deadline. */
export interface AuditSink {
  send(lines: readonly string[]): Promise<void>;
}

const NAME = 'http';
const EVERY_MS = 1_000;
const BACKOFF_MAX_MS = 60_000;
/** Longer than a sink may take: two never send at once, unless one of them hangs. */
const LEASE_SECONDS = 60;

/**
 * Streams the log to a sink in the order of the chain, from where it was left: at least once, since what was sent and not noted is
 * sent again. An id is an entry's for good, so that a receiver can tell. One instance at a time does it.
 */
export class AuditShipper {
  readonly #store: Store;
  readonly #sink: AuditSink;
  readonly #clock: Clock;
  readonly rounds: Rounds;
  readonly #holder = randomUUID();
  #failures = 0;
  #restsUntilMs = -Infinity;
  /** Up to where the sink has the log, as far as this instance knows. */
  #known = 0;

  constructor(parts: { store: Store; sink: AuditSink; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#sink = parts.sink;
    this.#clock = parts.clock;
    const failed = 'the audit log was not sent on';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.#tryToShip(), failed, ...parts });
  }

  /** Less and less often, while it fails. */
  async #tryToShip(): Promise<void> {
    if (this.#clock.monotonicMs() < this.#restsUntilMs) return;
    try {
      await this.ship();
      this.#failures = 0;
    } catch (error) {
      this.#failures = Math.min(this.#failures + 1, 16);
      this.#restsUntilMs = this.#clock.monotonicMs() + Math.min(EVERY_MS * 2 ** this.#failures, BACKOFF_MAX_MS);
      throw error;
    }
  }

  /** Sends what the sink does not have, if it is this instance's turn. */
  async ship(): Promise<void> {
    const head = await this.#store.audit.head();
    if (head === null || head.lastSeq <= this.#known) return;
    const from = await this.#claim();
    if (from === null) return;
    this.#known = from;
    for await (const page of entriesAfter(this.#store.audit, from)) {
      await this.#sink.send(page.map((entry) => lineOf(entry, 'jsonl')));
      this.#known = page.at(-1)?.seq ?? this.#known;
      const { value: isOurs } = await this.#store.transaction(({ auditChain }) =>
        auditChain.take(NAME, this.#holder, this.#known, LEASE_SECONDS),
      );
      if (!isOurs || this.rounds.stopped) return;
    }
  }

  async #claim(): Promise<number | null> {
    const { value } = await this.#store.transaction(({ auditChain }) =>
      auditChain.claim(NAME, this.#holder, LEASE_SECONDS),
    );
    return value;
  }
}
