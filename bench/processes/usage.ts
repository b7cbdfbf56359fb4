/**
 * Counts uses of API keys as an instance does, through whatever keeps its counts, and writes them every minute: hours pass as fast as
 * they are counted. Wants --expose-gc and the environment of a Castellan; its arguments are `memory` or `redis`, and how many keys,
 * hours and increments. Prints JSON.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { readConfig } from '../../src/config.ts';
import { InstanceShare } from '../../src/domain/limits/instance-share.ts';
import { LimitsWithFallback } from '../../src/domain/limits/limits-with-fallback.ts';
import { UncountedUses } from '../../src/domain/usage/uncounted-uses.ts';
import { hourOf } from '../../src/domain/usage/usage.ts';
import { UsageFlusher } from '../../src/domain/usage/usage-flusher.ts';
import { createMemoryHub } from '../../src/drivers/memory/memory.ts';
import { openDatabase } from '../../src/drivers/postgres/database.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { openRedis } from '../../src/drivers/redis/redis.ts';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { newId } from '../../src/kit/ids.ts';
import { createLog } from '../../src/kit/log.ts';

const MINUTES = 60;
const MINUTE_MS = 60_000;
const HOUR_MS = MINUTES * MINUTE_MS;
/** Operations that wait for Redis at once. */
const AT_ONCE = 256;
const MAX = 1_000_000_000;
const CONNECT_MS = 10_000;

const [through = 'memory', ...numbers] = process.argv.slice(2);
const [keys = 1, hours = 1, increments = 1] = numbers.map(Number);
const { databaseUrl, redisUrl } = readConfig(process.env);
if (databaseUrl === null || redisUrl === null) throw new TypeError('an environment of production is needed');
const logger = createLog('warn');

let nowMs = hourOf(Date.now());
const clock: Clock = { ...systemClock, now: () => nowMs };
const database = await openDatabase({ url: databaseUrl, poolMax: 2, preparedStatements: true, logger });
const redis = openRedis({ url: redisUrl, clock: systemClock, logger });
const beside = new Redis(redisUrl.reveal());
const { rateLimits, usage } = through === 'redis' ? redis : createMemoryHub(clock);
const uncounted = new UncountedUses({ counts: usage, clock, logger });
const limits = new LimitsWithFallback({
  limits: rateLimits,
  share: new InstanceShare({ clock, instances: () => 1 }),
  uncounted,
});
const flusher = new UsageFlusher({ store: createStore(database), counts: usage, clock, logger });

const ids = Array.from({ length: keys }, () => newId('apiKey'));
const each = Math.max(1, Math.round(increments / keys / hours / MINUTES));
if (through === 'redis') await connected();

const [heapBefore, redisBefore] = [heapKept(), await redisMiB()];
let heapKeptMax = 0;
let writingMs = 0;
const startMs = performance.now();
for (let hour = 0; hour < hours; hour += 1) {
  for (let minute = 0; minute < MINUTES; minute += 1) {
    await count();
    const beganMs = performance.now();
    // What Redis did not count in time was counted here.
    await uncounted.send();
    await flusher.flush();
    writingMs += performance.now() - beganMs;
    nowMs += MINUTE_MS;
  }
  heapKeptMax = Math.max(heapKeptMax, heapKept() - heapBefore);
}
const seconds = (performance.now() - startMs) / 1_000;
const redisMiBs = (await redisMiB()) - redisBefore;
const { rss } = process.memoryUsage();
await redis.close();
beside.disconnect();
// Only when its connections end is it certain what PostgreSQL says of them.
await database.close();

const { written, rows, counted } = await whatIsWritten(databaseUrl.reveal());
const made = each * keys * hours * MINUTES;
if (counted !== made) throw new Error(`${made} uses are counted as ${counted}`);
process.stdout.write(
  `${JSON.stringify({ made, seconds, writingSeconds: writingMs / 1_000, heapKeptMiB: heapKeptMax, rssMiB: rss / 1_048_576, redisMiB: redisMiBs, rows, written })}\n`,
);
process.exit(0);

async function connected(): Promise<void> {
  const givesUpMs = performance.now() + CONNECT_MS;
  while (!(await redis.check())) {
    if (performance.now() > givesUpMs) throw new Error('Redis does not answer');
    await turn();
  }
}

/** So many uses of each key. */
async function count(): Promise<void> {
  const hourMs = hourOf(nowMs);
  const asked = ids.map((id) => {
    const subject = `user_of_${id}`;
    const windows = [{ name: 'key', of: id, max: MAX, seconds: HOUR_MS / 1_000 }];
    return { subject, windows, cost: 1, use: { subject, id, hourMs, version: '1', operation: 'Me' } };
  });
  const lane = async (from: number, lanes: number): Promise<void> => {
    for (let n = from; n < each * asked.length; n += lanes) {
      const one = asked[n % asked.length];
      if (one !== undefined) await limits.take(one);
    }
  };
  const lanes = through === 'redis' ? AT_ONCE : 1;
  await Promise.all(Array.from({ length: lanes }, (_, from) => lane(from, lanes)));
}

function heapKept(): number {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc');
  globalThis.gc();
  return process.memoryUsage().heapUsed / 1_048_576;
}

async function redisMiB(): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await beside.info('memory'))?.[1] ?? NaN) / 1_048_576;
}

/** Rows that were inserted or updated, those that there are, and what they add up to. */
async function whatIsWritten(connectionString: string) {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ written: number; rows: number; counted: number }>(
      `select (select (n_tup_ins + n_tup_upd)::float8 from pg_stat_user_tables where relname = 'usage_counts') as written,
         count(*)::float8 as rows, coalesce(sum(count), 0)::float8 as counted from usage_counts where id = any($1)`,
      [ids],
    );
    const [row] = rows;
    if (row === undefined) throw new TypeError('a count has a row');
    return row;
  } finally {
    await client.end();
  }
}
