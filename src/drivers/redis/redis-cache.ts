import type { Cluster, Redis } from 'ioredis';
import type { Cache } from '../../domain/authority/cache.ts';
import type { Clock } from '../../kit/clock.ts';
import { DeadlineExceeded, withDeadline } from '../../kit/deadline.ts';
import { isAnswer, isPassing } from './redis-refusals.ts';

const ANSWER_MS = 100;
const RETRY_MS = 20;
/** Whoever can write to Redis must not be able to fill our memory: longer values are misses. */
const VALUE_BYTES_MAX = 256 * 1024;

/**
 * Values as plain Redis strings under the very keys given. Every call ends within 100 ms, with null for the keys whose
 * node has not answered. A node that has failed to is not waited for any more until it answers again: while it is
 * silent, one question at a time is sent to find out, and nobody waits for that either.
 */
export class RedisCache implements Cache {
  readonly #redis: Redis | Cluster;
  readonly #nodeOf: (key: string) => string | null;
  /** When our own event loop was late, it reads what has arrived before it finds Redis too slow. */
  readonly #clock: Clock;
  /** Nodes that have not answered in time, with the number of questions that are under way to find out. */
  readonly #silent = new Map<string, number>();
  #closed = false;

  constructor(parts: { redis: Redis | Cluster; nodeOf: (key: string) => string | null; clock: Clock }) {
    this.#redis = parts.redis;
    this.#nodeOf = parts.nodeOf;
    const { clock } = parts;
    this.#clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs(),
      after: (ms, fn) => clock.after(ms, () => setImmediate(fn)),
    };
    this.#redis.on('ready', () => this.#silent.clear());
  }

  async read(keys: readonly string[]): Promise<readonly (string | null)[]> {
    // One command a key, so that the keys may live on different nodes; those for one node still travel together.
    return Promise.all(keys.map((key) => this.#ask(key, () => this.#value(key))));
  }

  async write(key: string, value: string, ttlSeconds: number): Promise<void> {
    const ttlMs = Math.floor(ttlSeconds * 1000);
    const isKept = Number.isSafeInteger(ttlMs) && ttlMs > 0 && Buffer.byteLength(value) <= VALUE_BYTES_MAX;
    // What cannot be kept still replaces what was there.
    await this.#ask<unknown>(key, () => (isKept ? this.#redis.set(key, value, 'PX', ttlMs) : this.#redis.del(key)));
  }

  async forget(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#ask(key, () => this.#redis.del(key))));
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
  async #ask<T>(key: string, question: () => Promise<T>): Promise<T | null> {
    const node = this.#nodeOf(key);
    if (this.#closed || node === null) return null;
    const underWay = this.#silent.get(node);
    if (underWay !== undefined) {
      if (underWay === 0) this.#listen(node, this.#insist(question));
      return null;
    }
    const answer = this.#insist(question);
    try {
      return await withDeadline(this.#clock, answer, ANSWER_MS, 'Redis');
    } catch (error) {
      if (error instanceof DeadlineExceeded) this.#listen(node, answer);
      else if (!isAnswer(error)) this.#silent.set(node, this.#silent.get(node) ?? 0);
      return null;
    }
  }

  /** Asks again, within the same time, what the node cannot answer for the moment. */
  async #insist<T>(question: () => Promise<T>): Promise<T> {
    const deadlineMs = this.#clock.monotonicMs() + ANSWER_MS;
    for (;;) {
      try {
        return await question();
      } catch (error) {
        if (!isPassing(error)) throw error;
        await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
        if (this.#closed || this.#clock.monotonicMs() >= deadlineMs) throw error;
      }
    }
  }

  /** Finds the node silent until an answer of it arrives. */
  #listen(node: string, late: Promise<unknown>): void {
    this.#silent.set(node, (this.#silent.get(node) ?? 0) + 1);
    late.then(
      () => this.#silent.delete(node),
      (error: unknown) => {
        const underWay = this.#silent.get(node) ?? 0;
        if (isAnswer(error)) this.#silent.delete(node);
        else if (underWay > 0) this.#silent.set(node, underWay - 1);
      },
    );
  }
}
