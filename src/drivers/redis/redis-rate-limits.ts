import type { Cluster, Redis } from 'ioredis';
import { type Asked, decide, type RateLimits, type Taken, type Window } from '../../domain/limits/rate-limits.ts';
import type { RedisQuestions } from './redis-questions.ts';
import { RedisScript } from './redis-script.ts';

/**
 * KEYS are the windows; ARGV is the cost, and of each window its maximum and its length in ms. Answers with what was used of
 * each before, and in how many ms it ends.
 */
const TAKE = new RedisScript(`
  local cost = tonumber(ARGV[1])
  local allowed = true
  local states = {}
  for i, key in ipairs(KEYS) do
    local max, length = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local used = tonumber(redis.call('GET', key) or 0) or 0
    local left = redis.call('PTTL', key)
    -- Not there, or not ended by anything: a window that lasts would shut for good.
    if left < 0 or left > length then used, left = 0, -1 end
    if used + cost > max then allowed = false end
    states[2 * i - 1], states[2 * i] = used, left
  end
  for i, key in ipairs(KEYS) do
    local length = tonumber(ARGV[2 * i + 1])
    if states[2 * i] < 0 then
      if allowed then redis.call('SET', key, cost, 'PX', length) end
      states[2 * i] = length
    elseif allowed then
      redis.call('INCRBY', key, cost)
    end
  end
  return states`);

/** Counts in strings under `castellan:limit:{subject}:…` that expire with their window, by the clock of the server. */
export class RedisRateLimits implements RateLimits {
  readonly #redis: Redis | Cluster;
  readonly #questions: RedisQuestions;

  constructor(parts: { redis: Redis | Cluster; questions: RedisQuestions }) {
    this.#redis = parts.redis;
    this.#questions = parts.questions;
  }

  async take({ subject, windows, cost }: Asked): Promise<Taken | null> {
    const keys = windows.map((window) => keyOf(subject, window));
    const args = [cost, ...windows.flatMap(({ max, seconds }) => [max, seconds * 1_000])];
    const [first = ''] = keys;
    const states = await this.#questions.ask(first, () => TAKE.run(this.#redis, keys, args));
    if (!Array.isArray(states)) return null;
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
