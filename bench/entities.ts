import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { startChild } from './support/child.ts';
import { ask } from './support/client.ts';
import { graphqlRequest } from './support/load.ts';
import { compareOverHttp, type Contender, resultNamed } from './support/over-http.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { namesOf, TripCounter } from './support/trips.ts';

const SIZES = [1, 10, 500];
const CONNECTIONS = 2;
const QUERY =
  'query ($representations: [_Any!]!) { _entities(representations: $representations) { ... on User { id name roles { name } } } }';

export const entities: Bench = {
  name: 'entities',
  title: `_entities of users { id name roles { name } }, ${CONNECTIONS} connections`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const users = await population.copies(await population.create('acme/team-3', ['support']), 10_000);
    await population.settle();
    const control = await platform.startCastellan();
    const bare = stack.use(
      await startChild({
        script: join(import.meta.dirname, 'servers', 'apollo-pg.ts'),
        env: { DATABASE_URL: platform.databaseUrl },
      }),
    );

    const sizes = SIZES.map((size) => ({
      size,
      representations: users.slice(0, size).map((id) => ({ __typename: 'User', id })),
    }));
    const statements = new Map<number, readonly string[]>();
    {
      await using counter = await TripCounter.open(platform);
      for (const { size, representations } of sizes) {
        const request = () => ask(castellan.url, QUERY, { representations }, administrator.token);
        await request();
        statements.set(size, (await counter.least([request, request, request])).statements);
      }
    }

    const servers = [
      ['Apollo subgraph over raw pg', bare],
      ['Castellan', castellan],
      ['Castellan again, as a control', control],
    ] as const;
    const contenders = sizes.flatMap(({ size, representations }) => {
      const request = graphqlRequest(QUERY, administrator.token, { representations });
      return servers.map(([name, child]) => ({
        name: `${size}: ${name}`,
        size,
        yardstick: `${size}: ${servers[0][0]}`,
        child,
        requests: Array.from({ length: CONNECTIONS }, () => request),
        check: (body: string) => refuseWrong(body, size),
      }));
    }) satisfies readonly Contender[];
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.5 : 1;
    const results = await compareOverHttp(contenders, { rounds, seconds, warmUpSeconds: quick ? 1 : 2 });
    return {
      columns: ['', 'p50 ms', 'ratio', 'µs/entity', 'CPU µs/entity', 'ratio', 'p99 ms', 'statements'],
      rows: contenders.map(({ name, size, child, yardstick }): readonly Cell[] => {
        const result = resultNamed(results, name);
        return [
          name,
          result.p50,
          result.ratio(({ p50 }) => p50, resultNamed(results, yardstick)),
          (result.p50 * 1_000) / size,
          result.cpuMicros / size,
          result.ratio(({ cpuMicros }) => cpuMicros, resultNamed(results, yardstick)),
          result.p99,
          child === castellan ? (statements.get(size)?.length ?? null) : null,
        ];
      }),
      notes: [
        `medians of ${rounds} rounds of ${seconds} s, the candidates taking turns; ratios are to the bare subgraph with as many entities`,
        "CPU is that of the process that answers, without PostgreSQL's",
        ...[...statements].map(([size, each]) => `statements for ${size}: ${namesOf(each)}`),
      ],
    };
  },
};

function refuseWrong(body: string, size: number): void {
  const { data = {} } = JSON.parse(body) as {
    data?: Record<string, readonly ({ name: string | null; roles: readonly unknown[] | null } | null)[]>;
  };
  const found = data['_entities'] ?? [];
  if (found.length === size && found.every((user) => user?.name != null && (user.roles?.length ?? 0) > 0)) return;
  throw new Error(`not ${size} users with their roles: ${body.slice(0, 500)}`);
}
