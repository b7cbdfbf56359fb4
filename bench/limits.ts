import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../src/kit/limits.ts';
import { HOSTILE_DOCUMENTS } from '../test/support/hostile-documents.ts';
import { Arrivals, type Came } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { inTurns, ratiosOf, type Taken, type Turn, TURNS } from './support/in-turns.ts';
import { LoopDelay } from './support/loop-delay.ts';
import { type Contender, measure, mediansOf, type Round } from './support/over-http.ts';
import { MAIN, type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { median, quantile, rotated } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';
import { without } from './support/without.ts';
import { OVER_TLS } from './support/over-tls.ts';

const CONNECTIONS = 16;
const USERS = 8;
const ME = '{ me { id email name status createdAt } }';
const NOTHING = '{ __typename }';
const NAMES: Readonly<Record<Turn, string>> = {
  with: 'with limits',
  again: 'with limits again, as a control',
  without: 'without limits',
};
const WORST = 8;
const HOSTILE_PER_SECOND = 20;
const OTHERS_PER_SECOND = 400;

/** A hostile document, and what the request with it costs the server in processor time. */
interface Hostile {
  readonly name: string;
  readonly request: Buffer;
  readonly cpuMicros: number;
}

/** How it went with others for a while. */
interface While {
  readonly came: Came;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

export const limits: Bench = {
  name: 'limits',
  title: 'what all limits together cost, and what is left to a request that is at all of them',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    // Two equal processes differ by more than limits cost, in what the compiler made of them: each is asked with them and without.
    const processes = quick ? 2 : 4;
    const switched: Child[] = [];
    for (let n = 0; n < processes; n += 1) switched.push(await platform.startCastellan(MAIN, without('limits')));
    const castellan = await platform.startCastellan(MAIN, without());
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const users = await population.copies(await population.create('acme', ['support']), USERS);
    await population.settle();
    const requests = async (query: string) =>
      (await issueTokens(platform.env, users)).map((token) => graphqlRequest(query, token));

    const mine = await requests(ME);
    const contender = (child: Child): Contender => ({
      name: 'Castellan',
      child,
      requests: Array.from({ length: CONNECTIONS }, (_, n) => mine[n % mine.length] ?? Buffer.alloc(0)),
      check: (body) => {
        if (!body.startsWith('{"data":{"me":{"id":')) throw new Error(`Castellan answered ${body}`);
      },
    });
    const [rounds, seconds] = quick ? [3, 0.4] : [12, 0.5];
    const taken: Taken[] = [];
    for (const [process, child] of switched.entries()) {
      const work = (turn: Turn, round: number) => inTurn(turn, contender(child), round < 0 ? 2 : seconds);
      taken.push(...(await inTurns(process, rounds, work)));
    }

    const hostile = await costsOf(castellan, platform, quick ? 5 : 40);
    const worst = hostile.slice(0, WORST);
    const others = [...(await requests(ME)), ...(await requests(NOTHING))];
    const alone: While[] = [];
    const beside: While[] = [];
    for (let round = 0; round < (quick ? 1 : 3); round += 1) {
      const whiles = [
        async () => void alone.push(await askedBy(others, [], castellan, platform, quick)),
        async () => void beside.push(await askedBy(others, worst, castellan, platform, quick)),
      ];
      for (const work of rotated(whiles, round)) await work();
    }
    return {
      columns: [
        '',
        'requests/s',
        'CPU µs',
        'ratio',
        'least, of processes',
        'most',
        'p50 ms',
        'p99 ms',
        'loop p99 ms',
        'loop max ms',
      ],
      rows: [
        ...TURNS.map((turn) => rowOf(turn, taken)),
        ...worst.map(({ name, cpuMicros }) => [name, null, cpuMicros, null, null, null, null, null, null, null]),
        ['others, alone', ...cellsOf(alone)],
        [`others, while ${HOSTILE_PER_SECOND} of these come in a second`, ...cellsOf(beside)],
      ],
      notes: [
        `me: medians of ${processes} processes, each with limits and without by turns, ${rounds} rounds of ${seconds} s over ${CONNECTIONS} connections; ratio: of the processor time in the same round, median, and of the medians of the processes the least and the most`,
        `processor time of the process that answers, with all its threads, for each request. Limits of the server of Node, on bodies and idle connections, are there at all times`,
        `of ${hostile.length} hostile documents, each grown to ${LIMITS.bodyBytes.toLocaleString('en-US')} bytes of body, the ${WORST} that cost most; processor time of the process with all its threads, ${quick ? 5 : 40} times one after the other, beyond what it takes idle`,
        `others: me and ${NOTHING}, ${OTHERS_PER_SECOND} a second, from when each was to be sent; the delay of the event loop is what the house tells of itself (nodejs_eventloop_lag_*_seconds, which has a tick of 10 ms in it)`,
      ],
    };
  },
};

/** One turn; before the first, all that is measured is compiled. */
async function inTurn(turn: Turn, contender: Contender, seconds: number): Promise<Round> {
  if (turn === 'without') await turnLimits(contender.child, 'off');
  const figures = await measure(contender, seconds);
  if (turn === 'without') await turnLimits(contender.child, 'on');
  return figures;
}

function rowOf(turn: Turn, taken: readonly Taken[]): readonly Cell[] {
  const own = mediansOf(taken.filter((each) => each.turn === turn).map(({ figures }) => figures));
  const { median: ratio, least, most } = ratiosOf(turn, taken, ({ cpuMicros }) => cpuMicros);
  return [
    `me, ${NAMES[turn]}`,
    Math.round(own.perSecond),
    own.cpuMicros,
    ratio,
    least,
    most,
    own.p50,
    own.p99,
    null,
    null,
  ];
}

/** Where nothing is counted nothing is told of it. */
async function turnLimits(child: Child, to: 'on' | 'off'): Promise<void> {
  await child.switch('limits', to);
  const response = await fetch(`${child.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...OVER_TLS },
    body: JSON.stringify({ query: NOTHING }),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  if (response.ok && response.headers.has('ratelimit') === (to === 'on')) return;
  throw new Error(`limits could not be turned ${to}`);
}

/** Each hostile document with commas behind it, which mean nothing, up to the limit of a body; the costliest first. */
async function costsOf(castellan: Child, platform: Platform, times: number): Promise<readonly Hostile[]> {
  using arrivals = await Arrivals.open(castellan.url, 1);
  const { token } = await platform.administrator(castellan);
  const idleMicros = await idleMicrosPerMs(castellan);
  const found: Hostile[] = [];
  for (const { name, query, variables = {} } of HOSTILE_DOCUMENTS) {
    const request = grown(query, variables, token);
    await arrivals.ask(request);
    const [cpuBefore, startMs] = [cpuMicrosOf(castellan.pid), performance.now()];
    for (let n = 0; n < times; n += 1) {
      const { outcome } = await arrivals.ask(request);
      if (outcome !== 'failed') throw new Error(`"${name}" was ${outcome}`);
    }
    const cpuMicros = cpuMicrosOf(castellan.pid) - cpuBefore - (performance.now() - startMs) * idleMicros;
    found.push({ name, request, cpuMicros: cpuMicros / times });
  }
  return found.toSorted((a, b) => b.cpuMicros - a.cpuMicros);
}

async function idleMicrosPerMs({ pid }: Child): Promise<number> {
  const [cpuBefore, startMs] = [cpuMicrosOf(pid), performance.now()];
  await sleep(2_000);
  return (cpuMicrosOf(pid) - cpuBefore) / (performance.now() - startMs);
}

function grown(query: string, variables: object, token: string): Buffer {
  const bytes = Buffer.byteLength(JSON.stringify({ query, variables }));
  return graphqlRequest(query + ','.repeat(Math.max(0, LIMITS.bodyBytes - bytes)), token, variables);
}

/** How long others wait, with these coming as well or without. */
async function askedBy(
  others: readonly Buffer[],
  hostile: readonly Hostile[],
  castellan: Child,
  platform: Platform,
  quick: boolean,
): Promise<While> {
  using good = await Arrivals.open(castellan.url, CONNECTIONS);
  using bad = await Arrivals.open(castellan.url, HOSTILE_PER_SECOND);
  const loop = new LoopDelay(castellan, platform);
  await loop.read();
  const seconds = quick ? 3 : 8;
  const pick = (all: readonly Buffer[]) => (n: number) => all[n % all.length] ?? Buffer.alloc(0);
  const [came] = await Promise.all([
    good.run(pick(others), [{ perSecond: OTHERS_PER_SECOND, seconds }]),
    hostile.length === 0
      ? null
      : bad.run(pick(hostile.map(({ request }) => request)), [{ perSecond: HOSTILE_PER_SECOND, seconds }]),
  ]);
  const [first] = came;
  if (first === undefined) throw new TypeError('there is one stretch');
  const { p99Ms, maxMs } = await loop.read();
  return { came: first, loopP99Ms: p99Ms, loopMaxMs: maxMs };
}

function cellsOf(whiles: readonly While[]): readonly Cell[] {
  const of = (figure: (each: While) => number) => median(whiles.map(figure));
  return [
    Math.round(of(({ came }) => came.goodput)),
    null,
    null,
    null,
    null,
    of(({ came }) => quantile(came.answeredMs, 0.5)),
    of(({ came }) => quantile(came.answeredMs, 0.99)),
    of(({ loopP99Ms }) => loopP99Ms),
    of(({ loopMaxMs }) => loopMaxMs),
  ];
}
