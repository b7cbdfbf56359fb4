import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Bench, Cell, Table } from './support/bench.ts';
import { inFreshProcess } from './support/fresh.ts';
import { type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { issueTokensOf, type Subject } from './support/tokens.ts';

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** Sessions that are looked up at each size, none of them twice. */
const LOOKED_UP = 1_000;
/** As many sessions each user has. */
const EACH = 10;

interface LookUps {
  readonly identifyMicros: number;
  readonly statementMicros: number;
}

interface Row {
  readonly size: number;
  readonly total: number;
  readonly table: number;
  readonly redisBytes: number;
  readonly cold: LookUps;
  readonly shared: LookUps;
}

export const sessions: Bench = {
  name: 'sessions',
  title: 'what a live session occupies, and what its first look-up costs, by how many there are',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    await using rows = await SessionRows.open(platform.databaseUrl);
    const { sessionId } = await (await administrator.createMember()).signIn();
    const template = await population.create('acme/team-3', ['support']);
    await castellan[Symbol.asyncDispose]();

    const sizes = quick ? SIZES.map((size) => size / 20) : SIZES;
    const lookedUp = quick ? 50 : LOOKED_UP;
    const measured: Row[] = [];
    let there = 0;
    for (const size of sizes) {
      // At least as many users as are looked up, so that nobody's rights are known from another session.
      const users = await population.copies(template, Math.max(Math.ceil((size - there) / EACH), lookedUp));
      const added: Subject[] = [];
      while (there + added.length < size)
        added.push(...(await rows.add(sessionId, users.slice(0, size - there - added.length))));
      there += added.length;
      await population.settle();
      await rows.settle();
      const sample = added.slice(0, Math.min(lookedUp, users.length));
      measured.push({ size, ...(await rows.bytesEach()), ...(await lookUp(platform, sample)) });
    }
    const [smallest] = measured;
    return {
      columns: [
        'live sessions',
        'PostgreSQL bytes each',
        'without indexes',
        'Redis bytes each',
        'statement µs',
        'cold from PostgreSQL µs',
        'ratio',
        'cold through Redis µs',
        'ratio',
      ],
      rows: measured.map((row) => cells(row, smallest)),
      notes: [
        'medians of look-ups one at a time by an instance that has just started; ratios are to the smallest size, the statement beside them is a control',
        `Redis bytes are INFO's used_memory before and after ${lookedUp} users with one session each were looked up`,
        'cold includes verifying the token, which an instance does once',
      ],
    };
  },
};

function cells(row: Row, smallest: Row | undefined): readonly Cell[] {
  const { size, total, table, redisBytes, cold, shared } = row;
  return [
    size,
    Math.round(total),
    Math.round(table),
    Math.round(redisBytes),
    cold.statementMicros,
    cold.identifyMicros,
    cold.identifyMicros / (smallest?.cold.identifyMicros ?? NaN),
    shared.identifyMicros,
    shared.identifyMicros / (smallest?.shared.identifyMicros ?? NaN),
  ];
}

/** By one instance while Redis knows nothing, and by another when it does. */
async function lookUp({ env, redisUrl }: Platform, sample: readonly Subject[]) {
  const tokens = await issueTokensOf(env, sample);
  const folder = await mkdtemp(join(tmpdir(), 'castellan-bench-'));
  const redis = new Redis(redisUrl);
  try {
    const file = join(folder, 'sessions');
    await writeFile(file, sample.map(({ sessionId }, n) => `${tokens[n] ?? ''} ${sessionId}`).join('\n'));
    const run = () => inFreshProcess<LookUps>('look-ups.ts', [file], { NODE_ENV: 'production', ...env });
    await redis.flushall();
    const before = await usedBytes(redis);
    const cold = await run();
    const redisBytes = ((await usedBytes(redis)) - before) / sample.length;
    return { cold, redisBytes, shared: await run() };
  } finally {
    redis.disconnect();
    await rm(folder, { recursive: true, force: true });
  }
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1] ?? NaN);
}
