import { once } from 'node:events';
import type { Cluster, Redis } from 'ioredis';
import type { Acknowledgement, HintListener, Hints } from '../../domain/authority/hints.ts';
import type { Clock, Timer } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import { disconnect } from './redis-connection.ts';

const HINTS = 'castellan:hints';
const ACKNOWLEDGEMENTS = 'castellan:acknowledgements';
const NUMBERED = 'castellan:events';
const MESSAGE_BYTES_MAX = 1024;
const RENEW_MS = 1_000;
const SUBSCRIBE_MS = 500;

/**
 * News over the channels `castellan:hints` (`{ seq }`) and `castellan:acknowledgements` (an {@link Acknowledgement})
 * and `castellan:events` (`{ seq }`), as JSON of at most 1 KiB. Anybody may write there, so whatever else arrives is dropped.
 */
export class RedisHints implements Hints {
  readonly #publisher: Redis | Cluster;
  readonly #subscriber: Redis;
  readonly #clock: Clock;
  readonly #listeners = new Set<Partial<HintListener>>();
  #renewal: Timer | undefined;
  #confirmation: Promise<void> | undefined;
  #closed = false;

  /** @param parts.subscriber a connection of its own, which ends with the hints; the publisher's stays. */
  constructor(parts: { publisher: Redis | Cluster; subscriber: Redis; clock: Clock }) {
    this.#publisher = parts.publisher;
    this.#subscriber = parts.subscriber;
    this.#clock = parts.clock;
    this.#subscriber.on('ready', () => void this.#renew());
    this.#subscriber.on('messageBuffer', (channel: Buffer, message: Buffer) =>
      this.#deliver(channel.toString(), message),
    );
  }

  /** Waits up to 500 ms for Redis to confirm. Without it subscribes as soon as Redis is back. */
  async subscribe(listener: Partial<HintListener>): Promise<void> {
    if (this.#closed) return;
    this.#listeners.add(listener);
    this.#confirmation ??= this.#confirmed().finally(() => (this.#confirmation = undefined));
    await withDeadline(this.#clock, this.#confirmation, SUBSCRIBE_MS, 'Redis').catch(() => {});
  }

  publishHint(seq: number): void {
    this.#publish(HINTS, { seq });
  }

  publishNumbered(seq: number): void {
    this.#publish(NUMBERED, { seq });
  }

  publishAcknowledgement({ instanceId, epoch, applied, signature }: Acknowledgement): void {
    this.#publish(ACKNOWLEDGEMENTS, { instanceId, epoch, applied, signature });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    this.#renewal?.cancel();
    await disconnect(this.#subscriber, this.#clock);
  }

  async #confirmed(): Promise<void> {
    const { status } = this.#subscriber;
    if (status === 'wait' || status === 'connecting' || status === 'connect') await once(this.#subscriber, 'ready');
    await this.#renew();
  }

  /**
   * Subscribing twice does no harm, and the answer proves that news can reach us: a connection that was cut silently,
   * or has lost its subscriptions, is found out within seconds.
   */
  async #renew(): Promise<void> {
    this.#renewal?.cancel();
    if (this.#closed) return;
    this.#renewal = this.#clock.after(RENEW_MS, () => void this.#renew());
    if (this.#subscriber.status !== 'ready') return;
    // Apart: a user that may not read one channel is refused the whole command, and authority needs no events.
    const channels = [[HINTS, ACKNOWLEDGEMENTS], [NUMBERED]];
    await Promise.all(channels.map((names) => this.#subscriber.subscribe(...names).catch(() => {})));
  }

  #publish(channel: string, message: object): void {
    if (this.#closed || this.#publisher.status !== 'ready') return;
    this.#publisher.publish(channel, JSON.stringify(message)).catch(() => {});
  }

  #deliver(channel: string, bytes: Buffer): void {
    const message = parse(bytes);
    if (message === null) return;
    const acknowledgement = channel === ACKNOWLEDGEMENTS ? acknowledgementOf(message) : null;
    const seq = isPosition(message['seq']) ? message['seq'] : null;
    for (const listener of this.#listeners) {
      if (acknowledgement !== null) listener.acknowledged?.(acknowledgement);
      if (seq !== null && channel === HINTS) listener.hint?.(seq);
      if (seq !== null && channel === NUMBERED) listener.numbered?.(seq);
    }
  }
}

function parse(bytes: Buffer): Readonly<Record<string, unknown>> | null {
  if (bytes.length > MESSAGE_BYTES_MAX) return null;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function acknowledgementOf(message: Readonly<Record<string, unknown>>): Acknowledgement | null {
  const { instanceId, epoch, applied, signature } = message;
  if (typeof instanceId !== 'string' || typeof epoch !== 'string' || typeof signature !== 'string') return null;
  return isPosition(applied) ? { instanceId, epoch, applied, signature } : null;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
