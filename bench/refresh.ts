import { Pool } from 'pg';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf } from './support/child.ts';
import { ask } from './support/client.ts';
import { startPlatform } from './support/platform.ts';
import { median, quantile, rotated } from './support/statistics.ts';

const LANES = 16;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { refreshToken } }';

/** Somebody who does one thing after the other, each of which is durable when it is done. */
type Lane = () => Promise<unknown>;

interface Candidate {
  readonly name: string;
  /** The process whose time counts; null where all of it is PostgreSQL's. */
  readonly child: Child | null;
  readonly lanes: readonly Lane[];
}

interface Round {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

export const refresh: Bench = {
  name: 'refresh',
  title: `refreshes by ${LANES} sessions at a time, with durable commits`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const control = await platform.startCastellan();
    const pool = new Pool({ connectionString: platform.databaseUrl, max: LANES });
    stack.defer(() => pool.end());
    const candidates: readonly Candidate[] = [
      { name: 'a row updated by pg alone, committed', child: null, lanes: await bareLanes(pool) },
      { name: 'Castellan refreshSession', child: castellan, lanes: await lanesOf(castellan) },
      { name: 'Castellan again, as a control', child: control, lanes: await lanesOf(control) },
    ];
    const all = candidates.map((candidate) => ({ candidate, rounds: [] as Round[] }));
    const [rounds, seconds] = quick ? [3, 0.5] : [9, 3];
    for (const { candidate } of all) await measure(candidate, seconds);
    for (let round = 0; round < rounds; round += 1) {
      for (const { candidate, rounds } of rotated(all, round)) rounds.push(await measure(candidate, seconds));
    }
    return {
      columns: ['', 'per second', 'ratio', 'CPU µs each', 'per second and core', 'p50 ms', 'p99 ms'],
      rows: all.map(({ candidate, rounds }) => rowOf(candidate.name, rounds, all[0]?.rounds ?? [])),
      notes: [
        `medians of ${rounds} rounds of ${seconds} s, taking turns; ratios are medians of those in the same round`,
        "processor time is Castellan's, without PostgreSQL's; per second and core is what one core of it would do",
      ],
    };

    async function lanesOf(child: Child): Promise<readonly Lane[]> {
      const administrator = await platform.administrator(child);
      const users = await Promise.all(Array.from({ length: LANES }, () => administrator.createMember()));
      return Promise.all(
        users.map(async (user) => {
          let { refreshToken } = await user.signIn();
          return async () => {
            const { refreshSession } = await ask<{ refreshSession: { refreshToken: string } }>(child.url, REFRESH, {
              token: refreshToken,
            });
            ({ refreshToken } = refreshSession);
          };
        }),
      );
    }
  },
};

async function bareLanes(pool: Pool): Promise<readonly Lane[]> {
  await pool.query('create table bench_refresh (id int primary key, hash text not null)');
  await pool.query(`insert into bench_refresh select n, '' from generate_series(1, ${LANES}) n`);
  let turn = 0;
  return Array.from({ length: LANES }, (_, lane) => () => {
    turn += 1;
    const text = 'update bench_refresh set hash = $2 where id = $1';
    return pool.query({ name: 'bare', text, values: [lane + 1, `hash ${turn}`] });
  });
}

async function measure({ child, lanes }: Candidate, seconds: number): Promise<Round> {
  const latencies: number[] = [];
  const cpuBefore = child === null ? NaN : cpuMicrosOf(child.pid);
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  await Promise.all(
    lanes.map(async (lane) => {
      for (let sentMs = performance.now(); sentMs < endMs;) {
        await lane();
        const nowMs = performance.now();
        latencies.push(nowMs - sentMs);
        sentMs = nowMs;
      }
    }),
  );
  const tookSeconds = (performance.now() - startMs) / 1_000;
  return {
    perSecond: latencies.length / tookSeconds,
    cpuMicros: child === null ? NaN : (cpuMicrosOf(child.pid) - cpuBefore) / latencies.length,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
  };
}

function rowOf(name: string, rounds: readonly Round[], yardstick: readonly Round[]): readonly Cell[] {
  const of = (read: (round: Round) => number) => median(rounds.map(read));
  const cpuMicros = of((round) => round.cpuMicros);
  const isKnown = !Number.isNaN(cpuMicros);
  return [
    name,
    of(({ perSecond }) => perSecond),
    median(rounds.map(({ perSecond }, round) => perSecond / (yardstick[round]?.perSecond ?? NaN))),
    isKnown ? cpuMicros : null,
    isKnown ? 1_000_000 / cpuMicros : null,
    of(({ p50 }) => p50),
    of(({ p99 }) => p99),
  ];
}
