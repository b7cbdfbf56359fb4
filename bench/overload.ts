import { Arrivals, type Arrival } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import type { BenchUser } from './support/client.ts';
import { graphqlRequest } from './support/load.ts';
import { Population } from './support/population.ts';
import { startPlatform } from './support/platform.ts';
import { median, quantile } from './support/statistics.ts';

const CONNECTIONS = 512;
const OVER = 3;
/** Below what it can do, before and after. */
const UNDER = 0.5;
const OK = 200;
const SHED = 503;
const RENAME = 'mutation ($id: ID!) { updateUser(id: $id, input: { name: "Renamed" }) { position } }';

interface Operation {
  readonly name: string;
  readonly request: (n: number) => Buffer;
}

/** What came of a second. */
interface Stretch {
  readonly goodput: number;
  readonly refused: number;
  readonly refusedMs: number;
  readonly answeredMs: number;
  readonly answeredP99Ms: number;
  readonly lost: number;
}

export const overload: Bench = {
  name: 'overload',
  title: `${OVER} times as many requests as can be answered, over ${CONNECTIONS} connections`,

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform());
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    await using population = await Population.open(platform, castellan, administrator);
    const [first = ''] = await population.copies(await population.create('acme', ['support']), 1_000);
    await population.settle();
    const members: BenchUser[] = [];
    while (members.length < 8) members.push(await administrator.createMember());
    const ofAdministrator = (query: string, variables?: object) =>
      graphqlRequest(query, administrator.token, variables);
    const page = ofAdministrator('{ users(first: 100) { edges { node { id name roles { name } } } } }');
    const record = ofAdministrator(
      `{ user(id: "${first}") { id name roles { name } permissions { action subject } } }`,
    );
    const me = ofAdministrator('{ me { id email name status createdAt } }');
    const renames = members.map(({ id }) => ofAdministrator(RENAME, { id }));
    const operations: readonly Operation[] = [
      { name: 'users(first: 100) with roles', request: () => page },
      { name: 'user(id) with permissions', request: () => record },
      { name: 'me', request: () => me },
      { name: 'updateUser', request: (n) => renames[n % renames.length] ?? me },
    ];
    const seconds = quick ? 2 : 5;
    const rounds = quick ? 1 : 5;
    const rows: (readonly Cell[])[] = [];
    for (const { name, request } of operations) {
      using arrivals = await Arrivals.open(castellan.url, CONNECTIONS);
      const peak = await peakOf(arrivals, request, seconds);
      const stretches: { readonly over: Stretch; readonly after: Stretch }[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await arrivals.run(request, { perSecond: peak * UNDER, seconds: 1 });
        const over = stretchOf(await arrivals.run(request, { perSecond: peak * OVER, seconds }), seconds);
        stretches.push({
          over,
          after: stretchOf(await arrivals.run(request, { perSecond: peak * UNDER, seconds: 1 }), 1),
        });
      }
      const of = (figure: (stretch: (typeof stretches)[number]) => number) => median(stretches.map(figure));
      rows.push([
        name,
        peak,
        of(({ over }) => over.goodput) / peak,
        of(({ over }) => over.refused),
        of(({ over }) => over.refusedMs),
        of(({ over }) => over.answeredMs),
        of(({ over }) => over.answeredP99Ms),
        of(({ after }) => after.refused),
        of(({ after }) => after.answeredP99Ms),
        of(({ over }) => over.lost),
      ]);
    }
    return {
      columns: [
        '',
        'most a second',
        'goodput',
        'refused a second',
        'refused after ms',
        'answered p50 ms',
        'p99 ms',
        'refused afterwards',
        'p99 afterwards',
        'lost',
      ],
      rows,
      notes: [
        `medians of ${rounds} rounds of ${seconds} s; goodput is what was answered of the most that can be, which one client for each of 32 connections finds out`,
        `afterwards: the second that follows at once, with half of what can be answered; times count from when each was sent`,
      ],
    };
  },
};

/** How many are answered in a second by 32 who each ask again when they are answered. */
async function peakOf(arrivals: Arrivals, request: (n: number) => Buffer, seconds: number): Promise<number> {
  const peaks: number[] = [];
  for (let round = 0; round < 3; round += 1) peaks.push(await arrivals.most(request, { at: 32, seconds }));
  return median(peaks);
}

function stretchOf(arrivals: readonly Arrival[], seconds: number): Stretch {
  const answered = arrivals.filter(({ status }) => status === OK).map(({ tookMs }) => tookMs);
  const refused = arrivals.filter(({ status }) => status === SHED).map(({ tookMs }) => tookMs);
  return {
    goodput: answered.length / Math.max(seconds, ...arrivals.map(({ dueMs, lateMs }) => (dueMs + lateMs) / 1_000)),
    refused: refused.length / seconds,
    refusedMs: quantile(Float64Array.from(refused), 0.5),
    answeredMs: quantile(Float64Array.from(answered), 0.5),
    answeredP99Ms: quantile(Float64Array.from(answered), 0.99),
    lost: arrivals.length - answered.length - refused.length,
  };
}
