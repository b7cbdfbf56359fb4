import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Arrivals, type Came } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { Bystander, type Report as Seen } from './support/bystander.ts';
import { type Child, freePort } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { LoopDelay } from './support/loop-delay.ts';
import { MAIN, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import type { Told } from './support/refusal-probe.ts';
import { median, quantile } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';

/** As many as wait at once, where nobody waits for anybody else. */
const CONNECTIONS = 2_000;
/** Of those who find out how much can be done. */
const CLIENTS = 64;
const OVER = 3;
/** Of what can be done, before and after. */
const UNDER = 0.5;
const USERS = 64;
/** Asked by somebody who is not busy, while it is too much: so many a second, and not in its first and last moments. */
const BYSTANDER = { perSecond: 50, startsMs: 1_700, lastsMs: 1_200 };
const PROBE = pathToFileURL(join(import.meta.dirname, 'support', 'refusal-probe.ts')).href;
const ME = '{ me { id email name status createdAt } }';
const PAGE = '{ users(first: 100) { edges { node { id name roles { name } } } } }';
const RENAME = 'mutation ($id: ID!, $name: String!) { updateUser(input: { id: $id, name: $name }) { position } }';

interface Operation {
  readonly name: string;
  readonly request: (n: number) => Buffer;
}

/** One round: what came while it was too much, in the second after that, and in the one after. */
interface Round {
  readonly over: Came;
  readonly after: Came;
  /** Of those that were refused, and what was done for nothing. */
  readonly told: Told;
  /** What a client sees that is not busy itself, while it is too much. */
  readonly seen: Seen;
  /** The longest that the event loop was late. */
  readonly loopMs: number;
}

export const overload: Bench = {
  name: 'overload',
  title: `${OVER} times as many requests as can be answered, over ${CONNECTIONS.toLocaleString('en-US')} connections`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const port = await freePort();
    const castellan = await platform.startCastellan(MAIN, ['--import', `${PROBE}?port=${port}`]);
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const people = await population.copies(await population.create('acme', ['support']), 1_000);
    await population.settle();

    await using bystander = new Bystander();
    const loop = new LoopDelay(castellan, platform);
    const [rounds, peakSeconds, overSeconds] = quick ? [1, 1, 2] : [3, 2, 4];
    const rows: (readonly Cell[])[] = [];
    const failures: string[] = [];
    for (const kind of ['me', 'list', 'mixed'] as const) {
      // Anew for each, since tokens last for five minutes.
      const { token } = await platform.administrator(castellan);
      const tokens = await issueTokens(platform.env, people.slice(0, USERS));
      const { name, request } = operationsOf(token, tokens, people.slice(USERS))[kind];
      const peak = await peakOf(castellan, request, peakSeconds);
      const found: Round[] = [];
      for (let round = 0; round < rounds; round += 1) {
        // Anew for each, since one on which nothing is asked for ten seconds is closed.
        using arrivals = await Arrivals.open(castellan.url, CONNECTIONS);
        await toldBy(port);
        await loop.read();
        const under = { perSecond: peak * UNDER, seconds: 1 };
        const over = { perSecond: peak * OVER, seconds: overSeconds };
        const seconds = overSeconds - BYSTANDER.lastsMs / 1_000;
        const [came, seen] = await Promise.all([
          arrivals.run(request, [under, over, under]),
          sleep(BYSTANDER.startsMs).then(() =>
            bystander.ask(castellan.url, samples(request), { perSecond: BYSTANDER.perSecond, seconds }),
          ),
        ]);
        const [, during, after] = came;
        if (during === undefined || after === undefined) throw new TypeError('there are three stretches');
        found.push({ over: during, after, told: await toldBy(port), seen, loopMs: (await loop.read()).maxMs });
        if (arrivals.failure !== null) failures.push(`a failure of ${name}: ${arrivals.failure}`);
      }
      rows.push(rowOf(name, peak, found));
    }
    return {
      columns: [
        '',
        'most a second',
        'came',
        'goodput',
        'refused',
        'for nothing',
        'in the server, p50 ms',
        'at a client that is not busy, p50 ms',
        'at those that are, p50 ms',
        'answered, p50 ms',
        'p99 ms',
        'then: goodput',
        'p99 ms',
        'failed or lost',
        'loop, most ms',
      ],
      rows,
      notes: [
        `medians of ${rounds} rounds of ${overSeconds} s; the most is what ${CLIENTS} clients are answered who each ask again at once, the best of three`,
        `came: of ${OVER} times that, what was sent; the rest found no connection on which nothing was asked (one that is not refused or answered yet holds its own)`,
        `goodput: answered without errors in each of these seconds, of the most; then: in the second that follows at once, of the ${UNDER * 100} % that come in it`,
        `refused: of what was sent, with AUTHORITY_UNAVAILABLE. In the server: from their headers being read to the answer being handed to the kernel; at the client: from when they were to be sent, and so with the time that they wait to be read`,
        `for nothing: statements that PostgreSQL had carried out for those that were refused, of all for requests (those in transactions are not counted)`,
        `the processor is shared: what comes is made in this process, beside the server, PostgreSQL and Redis on all cores`,
        ...failures.slice(0, 1),
      ],
    };
  },
};

