import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { startChild } from './support/child.ts';
import { ask } from './support/client.ts';
import { graphqlRequest } from './support/load.ts';
import { compareOverHttp, type Contender, type Result, resultNamed } from './support/over-http.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { RawUsers } from './support/raw-users.ts';
import { median } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';
import { namesOf, TripCounter } from './support/trips.ts';

const TEAMS = 10;
const USERS_PER_TEAM = 1_000;
const PAGE = 100;
const CONNECTIONS = 2;
const QUERY = `{ users(first: ${PAGE}) { edges { node { id name roles { name } } } } }`;
const IN_PROCESS = 400;

const BARE = 'Apollo Server over raw pg';
const BARE_SCOPED = 'Apollo Server over raw pg, the same scope';

export const lists: Bench = {
  name: 'lists',
  title: `${QUERY} over ${(TEAMS * USERS_PER_TEAM).toLocaleString('en-US')} users, ${CONNECTIONS} connections`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const readers: string[] = [];
    for (let team = 0; team < TEAMS; team += 1) {
      const [reader = ''] = await population.copies(
        await population.create(scopeOf(team), ['support']),
        USERS_PER_TEAM,
      );
      readers.push(reader);
    }
    await population.settle();
    const control = await platform.startCastellan();
    const scope = scopeOf(3);
    const [scoped = ''] = await issueTokens(platform.env, [readers[3] ?? '']);

    const statements = new Map<string, readonly string[]>();
    {
      await using counter = await TripCounter.open(platform);
      for (const [name, token] of [
        ['administrator', administrator.token],
        ['scoped', scoped],
      ] as const) {
        const request = () => ask(castellan.url, QUERY, {}, token);
        await request();
        statements.set(name, (await counter.least([request, request, request])).statements);
      }
    }

    const bare = async (within: string) =>
      stack.use(
        await startChild({
          script: join(import.meta.dirname, 'servers', 'apollo-pg.ts'),
          env: { DATABASE_URL: platform.databaseUrl, WITHIN: within },
        }),
      );
    const contender = (name: string, child: Contender['child'], token?: string): Contender => {
      const request = graphqlRequest(QUERY, token);
      return { name, child, requests: Array.from({ length: CONNECTIONS }, () => request), check: refuseWrong };
    };
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.7 : 1;
    const results = await compareOverHttp(
      [
        contender(BARE, await bare('')),
        contender('Castellan, an administrator', castellan, administrator.token),
        contender('Castellan again, as a control', control, administrator.token),
        contender(BARE_SCOPED, await bare(scope)),
        contender(`Castellan, who may read ${scope} only`, castellan, scoped),
      ],
      { rounds, seconds, warmUpSeconds: quick ? 1 : 3 },
    );
    const yardstickOf = (result: Result) =>
      resultNamed(results, result.name === BARE_SCOPED || result.name.endsWith('only') ? BARE_SCOPED : BARE);
    const times = quick ? IN_PROCESS / 4 : IN_PROCESS;
    return {
      columns: ['', 'p50 ms', 'ratio', 'CPU ms', 'ratio', 'p99 ms', 'statements'],
      rows: [
        ...results.map((result): readonly Cell[] => [
          result.name,
          result.p50,
          result.ratio(({ p50 }) => p50, yardstickOf(result)),
          result.cpuMicros / 1_000,
          result.ratio(({ cpuMicros }) => cpuMicros, yardstickOf(result)),
          result.p99,
          statements.get(
            result.name.endsWith('administrator') ? 'administrator' : result.name.endsWith('only') ? 'scoped' : '',
          )?.length ?? null,
        ]),
        ...(await rawRows(platform.databaseUrl, scope, times)),
      ],
      notes: [
        `medians of ${rounds} rounds of ${seconds} s, the candidates taking turns; ratios are to Apollo Server over the same rows`,
        `CPU is that of the process that answers, without PostgreSQL's; raw pg alone is ${times} lists, one at a time, in this process`,
        ...[...statements].map(([name, each]) => `${name}: ${namesOf(each)}`),
      ],
    };
  },
};

const scopeOf = (team: number): string => `acme/team-${team}`;

/** The same rows by the same statements with nothing around them: no HTTP and no GraphQL. */
async function rawRows(databaseUrl: string, scope: string, times: number): Promise<readonly (readonly Cell[])[]> {
  const raw = new RawUsers(databaseUrl);
  try {
    const kinds = [
      { name: 'raw pg alone', within: null, ms: [] as number[] },
      { name: 'raw pg alone, the same scope', within: scope, ms: [] as number[] },
    ];
    for (let n = 0; n < times; n += 1) {
      for (const { within, ms } of kinds) {
        const startedMs = performance.now();
        const users = await raw.page(PAGE, within);
        const roles = await raw.rolesOf(users.map(({ id }) => id));
        if (roles.length !== PAGE) throw new Error(`${roles.length} users are not a page`);
        ms.push(performance.now() - startedMs);
      }
    }
    return kinds.map(({ name, ms }) => [name, median(ms), null, null, null, null, 2]);
  } finally {
    await raw.close();
  }
}

function refuseWrong(body: string): void {
  const { data } = JSON.parse(body) as {
    data?: { users?: { edges: readonly { node: { name: string | null; roles: readonly unknown[] | null } }[] } };
  };
  const nodes = (data?.users?.edges ?? []).map(({ node }) => node);
  if (nodes.length === PAGE && nodes.every(({ name, roles }) => name !== null && (roles?.length ?? 0) > 0)) return;
  throw new Error(`not a page of users with their roles: ${body.slice(0, 500)}`);
}
