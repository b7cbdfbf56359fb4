import { LIMITS } from '../src/kit/limits.ts';
import type { Bench, Table } from './support/bench.ts';
import { refuseFewFiles, residentMiBOf } from './support/child.ts';
import { ask } from './support/client.ts';
import { openLoop } from './support/open-loop.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { inLanes, SocketAsker } from './support/socket-asker.ts';
import { quantile } from './support/statistics.ts';
import { issueTokensOf, type Subject } from './support/tokens.ts';

const SOCKETS = 10_000;
/** As many sessions each user has, with a socket each: as many as one user may hold open. */
const EACH = LIMITS.sockets.perUser;
const SCOPE = 'acme/team-3';
const PER_SECOND = 200;
const LANES = 32;
/** Beside the sockets: the server's own files, and those of whoever asks over HTTP. */
const OTHER_FILES = 500;
const ME = '{ me { id } }';

interface Held extends Subject {
  readonly socket: SocketAsker;
}

export const sockets: Bench = {
  name: 'sockets',
  title: `${SOCKETS.toLocaleString('en-US')} live WebSockets on one process: memory, and how soon a revocation reaches them`,

  async run({ quick }): Promise<Table> {
    const count = quick ? SOCKETS / 20 : SOCKETS;
    refuseFewFiles(count + OTHER_FILES);
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    await using rows = await SessionRows.open(platform.databaseUrl);
    const { sessionId } = await (await administrator.createMember()).signIn();
    const template = await population.create(SCOPE);
    const users = await population.copies(template, Math.ceil(count / EACH));
    const subjects: Subject[] = [];
    while (subjects.length < count) subjects.push(...(await rows.add(sessionId, users)));
    await population.settle();
    await rows.settle();
    const tokens = await issueTokensOf(platform.env, subjects);

    const beforeMiB = residentMiBOf(castellan.pid);
    const held = await inLanes(subjects, LANES, async (subject, n): Promise<Held> => {
      const localAddress = `127.0.0.${1 + (n % 200)}`;
      return {
        ...subject,
        socket: await SocketAsker.open(castellan.url, tokens[n] ?? '', { localAddress, query: ME }),
      };
    });
    stack.defer(() => held.forEach(({ socket }) => socket.close()));
    const bytesEach = ((residentMiBOf(castellan.pid) - beforeMiB) * 1_048_576) / held.length;

    const revoke = (mutation: string, variables: object) =>
      ask(castellan.url, mutation, variables, administrator.token);
    const seconds = quick ? 2 : 20;
    const alone = held.slice(0, quick ? 20 : 200);
    const rest = held.slice(alone.length);
    const quiet = await openLoop(
      rest.map(({ socket }) => socket),
      { perSecond: PER_SECOND, seconds },
    );
    const asking = openLoop(
      rest.map(({ socket }) => socket),
      { perSecond: PER_SECOND, seconds },
    );
    const reached: number[] = [];
    for (const { sessionId: id, socket } of alone) {
      const sentMs = performance.now();
      const [endedMs] = await Promise.all([socket.ended, revoke(REVOKE_ONE, { id })]);
      reached.push(endedMs - sentMs);
    }
    const meanwhile = await asking;

    // Half of the users one by one, all at once; then the other half by the scope they are in.
    const { scope } = await ask<{ scope: { id: string } }>(
      castellan.url,
      'query ($path: String) { scope(path: $path) { id } }',
      { path: SCOPE },
      administrator.token,
    );
    const half = new Set(users.slice(0, users.length / 2));
    const [first, second] = [
      rest.filter(({ userId }) => half.has(userId)),
      rest.filter(({ userId }) => !half.has(userId)),
    ];
    const firstMs = await untilEnded(first, () =>
      inLanes([...half], LANES, (userId) => revoke(REVOKE_USER, { userId })),
    );
    const secondMs = await untilEnded(second, () => revoke(SUSPEND, { id: scope.id }));
    return {
      columns: ['', 'times', 'p50 ms', 'p99 ms', 'max ms'],
      rows: [
        ['one session revoked, mutation sent → its socket closed, while the rest ask', ...quantiles(reached)],
        ['the rest ask, nothing revoked', ...quantiles(quiet)],
        ['the rest ask, while single sessions are revoked', ...quantiles(meanwhile)],
        [`revokeAllSessions of ${half.size} users at once → sockets closed`, ...quantiles(firstMs)],
        [`suspendScope of all others → sockets closed`, ...quantiles(secondMs)],
      ],
      notes: [
        `${held.length} sockets of ${users.length} users: ${(bytesEach / 1_024).toFixed(1)} KiB of resident memory each, their sessions' rights and tokens included`,
        `the rest ask ${PER_SECOND} times a second; clients are in one other process, and from 200 addresses`,
        `all sockets are closed by the longest of the last two rows`,
      ],
    };
  },
};

const REVOKE_ONE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
const REVOKE_USER = 'mutation ($userId: ID!) { revokeAllSessions(userId: $userId) { receipt { enforced } } }';
const SUSPEND = 'mutation ($id: ID!) { suspendScope(id: $id) { receipt { enforced } } }';

/** When each was closed, from when the work began. */
async function untilEnded(held: readonly Held[], work: () => Promise<unknown>): Promise<readonly number[]> {
  const startMs = performance.now();
  const [ended] = await Promise.all([Promise.all(held.map(({ socket }) => socket.ended)), work()]);
  return ended.map((endedMs) => endedMs - startMs);
}

function quantiles(values: ArrayLike<number>): readonly number[] {
  return [values.length, quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1)];
}
