import type { Redis } from 'ioredis';
import { parseRedisUrl, type RedisPlace } from '../../kit/redis-url.ts';
import type { Secret } from '../../kit/secret.ts';

/** The options of ioredis, by where they stand in the URL. */
const READ: Readonly<Record<string, (place: RedisPlace) => string | null>> = {
  username: ({ username }) => username,
  password: ({ password }) => password?.reveal() ?? null,
  sentinelPassword: (place) => (place.kind === 'sentinel' ? (place.sentinelPassword?.reveal() ?? null) : null),
};

/**
 * With what Redis is logged in to: as the URL has it when a connection is made. Credentials that are good for a while only are replaced
 * while we run. Where else the URL leads to than at the start is of no account.
 */
export class RedisLogin {
  readonly #url: Secret;
  #place: RedisPlace;
  #text: string;

  constructor(url: Secret) {
    this.#url = url;
    this.#text = url.reveal();
    this.#place = parseRedisUrl(this.#text);
  }

  get place(): RedisPlace {
    const text = this.#url.reveal();
    if (text === this.#text) return this.#place;
    this.#text = text;
    try {
      this.#place = parseRedisUrl(text);
    } catch {
      // What it had before is as good as anything.
    }
    return this.#place;
  }

  /** Has the next connections of this client use what there is by then. It looks when one is lost: the next is made a moment later. */
  follow(redis: Redis): void {
    for (const [name, read] of Object.entries(READ)) {
      // Copies of the options, which ioredis makes, have what there is when they are made.
      const get = (): string | undefined => read(this.place) ?? undefined;
      Object.defineProperty(redis.options, name, { get, enumerable: true, configurable: true });
    }
    redis.on('close', () => void this.#url.renewed());
  }
}
