import { randomUUID } from 'node:crypto';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import { Rounds } from '../kit/rounds.ts';
import type { Store } from './store.ts';

/** Something numbered that a receiver outside gets in order, from where it was left. */
export interface Shipment {
  /** Under which it is kept how far the receiver has it. */
  readonly receiver: string;
  /** As a log calls it. */
  readonly what: string;
  /** Whether there is anything after this number. */
  waits(after: number): Promise<boolean>;
  /** Sends what comes after it, and gives each number up to which the receiver has all. Rejects where it is not certain to. */
  send(after: number): AsyncIterable<number>;
}

/** How far receivers have what is sent to them, and whose turn it is to send them more. */
export interface ShippingWriter {
  /** Takes the turn at this receiver for so long, unless somebody else has it: up to which number it has all, or null. */
  claim(receiver: string, holder: string, seconds: number): Promise<number | null>;
  /** Notes that it has all up to there, and keeps the turn for so long; whether it was still the holder's. */
  take(receiver: string, holder: string, seq: number, seconds: number): Promise<boolean>;
}

const EVERY_MS = 1_000;
const BACKOFF_MAX_MS = 30_000;
/**
 * Longer than a receiver may take: two never send at once, unless one of them hangs. And longer than the longest rest with that:
 * the one that fails goes on trying, and so knows for how long nothing was taken.
 */
const LEASE_SECONDS = 60;

/**
 * Sends a shipment on: at least once, since what was sent and not noted is sent again, and what fails is tried again until it is
 * taken. One instance at a time does it.
 */
export class Shipper {
  readonly #store: Pick<Store, 'transaction'>;
  readonly #shipment: Shipment;
  readonly #clock: Clock;
  readonly rounds: Rounds;
  readonly #holder = randomUUID();
  #failures = 0;
  #restsUntilMs = -Infinity;
  #failingSinceMs: number | null = null;
  #failure: unknown = null;
  /** Up to where the receiver has all, as far as this instance knows. */
  #known = 0;

  constructor(parts: { store: Pick<Store, 'transaction'>; shipment: Shipment; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#shipment = parts.shipment;
    this.#clock = parts.clock;
    const { what, receiver } = parts.shipment;
    const failed = `${what} was not sent on to ${receiver}`;
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.#tryToShip(), failed, ...parts });
  }

  get receiver(): string {
    return this.#shipment.receiver;
  }

  /** For how long nothing that this instance sent was taken; 0 where it was. */
  get failingSeconds(): number {
    return this.#failingSinceMs === null ? 0 : (this.#clock.monotonicMs() - this.#failingSinceMs) / 1_000;
  }

  /** Less and less often, while it fails. */
  async #tryToShip(): Promise<void> {
    // Resting is failing still: what is not tried has not gone well.
    if (this.#clock.monotonicMs() < this.#restsUntilMs) throw this.#failure;
    try {
      await this.ship();
      this.#failures = 0;
      this.#failingSinceMs = null;
    } catch (error) {
      const nowMs = this.#clock.monotonicMs();
      this.#failures = Math.min(this.#failures + 1, 16);
      this.#failingSinceMs ??= nowMs;
      this.#failure = error;
      this.#restsUntilMs = nowMs + Math.min(EVERY_MS * 2 ** this.#failures, BACKOFF_MAX_MS);
      throw error;
    }
  }

  /** Sends what the receiver does not have, if it is this instance's turn. */
  async ship(): Promise<void> {
    if (!(await this.#shipment.waits(this.#known))) return;
    const { receiver } = this.#shipment;
    const { value: from } = await this.#store.transaction(({ shipping }) =>
      shipping.claim(receiver, this.#holder, LEASE_SECONDS),
    );
    if (from === null) return;
    this.#known = from;
    for await (const reached of this.#shipment.send(from)) {
      this.#known = reached;
      const { value: isOurs } = await this.#store.transaction(({ shipping }) =>
        shipping.take(receiver, this.#holder, reached, LEASE_SECONDS),
      );
      if (!isOurs || this.rounds.stopped) return;
    }
  }
}
