import { readFile, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Bench, Cell, Table } from './support/bench.ts';
import { Connections, graphqlRequest } from './support/load.ts';
import { startPlatform } from './support/platform.ts';

const REQUESTS = 10_000;
const CONNECTIONS = 16;
/** Holds at least two turns of everything Castellan does by itself. */
const PERIOD_MS = 6_500;
/** How far two equally long periods may differ in what happens at regular times. */
const TURNS = 1;

type Counts = ReadonlyMap<string, number>;

export const roundTrips: Bench = {
  name: 'round-trips',
  title: 'statements and commands that warm authenticated requests cost',

  async run(): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform({ log_statement: 'all' }));
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    const user = await administrator.createMember();
    const { accessToken } = await user.signIn();
    const request = graphqlRequest('{ me { id email name status createdAt } }', accessToken);
    const requests = Array.from({ length: CONNECTIONS }, () => request);
    const connections = stack.use(await Connections.open(castellan.url, requests));
    await connections.run({ requests: 1_000 });

    const redis = new Redis(platform.redisUrl);
    stack.defer(() => redis.disconnect());
    const period = (work: () => Promise<unknown>) => count(platform.postgresLog, redis, work);
    const before = await period(() => Promise.resolve());
    const during = await period(() => connections.run({ requests: REQUESTS }));
    const after = await period(() => Promise.resolve());
    return table(before, during, after);
  },
};

interface Counted {
  readonly statements: Counts;
  readonly commands: Counts;
}

/** What happens in the period in which `work` is done. */
async function count(postgresLog: string, redis: Redis, work: () => Promise<unknown>): Promise<Counted> {
  await redis.config('RESETSTAT');
  const { size } = await stat(postgresLog);
  await Promise.all([work(), sleep(PERIOD_MS)]);
  const log = (await readFile(postgresLog)).subarray(size).toString();
  const statements = tally(
    [...log.matchAll(/LOG: {2}(?:execute (\S+):|statement: (\w+))/g)].map((m) => m[1] ?? m[2] ?? ''),
  );
  return { statements, commands: commandsIn(await redis.info('commandstats')) };
}

function tally(names: readonly string[]): Counts {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function commandsIn(info: string): Counts {
  const found = [...info.matchAll(/^cmdstat_(\S+):calls=(\d+)/gm)];
  // What we sent ourselves to count the others.
  const ours = new Set(['config|resetstat', 'info']);
  return new Map(
    found.map(([, name = '', calls]) => [name, Number(calls)] as const).filter(([name]) => !ours.has(name)),
  );
}

function table(before: Counted, during: Counted, after: Counted): Table {
  const rows = (['statements', 'commands'] as const).flatMap((kind) => {
    const names = [...new Set([before, during, after].flatMap((each) => [...each[kind].keys()]))].toSorted();
    const server = kind === 'statements' ? 'PostgreSQL' : 'Redis';
    const each = names.map((name) =>
      row(
        `${server}: ${name}`,
        [before, during, after].map((at) => at[kind].get(name) ?? 0),
      ),
    );
    const extra = each.reduce((sum, cells) => sum + Number(cells[4]), 0);
    const total = (at: Counted) => [...at[kind].values()].reduce((sum, n) => sum + n, 0);
    return [...each, [`${server}: all`, total(before), total(during), total(after), extra, extra / REQUESTS]];
  });
  return {
    columns: ['', 'idle', `${REQUESTS.toLocaleString('en-US')} requests`, 'idle again', 'beyond idle', 'per request'],
    rows,
    notes: [`periods of ${PERIOD_MS} ms; beyond idle is what exceeds the busier idle period by more than ${TURNS}`],
  };
}

function row(name: string, [before = 0, during = 0, after = 0]: readonly number[]): readonly Cell[] {
  const extra = during - Math.max(before, after);
  const beyond = extra > TURNS ? extra : 0;
  return [name, before, during, after, beyond, beyond / REQUESTS];
}
