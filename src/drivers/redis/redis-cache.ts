import type { Redis } from 'ioredis';
import type { Cache } from '../../domain/authority/cache.ts';
import type { Clock } from '../../kit/clock.ts';
import { DeadlineExceeded, withDeadline } from '../../kit/deadline.ts';

const ANSWER_MS = 100;
/** Whoever can write to Redis must not be able to fill our memory: longer values are misses. */
const VALUE_BYTES_MAX = 256 * 1024;

/** Values as plain Redis strings under the very keys given. Every call ends within 100 ms. */
export class RedisCache implements Cache {
  readonly #redis: Redis;
  /** When our own event loop was late, it reads what has arrived before it finds Redis too slow. */
  readonly #clock: Clock;
  #overdue = 0;
  #closed = false;

  constructor(parts: { redis: Redis; clock: Clock }) {
    this.#redis = parts.redis;
    const { clock } = parts;
    this.#clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, fn) => clock.after(ms, () => setImmediate(fn)),
    };
  }

  async read(keys: readonly string[]): Promise<readonly (string | null)[]> {
    // One command a key, so that the keys may live on different servers; they still travel together.
    const answers = await this.#ask(() => Promise.all(keys.map((key) => this.#value(key))));
    return answers ?? keys.map(() => null);
  }

  async write(key: string, value: string, ttlSeconds: number): Promise<void> {
    const ttlMs = Math.floor(ttlSeconds * 1000);
    const isKept = Number.isSafeInteger(ttlMs) && ttlMs > 0 && Buffer.byteLength(value) <= VALUE_BYTES_MAX;
    // What cannot be kept still replaces what was there.
    await this.#ask<unknown>(() => (isKept ? this.#redis.set(key, value, 'PX', ttlMs) : this.#redis.del(key)));
  }

  async forget(keys: readonly string[]): Promise<void> {
    await this.#ask(() => Promise.all(keys.map((key) => this.#redis.del(key))));
  }

  /** Later reads miss. The connection is not the cache's own, and stays. */
  async close(): Promise<void> {
    this.#closed = true;
  }

  async #value(key: string): Promise<string | null> {
    const value = await this.#redis.getrange(key, 0, VALUE_BYTES_MAX).catch((error: Error) => {
      if (error.message.startsWith('WRONGTYPE')) return '';
      throw error;
    });
    // Redis has the same answer for a missing key and an empty value.
    return value === '' || Buffer.byteLength(value) > VALUE_BYTES_MAX ? null : value;
  }

  /** The answer, or null when there is none in time. */
  async #ask<T>(question: () => Promise<T>): Promise<T | null> {
    // Redis answers in order: while one answer is overdue, the next ones would be late too.
    if (this.#closed || this.#overdue > 0 || this.#redis.status !== 'ready') return null;
    const answer = question();
    try {
      return await withDeadline(this.#clock, answer, ANSWER_MS, 'Redis');
    } catch (error) {
      if (error instanceof DeadlineExceeded) this.#await(answer);
      return null;
    }
  }

  #await(late: Promise<unknown>): void {
    this.#overdue += 1;
    const arrived = () => void (this.#overdue -= 1);
    late.then(arrived, arrived);
  }
}
