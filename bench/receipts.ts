import { WebSocket } from 'ws';
import type { Bench, Cell, Table } from './support/bench.ts';
import type { Child } from './support/child.ts';
import { ask, type BenchUser } from './support/client.ts';
import { startPlatform } from './support/platform.ts';
import { quantile } from './support/statistics.ts';
import { OVER_TLS } from './support/over-tls.ts';

const INSTANCES = 3;
const LANES = 16;
const FRAME_MS = 10_000;

interface Revoked {
  readonly waitedMs: number;
  readonly latencyMs: number;
  readonly answeredAtMs: number;
  readonly sentAtMs: number;
}

export const receipts: Bench = {
  name: 'receipts',
  title: `revokeSession on one of ${INSTANCES} instances over one PostgreSQL (fsync on) and one Redis`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const instances: Child[] = [];
    for (let n = 0; n < INSTANCES; n += 1) instances.push(await platform.startCastellan());
    const [a, b] = instances;
    if (a === undefined || b === undefined) throw new TypeError('two instances are needed');
    const administrator = await platform.administrator(a);
    const users = await Promise.all(Array.from({ length: LANES }, () => administrator.createMember()));

    const revoke = (sessionId: string) => revokeSession(a.url, sessionId, administrator.token);
    await inLanes(users, quick ? 16 : 64, async (user) => void (await revoke((await user.signIn()).sessionId)));

    const revocations = quick ? 48 : 304;
    const alone: Revoked[] = [];
    for (let n = 0; n < revocations; n += 1) {
      const { sessionId } = await userAt(users, n).signIn();
      alone.push(await revoke(sessionId));
    }

    const watched: { frameMs: number; afterAnswerMs: number }[] = [];
    for (let n = 0; n < revocations; n += 1) {
      const { sessionId, accessToken } = await userAt(users, n).signIn();
      using socket = await Socket.open(b.url, accessToken);
      const [revoked, frameAtMs] = await Promise.all([revoke(sessionId), socket.accessEnded()]);
      watched.push({ frameMs: frameAtMs - revoked.sentAtMs, afterAnswerMs: frameAtMs - revoked.answeredAtMs });
    }

    const sessions = await Promise.all(
      users.map(async (user) => {
        const ids: string[] = [];
        for (let n = 0; n < revocations / LANES; n += 1) ids.push((await user.signIn()).sessionId);
        return ids;
      }),
    );
    const together: Revoked[] = [];
    await Promise.all(
      sessions.map(async (ids) => {
        for (const id of ids) together.push(await revoke(id));
      }),
    );

    const waited = ({ waitedMs }: Revoked) => waitedMs;
    const latency = ({ latencyMs }: Revoked) => latencyMs;
    return {
      columns: ['', 'times', 'p50 ms', 'p99 ms', 'max ms'],
      rows: [
        row("one at a time: the receipt's waitedMs", alone.map(waited)),
        row('one at a time: the whole mutation', alone.map(latency)),
        row(`${LANES} at a time: the receipt's waitedMs`, together.map(waited)),
        row(`${LANES} at a time: the whole mutation`, together.map(latency)),
        row(
          'mutation sent to A → AccessEnded on a socket of B',
          watched.map(({ frameMs }) => frameMs),
        ),
        row(
          'answer of A → AccessEnded on a socket of B',
          watched.map(({ afterAnswerMs }) => afterAnswerMs),
        ),
      ],
      notes: [
        'every receipt was enforced and acknowledged by all instances; a frame before the answer counts below zero',
      ],
    };
  },
};

function row(name: string, values: readonly number[]): readonly Cell[] {
  return [name, values.length, quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)];
}

function userAt(users: readonly BenchUser[], n: number): BenchUser {
  const user = users[n % users.length];
  if (user === undefined) throw new TypeError('there are no users');
  return user;
}

async function inLanes(
  users: readonly BenchUser[],
  times: number,
  work: (user: BenchUser) => Promise<void>,
): Promise<void> {
  await Promise.all(
    users.map(async (user) => {
      for (let n = 0; n < times / users.length; n += 1) await work(user);
    }),
  );
}

async function revokeSession(url: string, id: string, token: string): Promise<Revoked> {
  const sentAtMs = performance.now();
  const { revokeSession: payload } = await ask<{
    revokeSession: { receipt: { enforced: boolean; instances: number; acknowledged: number; waitedMs: number } };
  }>(
    url,
    'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced instances acknowledged waitedMs } } }',
    { id },
    token,
  );
  const answeredAtMs = performance.now();
  const { enforced, instances, acknowledged, waitedMs } = payload.receipt;
  if (!enforced || instances !== INSTANCES || acknowledged !== INSTANCES) {
    throw new Error(`this receipt is not that of ${INSTANCES} live instances: ${JSON.stringify(payload.receipt)}`);
  }
  return { waitedMs, latencyMs: answeredAtMs - sentAtMs, sentAtMs, answeredAtMs };
}

/** A graphql-transport-ws client with one running subscription. */
class Socket implements Disposable {
  readonly #socket: WebSocket;
  readonly #ended: Promise<number>;

  private constructor(socket: WebSocket, ended: Promise<number>) {
    this.#socket = socket;
    this.#ended = ended;
  }

  /** Resolves once the subscription runs: it has sent its first event. */
  static async open(url: string, token: string): Promise<Socket> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { headers: OVER_TLS });
    const running = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<number>();
    const send = (message: object) => socket.send(JSON.stringify(message));
    const fail = (error: Error) => {
      running.reject(error);
      ended.reject(error);
    };
    ended.promise.catch(() => {});
    socket.on('open', () => send({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
    socket.on('error', fail);
    socket.on('close', (code) => fail(new Error(`the socket closed with ${code}`)));
    socket.on('message', (data: Buffer) => {
      const nowMs = performance.now();
      const text = data.toString();
      const { type, payload } = JSON.parse(text) as {
        type: string;
        payload?: { data?: { event?: { __typename?: string } } };
      };
      const event = payload?.data?.event?.__typename;
      if (type === 'connection_ack') send(SUBSCRIBE);
      else if (event === 'AccessEnded') ended.resolve(nowMs);
      else if (event === 'PermissionsChanged') running.resolve();
      else if (type === 'next' || type === 'error') fail(new Error(`an unexpected frame: ${text}`));
    });
    await running.promise;
    return new Socket(socket, ended.promise);
  }

  /** When the frame came, on the clock of `performance.now()`. */
  async accessEnded(): Promise<number> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no AccessEnded within ${FRAME_MS} ms`)), FRAME_MS);
    try {
      return await Promise.race([this.#ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.terminate();
  }
}

/** A position of another history may have missed anything, so that the rules come at once. */
const SUBSCRIBE = {
  id: '1',
  type: 'subscribe',
  payload: { query: 'subscription { event: permissionsChanged(after: "00000000-0") { __typename } }' },
};