/** Of twenty that come one after the other each: what mixed is, mixed. */
function samples(request: (n: number) => Buffer): readonly Buffer[] {
  return Array.from({ length: 20 }, (_, n) => request(n));
}

/** The best of three, since whatever else runs takes from it. */
async function peakOf(castellan: Child, request: (n: number) => Buffer, seconds: number): Promise<number> {
  using arrivals = await Arrivals.open(castellan.url, CLIENTS);
  const peaks: number[] = [];
  for (let n = 0; n < 3; n += 1) peaks.push(await arrivals.most(request, { at: CLIENTS, seconds }));
  return Math.max(...peaks);
}

function operationsOf(
  administrator: string,
  tokens: readonly string[],
  people: readonly string[],
): Readonly<Record<'me' | 'list' | 'mixed', Operation>> {
  const mine = tokens.map((token) => graphqlRequest(ME, token));
  const page = graphqlRequest(PAGE, administrator);
  const renames = people.map((id, n) => graphqlRequest(RENAME, administrator, { id, name: `Renamed ${n}` }));
  const me = (n: number): Buffer => mine[n % mine.length] ?? page;
  return {
    me: { name: 'me', request: me },
    list: { name: 'users(first: 100) with roles', request: () => page },
    mixed: {
      name: 'of twenty, 18 me, one page of users and one updateUser',
      request(n) {
        if (n % 20 === 0) return page;
        return n % 20 === 10 ? (renames[Math.floor(n / 20) % renames.length] ?? page) : me(n);
      },
    },
  };
}

function rowOf(name: string, peak: number, rounds: readonly Round[]): readonly Cell[] {
  const of = (figure: (round: Round) => number) => median(rounds.map(figure));
  const sent = ({ due, unsent }: Came) => due - unsent;
  return [
    name,
    Math.round(peak),
    of(({ over }) => sent(over) / over.due),
    of(({ over }) => over.goodput / peak),
    of(({ over }) => over.outcomes.refused / sent(over)),
    of(({ told: { forNothing, statements } }) => forNothing / Math.max(1, statements)),
    orNull(of(({ told: { count, p50 } }) => (count === 0 ? NaN : p50))),
    orNull(of(({ seen }) => quantile(seen.refusedMs, 0.5))),
    orNull(of(({ over }) => quantile(over.refusedMs, 0.5))),
    of(({ over }) => quantile(over.answeredMs, 0.5)),
    of(({ over }) => quantile(over.answeredMs, 0.99)),
    of(({ after }) => after.goodput / after.due),
    of(({ after }) => quantile(after.answeredMs, 0.99)),
    of(({ over, after }) => [over, after].reduce((sum, { outcomes: { failed, lost } }) => sum + failed + lost, 0)),
    of(({ loopMs }) => loopMs),
  ];
}

function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** What became of requests since it was asked last, as the server itself has it. */
async function toldBy(port: number): Promise<Told> {
  const response = await fetch(`http://127.0.0.1:${port}`, { signal: AbortSignal.timeout(10_000) });
  return (await response.json()) as Told; // the probe wrote it
}
