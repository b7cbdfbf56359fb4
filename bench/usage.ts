import { Client } from 'pg';
import { migrate } from '../src/drivers/postgres/migrate.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { inFreshProcess } from './support/fresh.ts';
import { startPlatform } from './support/platform.ts';

/** Through what, by how many keys, in how many hours, and how often. */
type Counting = readonly [through: 'memory' | 'redis', keys: number, hours: number, increments: number];

interface Counted {
  readonly made: number;
  readonly seconds: number;
  readonly writingSeconds: number;
  readonly heapKeptMiB: number;
  readonly rssMiB: number;
  readonly redisMiB: number;
  readonly rows: number;
  readonly written: number;
}

const QUICK: readonly Counting[] = [
  ['memory', 10, 2, 12_000],
  ['memory', 10, 2, 120_000],
  ['memory', 40, 2, 120_000],
  ['redis', 10, 2, 12_000],
];
const WHOLE: readonly Counting[] = [
  ['memory', 100, 12, 1_000_000],
  ['memory', 100, 12, 10_000_000],
  ['memory', 400, 12, 10_000_000],
  ['redis', 100, 12, 144_000],
  ['redis', 100, 12, 1_000_000],
];

export const usage: Bench = {
  name: 'usage',
  title: 'uses of API keys: what counting and writing them takes, by how many there are',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    await migrate(platform.databaseUrl);
    const client = new Client({ connectionString: platform.databaseUrl });
    await client.connect();
    stack.defer(() => client.end());
    const rows: (readonly Cell[])[] = [];
    for (const [through, ...numbers] of quick ? QUICK : WHOLE) {
      const [keys, hours] = numbers;
      await client.query('truncate usage_counts');
      await client.query(`select pg_stat_reset_single_table_counters('usage_counts'::regclass)`);
      const counted = await inFreshProcess<Counted>('usage.ts', [through, ...numbers.map(String)], {
        NODE_ENV: 'production',
        ...platform.env,
      });
      rows.push([
        through === 'redis' ? 'through Redis' : 'through the stand-in for it',
        counted.made,
        keys,
        hours,
        Math.round(counted.made / (counted.seconds - counted.writingSeconds)),
        counted.rows,
        counted.written,
        counted.written / (keys * hours),
        counted.heapKeptMiB,
        Math.round(counted.rssMiB),
        through === 'redis' ? counted.redisMiB : null,
      ]);
    }
    return {
      columns: [
        '',
        'uses',
        'keys',
        'hours',
        'a second',
        'rows',
        'written',
        'for each key and hour',
        'heap kept MiB',
        'resident MiB',
        'in Redis MiB',
      ],
      rows,
      notes: [
        `each counted against a limit as it is used, one row for each key and hour; written once in a minute of these hours, 60 times at most`,
        `written: rows inserted and updated, as PostgreSQL tells; all uses were in the sums in the end`,
        `heap kept: after a garbage collection at the end of each hour, beyond that before the first, the most; a second: without the time of writing`,
      ],
    };
  },
};
