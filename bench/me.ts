import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf, startChild } from './support/child.ts';
import { Connections, graphqlRequest } from './support/load.ts';
import { startPlatform } from './support/platform.ts';
import { median, quantile, rotated } from './support/statistics.ts';

const CONNECTIONS = 64;
const USERS = 8;
const QUERY = '{ me { id email name status createdAt } }';
/** What the others are compared with. */
const YARDSTICK = 'Apollo Server on node:http, constants';

interface Candidate {
  readonly name: string;
  readonly child: Child;
  readonly requests: readonly Buffer[];
  readonly rounds: Round[];
}

interface Round {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

export const me: Bench = {
  name: 'me',
  title: `authenticated, permission-checked ${QUERY} over HTTP, ${CONNECTIONS} connections`,

  async run({ quick, against }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const control = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    const users = await Promise.all(Array.from({ length: USERS }, () => administrator.createMember()));
    const tokens = await Promise.all(users.map((user) => user.signIn()));
    const requests = Array.from({ length: CONNECTIONS }, (_, n) =>
      graphqlRequest(QUERY, tokens[n % tokens.length]?.accessToken),
    );

    const script = async (name: string) =>
      stack.use(await startChild({ script: join(import.meta.dirname, 'servers', name) }));
    const others: (readonly [string, Child])[] = [];
    for (const main of against) others.push([`Castellan of ${main}`, await platform.startCastellan(main)]);
    const children: readonly (readonly [string, Child])[] = [
      ['Castellan', castellan],
      ...others,
      [YARDSTICK, await script('apollo-node.ts')],
      ['Apollo Server standalone, constants', await script('apollo-standalone.ts')],
      ['plain node:http, constants', await script('plain-node.ts')],
      ['Castellan again, as a control', control],
    ];
    const candidates: Candidate[] = [];
    for (const [name, child] of children) {
      const candidate = { name, child, requests, rounds: [] };
      await measure(candidate, quick ? 1 : 2);
      candidates.push(candidate);
    }

    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.7 : 1;
    for (let round = 0; round < rounds; round += 1) {
      for (const candidate of rotated(candidates, round)) candidate.rounds.push(await measure(candidate, seconds));
    }
    return table(candidates, `medians of ${rounds} rounds of ${seconds} s, the candidates taking turns`);
  },
};

async function measure({ name, child, requests }: Candidate, seconds: number): Promise<Round> {
  // New ones each time: servers close what was idle while others had their turn.
  using connections = await Connections.open(child.url, requests);
  refuseWrong(name, await connections.first());
  const cpuBefore = cpuMicrosOf(child.pid);
  const load = await connections.run({ seconds });
  return {
    perSecond: load.requests / load.seconds,
    cpuMicros: (cpuMicrosOf(child.pid) - cpuBefore) / load.requests,
    p50: quantile(load.latencies, 0.5),
    p99: quantile(load.latencies, 0.99),
  };
}

function refuseWrong(name: string, body: string): void {
  const answer = JSON.parse(body) as { data?: { me?: Record<string, unknown> | null }; errors?: unknown };
  const fields = Object.keys(answer.data?.me ?? {}).join(' ');
  if (fields !== 'id email name status createdAt') throw new Error(`${name} answered ${body}`);
}

function table(candidates: readonly Candidate[], note: string): Table {
  const yardstick = candidates.find(({ name }) => name === YARDSTICK)?.rounds ?? [];
  const rows = candidates.map(({ name, rounds }): readonly Cell[] => {
    const of = (read: (round: Round) => number) => median(rounds.map(read));
    const ratio = (read: (round: Round) => number) =>
      median(rounds.map((round, n) => read(round) / (yardstick[n] === undefined ? NaN : read(yardstick[n]))));
    return [
      name,
      Math.round(of(({ perSecond }) => perSecond)),
      ratio(({ perSecond }) => perSecond),
      of(({ cpuMicros }) => cpuMicros),
      ratio(({ cpuMicros }) => cpuMicros),
      of(({ p50 }) => p50),
      of(({ p99 }) => p99),
    ];
  });
  return {
    columns: ['', 'requests/s', 'ratio', 'CPU µs/request', 'ratio', 'p50 ms', 'p99 ms'],
    rows,
    notes: [note, `ratios are medians of the ratios to ${YARDSTICK} in the same round`],
  };
}
