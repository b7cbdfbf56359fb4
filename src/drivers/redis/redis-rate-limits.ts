import type { Cluster, Redis } from 'ioredis';
import { type Asked, decide, type RateLimits, type Taken, type Window } from '../../domain/limits/rate-limits.ts';
import type { RedisQuestions } from './redis-questions.ts';
import { RedisScript } from './redis-script.ts';
import { COUNTING, KEPT_MS, type RedisUsage, usageKey } from './redis-usage.ts';

/**
 * KEYS are the windows, and last the hash of the use if there is one. ARGV is the number of windows, the cost, of each window its
 * maximum and its length in ms, and of the use how long it is kept in ms, its version and its operation. Answers with what was used
 * of each window before and in how many ms it ends, and whether the hash is new.
 */
const TAKE = new RedisScript(`${COUNTING}
  local windows, cost = tonumber(ARGV[1]), tonumber(ARGV[2])
  local allowed = true
  local states = {}
  for i = 1, windows do
    local max, length = tonumber(ARGV[2 * i + 1]), tonumber(ARGV[2 * i + 2])
    local used = tonumber(redis.call('GET', KEYS[i]) or 0) or 0
    local left = redis.call('PTTL', KEYS[i])
    -- Not there, or not ended by anything: a window that lasts would shut for good.
    if left < 0 or left > length then used, left = 0, -1 end
    if used + cost > max then allowed = false end
    states[2 * i - 1], states[2 * i] = used, left
  end
  for i = 1, windows do
    local length = tonumber(ARGV[2 * i + 2])
    if states[2 * i] < 0 then
      if allowed then redis.call('SET', KEYS[i], cost, 'PX', length) end
      states[2 * i] = length
    elseif allowed then
      redis.call('INCRBY', KEYS[i], cost)
    end
  end
  if #KEYS > windows then
    local hash, at = KEYS[windows + 1], 2 * windows + 2
    states[at - 1] = begun(hash, ARGV[at + 1])
    count(hash, ARGV[at + 2], ARGV[at + 3], allowed and 'admitted' or 'limited', 1)
  end
  return states`);

/**
 * Counts in strings under `castellan:limit:{subject}:…` that expire with their window, by the clock of the server; and the use
 * in its hash, in the same step.
 */
export class RedisRateLimits implements RateLimits {
  readonly #redis: Redis | Cluster;
  readonly #questions: RedisQuestions;
  readonly #usage: RedisUsage;

  constructor(parts: { redis: Redis | Cluster; questions: RedisQuestions; usage: RedisUsage }) {
    this.#redis = parts.redis;
    this.#questions = parts.questions;
    this.#usage = parts.usage;
  }

  async take({ subject, windows, cost, use = null }: Asked): Promise<Taken | null> {
    const keys = windows.map((window) => keyOf(subject, window));
    const args: (string | number)[] = [windows.length, cost];
    for (const { max, seconds } of windows) args.push(max, seconds * 1_000);
    if (use !== null) {
      keys.push(usageKey(use));
      args.push(KEPT_MS, use.version, use.operation);
    }
    const [first] = keys;
    if (first === undefined) return decide([], cost);
    const states = await this.#questions.ask(first, () => TAKE.run(this.#redis, keys, args));
    if (!Array.isArray(states)) return null;
    if (use !== null) this.#usage.counted(use, states[2 * windows.length] === 1);
    const found = windows.map((window, n) => {
      const [used, endsInMs] = [Number(states[2 * n]), Number(states[2 * n + 1])];
      return { window, used, endsInMs };
    });
    return decide(found, cost);
  }
}

function keyOf(subject: string, { name, of, seconds }: Window): string {
  return `castellan:limit:{${subject}}:${name}:${of}:${seconds}`;
}
