import { Client } from 'pg';
import { Arrivals } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { compareOverHttp, resultNamed } from './support/over-http.ts';
import { MAIN, type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { inLanes } from './support/socket-asker.ts';
import { median, quantile, rotated } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';
import { type Part, without } from './support/without.ts';

const CONNECTIONS = 64;
const USERS = 8;
const LANES = 8;
const ME = '{ me { id email name status createdAt } }';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
const NONE = 'without audit, events, metrics and analytics';

/** A Castellan with a database of its own, and users to be disabled. */
interface House {
  readonly name: string;
  readonly platform: Platform;
  readonly castellan: Child;
  readonly mine: readonly Buffer[];
  readonly users: readonly string[];
  readonly rounds: Disabled[];
}

/** What came of disabling some users. */
interface Disabled {
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly p50: number;
  readonly p99: number;
}

export const records: Bench = {
  name: 'records',
  title: 'what audit, events, metrics and analytics cost, and tracing that is off',

  async run({ quick }): Promise<Table> {
    await using stack = new AsyncDisposableStack();
    const [rounds, seconds, each] = quick ? [3, 0.7, 40] : [9, 1, 400];
    const houses: House[] = [];
    for (const [name, parts] of [
      [NONE, ['records']],
      ['Castellan', []],
      ['without tracing', ['tracing']],
      ['Castellan again, as a control', []],
    ] as const) {
      houses.push(await open(name, parts, each * (rounds + 1), stack));
    }
    const results = await compareOverHttp(
      houses.map(({ name, castellan, mine }) => ({
        name,
        child: castellan,
        requests: Array.from({ length: CONNECTIONS }, (_, n) => mine[n % mine.length] ?? Buffer.alloc(0)),
        check: (body: string) => {
          if (!body.startsWith('{"data":{"me":{"id":')) throw new Error(`${name} answered ${body}`);
        },
      })),
      { rounds, seconds, warmUpSeconds: quick ? 1 : 3 },
    );
    for (let round = 0; round <= rounds; round += 1) {
      for (const house of rotated(houses, round)) house.rounds.push(await disable(house, round, each));
    }
    for (const house of houses) await demandRecords(house, house.name === NONE ? 0 : each * (rounds + 1));

    const yardstick = resultNamed(results, NONE);
    const [without] = houses;
    return {
      columns: ['', 'requests/s', 'ratio', 'CPU µs', 'ratio', 'p50 ms', 'p99 ms'],
      rows: [
        ...results.map((result): readonly Cell[] => [
          `me: ${result.name}`,
          Math.round(result.perSecond),
          result.ratio(({ perSecond }) => perSecond, yardstick),
          result.cpuMicros,
          result.ratio(({ cpuMicros }) => cpuMicros, yardstick),
          result.p50,
          result.p99,
        ]),
        ...houses.map((house) => rowOf(house, without?.rounds ?? [])),
      ],
      notes: [
        `medians of ${rounds} rounds, taking turns: me for ${seconds} s over ${CONNECTIONS} connections, disableUser of ${each} users with a session each over ${LANES}; each Castellan has a PostgreSQL of its own, durable`,
        `without: the same sources, with that taken out as they are loaded, and for events the trigger that tells them; that it wrote nothing was looked at afterwards`,
        'none of them sheds load here: where the machine has much else to do, a busy server would refuse now and then',
        'tracing is off in all of them; without it, what asks whether it is off is gone as well',
      ],
    };
  },
};

async function open(name: string, parts: readonly Part[], count: number, stack: AsyncDisposableStack): Promise<House> {
  const platform = stack.use(await startPlatform());
  const castellan = await platform.startCastellan(MAIN, without('shedding', ...parts));
  if (parts.includes('records')) await run(platform, 'alter table sessions disable trigger session_told');
  const administrator = await platform.administrator(castellan);
  await using population = await Population.open(platform, castellan, administrator);
  const model = await population.create('acme', ['support']);
  const users = await population.copies(model, count);
  const readers = await population.copies(model, USERS);
  const { sessionId } = await (await administrator.createMember()).signIn();
  await using sessions = await SessionRows.open(platform.databaseUrl);
  await sessions.add(sessionId, users);
  await population.settle();
  await sessions.settle();
  const tokens = await issueTokens(platform.env, readers);
  return { name, platform, castellan, mine: tokens.map((token) => graphqlRequest(ME, token)), users, rounds: [] };
}

/** Disables the users of this round, each once. */
async function disable({ platform, castellan, users }: House, round: number, count: number): Promise<Disabled> {
  // Anew each time, since tokens last for five minutes.
  const { token } = await platform.administrator(castellan);
  using arrivals = await Arrivals.open(castellan.url, LANES);
  const requests = users.slice(round * count, (round + 1) * count).map((id) => graphqlRequest(DISABLE, token, { id }));
  const [cpuBefore, startMs] = [cpuMicrosOf(castellan.pid), performance.now()];
  const answers = await inLanes(requests, LANES, (request) => arrivals.ask(request));
  const seconds = (performance.now() - startMs) / 1_000;
  const cpuMicros = (cpuMicrosOf(castellan.pid) - cpuBefore) / count;
  const wrong = answers.find(({ outcome }) => outcome !== 'answered');
  if (wrong !== undefined) throw new Error(`disableUser was ${wrong.outcome}`);
  const tookMs = answers.map((answer) => answer.tookMs);
  return { perSecond: count / seconds, cpuMicros, p50: quantile(tookMs, 0.5), p99: quantile(tookMs, 0.99) };
}

/** Where nothing is to be recorded nothing was, and otherwise all that was done. */
async function demandRecords({ name, platform }: House, disabled: number): Promise<void> {
  const [row] = await run<{ entries: number; events: number }>(
    platform,
    `select (select count(*)::int from audit_entries where action = 'user.disable') as entries,
       (select count(*)::int from outbox where kind = 'session.revoked' and reason = 'user_disabled') as events`,
  );
  if (row?.entries === disabled && row.events === disabled) return;
  throw new Error(`${name} recorded ${JSON.stringify(row)} where ${disabled} users were disabled`);
}

async function run<Row>({ databaseUrl }: Platform, text: string): Promise<readonly Row[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[]; // the statement names its columns
  } finally {
    await client.end();
  }
}

/** The first round is for the compiler. */
function rowOf({ name, rounds }: House, yardstick: readonly Disabled[]): readonly Cell[] {
  const of = (figure: (round: Disabled) => number) => median(rounds.slice(1).map(figure));
  const ratio = (figure: (round: Disabled) => number) =>
    median(
      rounds.slice(1).map((round, n) => {
        const other = yardstick[n + 1];
        return figure(round) / (other === undefined ? NaN : figure(other));
      }),
    );
  const [perSecond, cpuMicros] = [(round: Disabled) => round.perSecond, (round: Disabled) => round.cpuMicros];
  return [
    `disableUser: ${name}`,
    Math.round(of(perSecond)),
    ratio(perSecond),
    of(cpuMicros),
    ratio(cpuMicros),
    of(({ p50 }) => p50),
    of(({ p99 }) => p99),
  ];
}
