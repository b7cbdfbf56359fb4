import { join } from 'node:path';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, startChild } from './support/child.ts';
import type { BenchUser } from './support/client.ts';
import { Connections, graphqlRequest } from './support/load.ts';
import { httpAskers, openLoop } from './support/open-loop.ts';
import { compareOverHttp, type Result, resultNamed } from './support/over-http.ts';
import { startPlatform } from './support/platform.ts';
import { median, quantile, rotated } from './support/statistics.ts';

const CONNECTIONS = 8;
/** Those who sign in while others read. */
const FLOOD = 32;
const READERS = 16;
const READS_PER_SECOND = 200;
const SIGN_IN = 'mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { accessToken } } }';
const ME = '{ me { id email name status createdAt } }';
const YARDSTICK = 'argon2id alone';

export const signIn: Bench = {
  name: 'sign-in',
  title: `sign-ins over ${CONNECTIONS} connections, and authenticated reads while ${FLOOD} sign in without pause`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const control = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    const users = await Promise.all(Array.from({ length: CONNECTIONS }, () => administrator.createMember()));
    const alone = stack.use(await startChild({ script: join(import.meta.dirname, 'servers', 'argon2.ts') }));
    const requests = users.map(requestOf);

    const rounds = quick ? 3 : 9;
    const results = await compareOverHttp(
      [
        { name: YARDSTICK, child: alone, requests, check: () => {} },
        { name: 'Castellan signIn', child: castellan, requests, check: refuseErrors },
        { name: 'Castellan again, as a control', child: control, requests, check: refuseErrors },
      ],
      { rounds, seconds: quick ? 0.5 : 3, warmUpSeconds: 0.5 },
    );
    const readers = await Promise.all(users.map(() => administrator.createMember()));
    const reads = await readsUnderFlood({ castellan, alone }, { readers, users }, { rounds, seconds: quick ? 1 : 5 });
    const yardstick = resultNamed(results, YARDSTICK);
    return {
      columns: ['', 'per second', 'ratio', 'CPU ms each', 'ratio', 'p50 ms', 'p99 ms', 'p99 ratio'],
      rows: [...results.map((result) => rowOf(result, yardstick)), ...reads],
      notes: [
        `medians of ${rounds} rounds, taking turns; argon2id alone answers over HTTP and does nothing but hash`,
        `reads of ${ME} come at ${READS_PER_SECOND} a second, and their time counts from when each was meant to be sent`,
      ],
    };
  },
};

function requestOf({ email, password }: BenchUser): Buffer {
  return graphqlRequest(SIGN_IN, undefined, { input: { email, password } });
}

function refuseErrors(body: string): void {
  if (body.includes('"errors"')) throw new Error(`this is no sign-in: ${body}`);
}

function rowOf(result: Result, yardstick: Result): readonly Cell[] {
  return [
    result.name,
    result.perSecond,
    result.ratio(({ perSecond }) => perSecond, yardstick),
    result.cpuMicros / 1_000,
    result.ratio(({ cpuMicros }) => cpuMicros, yardstick),
    result.p50,
    result.p99,
    null,
  ];
}

/** Reads alone, while sign-ins flood the server, while as much is hashed beside it, and alone again as a control. */
async function readsUnderFlood(
  { castellan, alone: hashing }: Readonly<Record<'castellan' | 'alone', Child>>,
  { readers, users }: Readonly<Record<'readers' | 'users', readonly BenchUser[]>>,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<readonly (readonly Cell[])[]> {
  const tokens = await Promise.all(readers.map((user) => user.signIn()));
  const askers = await httpAskers(
    castellan.url,
    Array.from({ length: READERS }, (_, n) => graphqlRequest(ME, tokens[n % tokens.length]?.accessToken)),
  );
  const kinds = [
    { name: 'reads alone', flooded: null },
    { name: 'reads under a flood of sign-ins', flooded: castellan.url },
    { name: 'reads while argon2id alone is flooded, beside', flooded: hashing.url },
    { name: 'reads alone again, as a control', flooded: null },
  ].map((kind) => ({ ...kind, latencies: [] as Float64Array[] }));
  const read = () => openLoop(askers, { perSecond: READS_PER_SECOND, seconds });
  await read();
  for (let round = 0; round < rounds; round += 1) {
    for (const { flooded, latencies } of rotated(kinds, round)) {
      latencies.push(flooded === null ? await read() : await whileFlooded(flooded, users, seconds, read));
    }
  }
  for (const asker of askers) asker.close();
  const [alone] = kinds;
  const p99s = (kind: typeof alone) => kind?.latencies.map((each) => quantile(each, 0.99)) ?? [];
  return kinds.map((kind) => [
    kind.name,
    READS_PER_SECOND,
    null,
    null,
    null,
    median(kind.latencies.map((each) => quantile(each, 0.5))),
    median(p99s(kind)),
    median(p99s(kind).map((p99, round) => p99 / (p99s(alone)[round] ?? NaN))),
  ]);
}

async function whileFlooded<T>(
  url: string,
  users: readonly BenchUser[],
  seconds: number,
  work: () => Promise<T>,
): Promise<T> {
  const requests = Array.from({ length: FLOOD }, (_, n) => users[n % users.length]).filter(
    (user) => user !== undefined,
  );
  using flood = await Connections.open(url, requests.map(requestOf));
  const flooding = flood.run({ seconds });
  const done = await work();
  await flooding;
  return done;
}
