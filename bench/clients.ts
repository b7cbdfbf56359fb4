import type { Bench, Cell, Table } from './support/bench.ts';
import type { Child } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { type Asker, httpAskers, openLoop } from './support/open-loop.ts';
import { startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { inLanes, SocketAsker } from './support/socket-asker.ts';
import { median, quantile, rotated } from './support/statistics.ts';
import { issueTokensOf } from './support/tokens.ts';

const SESSIONS = 1_000;
const PER_SECOND = 500;
const LANES = 32;
const ME = '{ me { id email name status createdAt } }';
const NOTHING = '{ __typename }';

interface Candidate {
  readonly name: string;
  readonly askers: readonly Asker[];
  readonly latencies: Float64Array[];
}

export const clients: Bench = {
  name: 'clients',
  title: `${ME} of ${SESSIONS.toLocaleString('en-US')} sessions, half of them over WebSockets, at a fixed rate`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const first = await platform.startCastellan();
    const administrator = await platform.administrator(first);
    await using population = await Population.open(platform, first, administrator);
    await using rows = await SessionRows.open(platform.databaseUrl);
    const { sessionId } = await (await administrator.createMember()).signIn();
    const count = quick ? SESSIONS / 20 : SESSIONS;
    const perSecond = quick ? PER_SECOND / 5 : PER_SECOND;
    const users = await population.copies(await population.create('acme/team-3', ['support']), count);
    const tokens = await issueTokensOf(platform.env, await rows.add(sessionId, users));
    await population.settle();
    await rows.settle();

    // The first answer of each session of a server that has just started.
    const [rounds, seconds] = quick ? [3, 1] : [7, 5];
    const colds: Float64Array[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await using restarted = await platform.startCastellan();
      const askers = await askersOf(restarted, tokens, ME);
      colds.push(await openLoop(askers, { perSecond, seconds: count / perSecond }));
      for (const asker of askers) asker.close();
    }

    const [mine, anonymous, again] = [
      await askersOf(first, tokens, ME),
      await askersOf(first, tokens, NOTHING),
      await askersOf(first, tokens, ME),
    ];
    const candidates: readonly Candidate[] = [
      { name: `${NOTHING} of the same sessions, warm`, askers: anonymous, latencies: [] },
      { name: 'me over both, warm', askers: mine, latencies: [] },
      { name: 'me over HTTP, warm', askers: mine.filter((_, n) => n % 2 === 0), latencies: [] },
      { name: 'me over WebSockets, warm', askers: mine.filter((_, n) => n % 2 === 1), latencies: [] },
      { name: 'me over both again, as a control', askers: again, latencies: [] },
    ];
    for (const { askers } of candidates) await openLoop(askers, { perSecond, seconds: askers.length / perSecond });
    for (let round = 0; round < rounds; round += 1) {
      for (const { askers, latencies } of rotated(candidates, round)) {
        latencies.push(await openLoop(askers, { perSecond, seconds }));
      }
    }
    for (const asker of [...mine, ...anonymous, ...again]) asker.close();
    const yardstick = candidates[0]?.latencies ?? [];
    return {
      columns: ['', 'requests', 'p50 ms', 'ratio', 'p99 ms', 'ratio'],
      rows: [
        ...candidates.map(({ name, latencies }) => row(name, latencies, yardstick)),
        row('me over both, the first of each session after a restart', colds, yardstick),
      ],
      notes: [
        `${perSecond} requests a second in ${rounds} rounds, taking turns; times count from when each was meant to be sent`,
        `after a restart connections and sockets are opened first: a socket is authenticated then, an HTTP request when it comes`,
      ],
    };
  },
};

/** One for each session, over HTTP and a WebSocket by turns. */
async function askersOf({ url }: Child, tokens: readonly string[], query: string): Promise<readonly Asker[]> {
  return inLanes(tokens, LANES, async (token, n): Promise<Asker> => {
    if (n % 2 === 1) return SocketAsker.open(url, token, { localAddress: addressOf(n), query });
    const [asker] = await httpAskers(url, [graphqlRequest(query, token)]);
    if (asker === undefined) throw new TypeError('there is no connection');
    return asker;
  });
}

/** One address may hold only so many sockets open. */
function addressOf(n: number): string {
  return `127.0.0.${1 + (n % 20)}`;
}

function row(name: string, all: readonly Float64Array[], yardstick: readonly Float64Array[]): readonly Cell[] {
  const of = (fraction: number) => median(all.map((each) => quantile(each, fraction)));
  const ratio = (fraction: number) =>
    median(all.map((each, n) => quantile(each, fraction) / quantile(yardstick[n] ?? [], fraction)));
  const requests = all.reduce((sum, { length }) => sum + length, 0);
  return [name, requests, of(0.5), ratio(0.5), of(0.99), ratio(0.99)];
}
