import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../src/kit/limits.ts';
import { HOSTILE_DOCUMENTS } from '../test/support/hostile-documents.ts';
import { Arrivals, type Came } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { LoopDelay } from './support/loop-delay.ts';
import { type Contender, measure, type Round } from './support/over-http.ts';
import { MAIN, type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { median, quantile, rotated } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';
import { UNLIMITED, without } from './support/without.ts';
import { OVER_TLS } from './support/over-tls.ts';

const CONNECTIONS = 16;
const USERS = 8;
const ME = '{ me { id email name status createdAt } }';
const NOTHING = '{ __typename }';
/** What is asked of one process in turns: as far as the first two differ, nothing can be told. */
const TURNS = ['with limits', 'with limits again, as a control', 'without limits'] as const;
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
    const taken = await inTurns(switched.map(contender), { rounds, seconds });

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

interface Taken {
  readonly turn: (typeof TURNS)[number];
  readonly process: number;
  readonly round: number;
  readonly figures: Round;
}

/** Asks each process with limits, again, and without, in another order each time. */
async function inTurns(
  contenders: readonly Contender[],
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<readonly Taken[]> {
  const taken: Taken[] = [];
  for (let round = -1; round < rounds; round += 1) {
    for (const [index, contender] of contenders.entries()) {
      for (const turn of rotated(TURNS, Math.max(0, round))) {
        const { child } = contender;
        const isUnlimited = turn === 'without limits';
        if (isUnlimited) await turnLimits(child, 'off');
        // Before the first, all that is measured was compiled.
        const figures = await measure(contender, round < 0 ? 2 : seconds);
        if (isUnlimited) await turnLimits(child, 'on');
        if (round >= 0) taken.push({ turn, process: index, round, figures });
      }
    }
  }
  return taken;
}

function rowOf(turn: (typeof TURNS)[number], taken: readonly Taken[]): readonly Cell[] {
  const own = taken.filter((each) => each.turn === turn);
  const of = (read: (figures: Round) => number) => median(own.map(({ figures }) => read(figures)));
  const ratios = own.map(({ process, round, figures }) => {
    const yardstick = taken.find(
      (each) => each.turn === 'without limits' && each.process === process && each.round === round,
    );
    return { process, ratio: figures.cpuMicros / (yardstick?.figures.cpuMicros ?? NaN) };
  });
  const medians = [...Map.groupBy(ratios, ({ process }) => process).values()].map((each) =>
    median(each.map(({ ratio }) => ratio)),
  );
  return [
    `me, ${turn}`,
    Math.round(of(({ perSecond }) => perSecond)),
    of(({ cpuMicros }) => cpuMicros),
    median(ratios.map(({ ratio }) => ratio)),
    Math.min(...medians),
    Math.max(...medians),
    of(({ p50 }) => p50),
    of(({ p99 }) => p99),
    null,
    null,
  ];
}

let asked = 0;

/** A document with too many aliases is answered without limits, and nowhere else. */
async function turnLimits({ pid, url }: Child, to: 'on' | 'off'): Promise<void> {
  process.kill(pid, UNLIMITED);
  for (const until = performance.now() + 10_000; performance.now() < until;) {
    asked += 1;
    const query = `{ ${Array.from({ length: 40 }, (_, n) => `a${asked}_${n}: __typename`).join(' ')} }`;
    const response = await fetch(`${url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...OVER_TLS },
      body: JSON.stringify({ query }),
      signal: AbortSignal.timeout(10_000),
    });
    await response.arrayBuffer();
    const isOff = response.ok && response.headers.get('ratelimit') === null;
    if (isOff === (to === 'off')) return;
  }
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
