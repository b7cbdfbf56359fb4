import { join } from 'node:path';
import { Client } from 'pg';
import type { Bench, Cell, Table } from './support/bench.ts';
import { startChild } from './support/child.ts';
import { ask } from './support/client.ts';
import { Connections, getRequest, graphqlRequest } from './support/load.ts';
import { compareOverHttp, type Contender, type Result, resultNamed } from './support/over-http.ts';
import { installPeers } from './support/peers.ts';
import { type Platform, startPlatform } from './support/platform.ts';
import { namesOf, TripCounter } from './support/trips.ts';

const CONNECTIONS = 64;
const QUERY = '{ me { id email name status createdAt } }';
const CREATE =
  'mutation { createApiKey(input: { name: "a key", permissions: ["user:read"] }) { apiKey { id } secret } }';
const TOKEN = 'Castellan, access token';
const KEY = 'Castellan, API key';
const SESSION = 'better-auth, getSession';
const VERIFY = 'better-auth, verifyApiKey';
/** No server on node:http answers more. */
const CEILING = 'plain node:http, constants';

export const apiKeys: Bench = {
  name: 'api-keys',
  title: `who shows an API key, over HTTP, ${CONNECTIONS} connections, and what a warm request asks of PostgreSQL and Redis`,

  async run({ quick }): Promise<Table> {
    await installPeers((line) => process.stderr.write(`${line}\n`));
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const { accessToken } = await (await (await platform.administrator(castellan)).createMember()).signIn();
    const { createApiKey } = await ask<{ createApiKey: { secret: string } }>(castellan.url, CREATE, {}, accessToken);
    const betterAuth = stack.use(
      await startChild({
        script: join(import.meta.dirname, 'servers', 'better-auth.ts'),
        env: { DATABASE_URL: await databaseBeside(platform), REDIS_URL: platform.redisUrl },
      }),
    );
    const plain = stack.use(await startChild({ script: join(import.meta.dirname, 'servers', 'plain-node.ts') }));
    const credentials = (await (await fetch(`${betterAuth.url}/credentials`)).json()) as {
      cookie: string;
      key: string;
    };

    const asked: readonly (readonly [Pick<Contender, 'name' | 'child'>, Buffer, RegExp])[] = [
      [{ name: TOKEN, child: castellan }, graphqlRequest(QUERY, accessToken), /^\{"data":\{"me":\{"id":/],
      [
        { name: KEY, child: castellan },
        graphqlRequest(QUERY, undefined, undefined, { 'x-api-key': createApiKey.secret }),
        /^\{"data":\{"me":\{"id":/,
      ],
      [
        { name: SESSION, child: betterAuth },
        getRequest('/session', { cookie: credentials.cookie }),
        /"email":"bob@example.com"/,
      ],
      [{ name: VERIFY, child: betterAuth }, getRequest('/key', { 'x-api-key': credentials.key }), /"valid":true/],
      [{ name: CEILING, child: plain }, graphqlRequest(QUERY), /^\{"data":\{"me":\{"id":/],
    ];
    const contenders = asked.map(([contender, request, expected]): Contender => ({
      ...contender,
      requests: Array.from({ length: CONNECTIONS }, () => request),
      check: (body) => {
        if (!expected.test(body)) throw new Error(`${contender.name} answered ${body}`);
      },
    }));
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 0.7 : 1;
    const results = await compareOverHttp(contenders, { rounds, seconds, warmUpSeconds: quick ? 1 : 2 });
    return table(
      results,
      await tripsOf(platform, contenders),
      `medians of ${rounds} rounds of ${seconds} s, taking turns`,
    );
  },
};

/** A database of its own in the same PostgreSQL; its URL. */
async function databaseBeside({ databaseUrl }: Platform): Promise<string> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query('create database better_auth');
  await client.end();
  const url = new URL(databaseUrl);
  url.pathname = '/better_auth';
  return url.href;
}

/** What one request of each asks of PostgreSQL and Redis: that of several of which least came. */
async function tripsOf(platform: Platform, contenders: readonly Contender[]): Promise<ReadonlyMap<string, string>> {
  await using counter = await TripCounter.open(platform);
  const found = new Map<string, string>();
  for (const { name, child, requests } of contenders) {
    using connections = await Connections.open(child.url, requests.slice(0, 1));
    const works = Array.from({ length: 5 }, () => () => connections.run({ requests: 1 }));
    const { statements, commands } = await counter.least(works);
    found.set(name, `PostgreSQL: ${namesOf(statements)}; Redis: ${namesOf(commands)}`);
  }
  return found;
}

function table(results: readonly Result[], trips: ReadonlyMap<string, string>, note: string): Table {
  const of = ({ perSecond }: { readonly perSecond: number }) => perSecond;
  const yardsticks = [TOKEN, SESSION, VERIFY].map((name) => resultNamed(results, name));
  const rows = results.map((result): readonly Cell[] => [
    result.name,
    Math.round(result.perSecond),
    ...yardsticks.map((yardstick) => result.ratio(of, yardstick)),
    result.cpuMicros,
    result.p50,
    result.p99,
  ]);
  return {
    columns: ['', 'requests/s', 'to token', 'to getSession', 'to verifyApiKey', 'CPU µs/request', 'p50 ms', 'p99 ms'],
    rows,
    notes: [
      note,
      'ratios are medians of the ratios in the same round',
      'better-auth answers on node:http with no GraphQL; sessions and keys in Redis, its limits off, no cookie cache, which may be stale',
      'commands that a script runs in Redis are counted beside its evalsha, which is the one round trip of them all',
      ...[...trips].map(([name, text]) => `one warm request of ${name}: ${text}`),
    ],
  };
}
