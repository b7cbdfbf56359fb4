import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, freePort, launchChild, residentMiBOf } from './support/child.ts';
import { ADMIN_EMAIL, type Administrator, signInAdministrator } from './support/client.ts';
import { Connections, graphqlRequest } from './support/load.ts';
import { ADMIN_PASSWORD, MAIN, makeFolder, removeFolder, startPlatform } from './support/platform.ts';
import { median, rotated } from './support/statistics.ts';
import { OVER_TLS } from './support/over-tls.ts';

const REQUESTS = 10_000;
const CONNECTIONS = 16;
const POLL_MS = 5;
const READY_MS = 60_000;

interface Start {
  readonly readyMs: number;
  readonly startMiB: number;
  readonly loadedMiB: number;
}

export const start: Bench = {
  name: 'start',
  title: 'from `node src/main.ts` to the first answered query, and resident memory',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    await using other = await platform.startCastellan();
    await other[Symbol.asyncDispose]();

    const kinds = new Map<string, Start[]>([
      ['fresh folder, PostgreSQL of its own made', []],
      ['the same folder again, PostgreSQL of its own started', []],
      ['over a PostgreSQL and a Redis that run', []],
    ]);
    const [fresh = [], again = [], over = []] = kinds.values();
    const rounds = quick ? 1 : 3;
    for (let round = 0; round < rounds; round += 1) {
      const turns = [
        async () => {
          const folder = await makeFolder();
          try {
            const env = { NODE_ENV: '', CASTELLAN_DIR: folder, ADMIN_EMAIL, ADMIN_PASSWORD, LOG_LEVEL: 'warn' };
            fresh.push(await measure(env));
            again.push(await measure(env));
          } finally {
            await removeFolder(folder);
          }
        },
        async () => void over.push(await measure(platform.env)),
      ];
      for (const turn of rotated(turns, round)) await turn();
    }
    return {
      columns: ['', 'first answer ms', 'resident MiB', `after ${REQUESTS.toLocaleString('en-US')} requests`],
      rows: [...kinds].map(([name, starts]) => row(name, starts)),
      notes: [`medians of ${rounds}; memory is that of the Node process, without PostgreSQL's`],
    };
  },
};

function row(name: string, starts: readonly Start[]): readonly Cell[] {
  const of = (read: (start: Start) => number) => median(starts.map(read));
  return [
    name,
    Math.round(of(({ readyMs }) => readyMs)),
    of(({ startMiB }) => startMiB),
    of(({ loadedMiB }) => loadedMiB),
  ];
}

async function measure(env: Readonly<Record<string, string>>): Promise<Start> {
  const port = await freePort();
  const startedMs = performance.now();
  await using child = launchChild({ script: MAIN, env: { ...env, PORT: `${port}` }, url: `http://127.0.0.1:${port}` });
  await firstAnswer(child, startedMs);
  const readyMs = performance.now() - startedMs;
  const startMiB = residentMiBOf(child.pid);

  const { token } = await signInSoon(child, startedMs);
  const request = graphqlRequest('{ me { id email name status createdAt } }', token);
  using connections = await Connections.open(
    child.url,
    Array.from({ length: CONNECTIONS }, () => request),
  );
  await connections.run({ requests: REQUESTS });
  return { readyMs, startMiB, loadedMiB: residentMiBOf(child.pid) };
}

/** The first administrator of a fresh database may come into being after the first answer. */
async function signInSoon({ url }: Child, startedMs: number): Promise<Administrator> {
  for (;;) {
    try {
      return await signInAdministrator(url, ADMIN_PASSWORD);
    } catch (error) {
      if (performance.now() - startedMs > READY_MS) throw error;
      await sleep(50);
    }
  }
}

async function firstAnswer({ url }: Child, startedMs: number): Promise<void> {
  while (performance.now() - startedMs < READY_MS) {
    const ready = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...OVER_TLS },
      body: '{"query":"{ __typename }"}',
    }).then(
      (response) => response.text().then(() => response.status === 200),
      () => false,
    );
    if (ready) return;
    await sleep(POLL_MS);
  }
  throw new Error(`Castellan has not answered within ${READY_MS} ms`);
}
