import type { Cluster, Redis } from 'ioredis';
import type { Cache } from '../../domain/authority/cache.ts';
import type { RedisQuestions } from './redis-questions.ts';

/** Whoever can write to Redis must not be able to fill our memory: longer values are misses. */
const VALUE_BYTES_MAX = 256 * 1024;

/** Values as plain Redis strings under the very keys given. What is not answered in time is a miss. */
export class RedisCache implements Cache {
  readonly #redis: Redis | Cluster;
  readonly #questions: RedisQuestions;

  constructor(parts: { redis: Redis | Cluster; questions: RedisQuestions }) {
    this.#redis = parts.redis;
    this.#questions = parts.questions;
  }

  async read(keys: readonly string[]): Promise<readonly (string | null)[]> {
    // One command a key, so that the keys may live on different nodes; those for one node still travel together.
    return Promise.all(keys.map((key) => this.#questions.ask(key, () => this.#value(key))));
  }

  async write(key: string, value: string, ttlSeconds: number): Promise<void> {
    const ttlMs = Math.floor(ttlSeconds * 1000);
    const isKept = Number.isSafeInteger(ttlMs) && ttlMs > 0 && Buffer.byteLength(value) <= VALUE_BYTES_MAX;
    // What cannot be kept still replaces what was there.
    await this.#questions.ask<unknown>(key, () =>
      isKept ? this.#redis.set(key, value, 'PX', ttlMs) : this.#redis.del(key),
    );
  }

  async forget(keys: readonly string[]): Promise<void> {
    await Promise.all(keys.map((key) => this.#questions.ask(key, () => this.#redis.del(key))));
  }

  /** Later reads miss. The connection is not the cache's own, and stays. */
  async close(): Promise<void> {
    this.#questions.close();
  }

  async #value(key: string): Promise<string | null> {
    const value = await this.#redis.getrange(key, 0, VALUE_BYTES_MAX).catch((error: Error) => {
      if (error.message.startsWith('WRONGTYPE')) return '';
      throw error;
    });
    // Redis has the same answer for a missing key and an empty value.
    return value === '' || Buffer.byteLength(value) > VALUE_BYTES_MAX ? null : value;
  }
}
