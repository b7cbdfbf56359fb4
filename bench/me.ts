import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { compareOverHttp, type Result, resultNamed } from './support/over-http.ts';
import { startPlatform } from './support/platform.ts';

const CONNECTIONS = 64;
const USERS = 8;
const QUERY = '{ me { id email name status createdAt } }';
/** What the others are compared with. */
const YARDSTICK = 'Apollo Server on node:http, constants';

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
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.7 : 1;
    const results = await compareOverHttp(
      children.map(([name, child]) => ({ name, child, requests, check: (body) => refuseWrong(name, body) })),
      { rounds, seconds, warmUpSeconds: quick ? 1 : 2 },
    );
    return table(results, `medians of ${rounds} rounds of ${seconds} s, the candidates taking turns`);
  },
};

function refuseWrong(name: string, body: string): void {
  const answer = JSON.parse(body) as { data?: { me?: Record<string, unknown> | null }; errors?: unknown };
  const fields = Object.keys(answer.data?.me ?? {}).join(' ');
  if (fields !== 'id email name status createdAt') throw new Error(`${name} answered ${body}`);
}

function table(results: readonly Result[], note: string): Table {
  const yardstick = resultNamed(results, YARDSTICK);
  const rows = results.map((result): readonly Cell[] => [
    result.name,
    Math.round(result.perSecond),
    result.ratio(({ perSecond }) => perSecond, yardstick),
    result.cpuMicros,
    result.ratio(({ cpuMicros }) => cpuMicros, yardstick),
    result.p50,
    result.p99,
  ]);
  return {
    columns: ['', 'requests/s', 'ratio', 'CPU µs/request', 'ratio', 'p50 ms', 'p99 ms'],
    rows,
    notes: [note, `ratios are medians of the ratios to ${YARDSTICK} in the same round`],
  };
}
