import type { Cluster, Redis } from 'ioredis';
import {
  COUNTS_PER_HOUR_MAX,
  OTHER_OPERATIONS,
  type Outcome,
  type UsageCount,
  type UsageCounts,
  type UsageHour,
  type UsageStock,
} from '../../domain/usage/usage.ts';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { RedisQuestions } from './redis-questions.ts';
import { RedisScript } from './redis-script.ts';

const DUE = 'castellan:usage:due';
const TURN = 'castellan:usage:turn';
/** So long the database may be away. */
export const KEPT_MS = 2 * 24 * 3_600_000;
const MARKED_MAX = 10_000;
const ERA = '#';
const OUTCOMES: ReadonlySet<string> = new Set<Outcome>(['admitted', 'limited', 'failed']);

/**
 * What every script about uses begins with. A hash has a field for its era, which is the time of the server when it was made, one
 * for the last batch of each sender, and one for each count: `version operation outcome`.
 */
export const COUNTING = `
  local function begun(hash, kept)
    if redis.call('HEXISTS', hash, '${ERA}') == 1 then return 0 end
    local time = redis.call('TIME')
    redis.call('HSET', hash, '${ERA}', time[1] .. '.' .. time[2])
    redis.call('PEXPIRE', hash, kept)
    return 1
  end
  local function count(hash, version, operation, outcome, by)
    local field = version .. ' ' .. operation .. ' ' .. outcome
    if redis.call('HEXISTS', hash, field) == 0 and redis.call('HLEN', hash) > ${COUNTS_PER_HOUR_MAX} then
      field = version .. ' ${OTHER_OPERATIONS} ' .. outcome
    end
    redis.call('HINCRBY', hash, field, by)
  end`;

/** KEYS is the hash; ARGV is how long it is kept in ms, the sender, the number of its batch, and four for each count. */
const ADD = new RedisScript(`${COUNTING}
  begun(KEYS[1], ARGV[1])
  local sender = '${ERA}' .. ARGV[2]
  if tonumber(redis.call('HGET', KEYS[1], sender) or 0) >= tonumber(ARGV[3]) then return 1 end
  redis.call('HSET', KEYS[1], sender, ARGV[3])
  for i = 4, #ARGV, 4 do count(KEYS[1], ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]) end
  return 1`);

/** Hashes `castellan:usage:{subject}:id:hour`, and the set of those that are to be written, which lies in a slot of its own. */
export class RedisUsage implements UsageCounts {
  readonly #redis: Redis | Cluster;
  readonly #questions: RedisQuestions;
  /** Hours that this process has put into the set. */
  readonly #marked = new BoundedMap<string, true>(MARKED_MAX);

  constructor(parts: { redis: Redis | Cluster; questions: RedisQuestions }) {
    this.#redis = parts.redis;
    this.#questions = parts.questions;
  }

  /** Something was counted in that hour. @param begun whether it is the first, as far as Redis knows */
  counted(hour: UsageHour, begun: boolean): void {
    const member = memberOf(hour);
    if (begun || this.#marked.get(member) === undefined) void this.#mark(member);
  }

  async add(
    hour: UsageHour,
    { from, number }: { readonly from: string; readonly number: number },
    counts: readonly UsageCount[],
  ): Promise<true | null> {
    const key = usageKey(hour);
    const args = counts.flatMap(({ version, operation, outcome, count }) => [version, operation, outcome, count]);
    const answer = await this.#questions.ask(key, () => ADD.run(this.#redis, [key], [KEPT_MS, from, number, ...args]));
    if (answer === null) return null;
    return (await this.#mark(memberOf(hour))) ? true : null;
  }

  async claim(ms: number): Promise<boolean | null> {
    const answer = await this.#questions.ask(TURN, async () => ({
      claimed: await this.#redis.set(TURN, '1', 'PX', ms, 'NX'),
    }));
    return answer === null ? null : answer.claimed === 'OK';
  }

  async hours(): Promise<readonly UsageHour[] | null> {
    const members = await this.#questions.ask(DUE, () => this.#redis.smembers(DUE));
    return members?.flatMap(hourOfMember) ?? null;
  }

  async read(hours: readonly UsageHour[]): Promise<readonly (UsageStock | null)[]> {
    return Promise.all(
      hours.map(async (hour) => {
        const key = usageKey(hour);
        const fields = await this.#questions.ask(key, () => this.#redis.hgetall(key));
        const era = fields?.[ERA];
        return fields === null || era === undefined ? null : { ...hour, era, counts: countsIn(fields) };
      }),
    );
  }

  async settle(hours: readonly UsageHour[]): Promise<void> {
    const members = hours.map(memberOf);
    for (const member of members) this.#marked.delete(member);
    await this.#questions.ask(DUE, () => this.#redis.srem(DUE, ...members));
  }

  async #mark(member: string): Promise<boolean> {
    // Asked once for all that are counted meanwhile.
    this.#marked.set(member, true);
    const answer = await this.#questions.ask(DUE, () => this.#redis.sadd(DUE, member));
    if (answer === null) this.#marked.delete(member);
    return answer !== null;
  }
}

export function usageKey({ subject, id, hourMs }: UsageHour): string {
  return `castellan:usage:{${subject}}:${id}:${hourMs}`;
}

/** Ids have no spaces. */
function memberOf({ subject, id, hourMs }: UsageHour): string {
  return `${subject} ${id} ${hourMs}`;
}

/** Anybody may have written there. */
function hourOfMember(member: string): readonly UsageHour[] {
  const [subject = '', id = '', hour = ''] = member.split(' ');
  const hourMs = Number(hour);
  return subject === '' || id === '' || !/^\d{1,14}$/.test(hour) ? [] : [{ subject, id, hourMs }];
}

function countsIn(fields: Readonly<Record<string, string>>): readonly UsageCount[] {
  return Object.entries(fields).flatMap(([field, value]) => {
    const [version = '', operation = '', outcome = ''] = field.split(' ');
    const count = Number(value);
    if (field.startsWith(ERA) || !OUTCOMES.has(outcome) || !Number.isSafeInteger(count) || count <= 0) return [];
    return [{ version, operation, outcome: outcome as Outcome, count }];
  });
}
