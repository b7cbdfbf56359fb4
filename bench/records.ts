import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { Arrivals } from './support/arrivals.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Child, cpuMicrosOf } from './support/child.ts';
import { graphqlRequest } from './support/load.ts';
import { type Contender, measure, mediansOf, type Round } from './support/over-http.ts';
import { MAIN, type Platform, startPlatform } from './support/platform.ts';
import { Population } from './support/population.ts';
import { SessionRows } from './support/session-rows.ts';
import { inTurns, ratiosOf, type Taken, type Turn, TURNS } from './support/in-turns.ts';
import { inLanes } from './support/socket-asker.ts';
import { quantile } from './support/statistics.ts';
import { issueTokens } from './support/tokens.ts';
import { without } from './support/without.ts';

const CONNECTIONS = 64;
const USERS = 8;
const LANES = 8;
const ME = '{ me { id email name status createdAt } }';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';
const NAMES: Readonly<Record<Turn, string>> = {
  with: 'Castellan',
  again: 'Castellan again, as a control',
  without: 'without audit, events, metrics and analytics',
};
/** Entries of changes before it are in the chain by then, and their events have numbers. */
const SETTLED_MS = 1_500;

/** How much is measured. */
interface Amounts {
  readonly rounds: number;
  /** Of `me`, in one turn. */
  readonly seconds: number;
  /** Users disabled in one turn, and before it is measured, so that what follows a change follows while others are made. */
  readonly users: number;
  readonly before: number;
}

/** A Castellan with a database of its own, and users to be disabled. */
interface House {
  readonly platform: Platform;
  readonly castellan: Child;
  readonly me: Contender;
  readonly users: string[];
}

export const records: Bench = {
  name: 'records',
  title: 'what audit, events, metrics and analytics cost, and tracing that is off',

  async run({ quick }): Promise<Table> {
    const amounts: Amounts = quick
      ? { rounds: 2, seconds: 0.7, users: 40, before: 10 }
      : { rounds: 6, seconds: 5, users: 900, before: 300 };
    const me: Taken[] = [];
    const disableUser: Taken[] = [];
    // Two equal processes differ by more than records cost, in what the compiler made of them: each is asked with them and without.
    const processes = quick ? [true, false] : [true, false, false, true];
    for (const [process, hasTracing] of processes.entries()) {
      await using stack = new AsyncDisposableStack();
      const house = await open(hasTracing, amounts, stack);
      const turn = (work: () => Promise<Round>) => (each: Turn) => inTurn(each, house, work);
      const asked = turn(() => measure(house.me, amounts.seconds));
      me.push(...(await inTurns(process, amounts.rounds, asked)));
      disableUser.push(
        ...(await inTurns(
          process,
          amounts.rounds,
          turn(() => disable(house, amounts)),
        )),
      );
      await demandRecords(house, (amounts.users + amounts.before) * (amounts.rounds + 1));
    }
    const [tracing, noTracing] = [true, false].map((has) =>
      mediansOf(
        me
          .filter(({ process, turn }) => turn !== 'without' && processes[process] === has)
          .map(({ figures }) => figures),
      ),
    );
    if (tracing === undefined || noTracing === undefined) throw new TypeError('both were measured');
    return {
      columns: ['', 'requests/s', 'ratio', 'least, of processes', 'most', 'CPU µs', 'ratio', 'p50 ms', 'p99 ms'],
      rows: [
        ...TURNS.map((turn) => rowOf('me', turn, me)),
        ...TURNS.map((turn) => rowOf('disableUser', turn, disableUser)),
        tracingRowOf('tracing off', tracing, tracing),
        tracingRowOf('nothing of tracing in the source', noTracing, tracing),
      ],
      notes: [
        `${processes.length} processes one after the other, each with a durable PostgreSQL of its own, with records and without by turns, ${amounts.rounds} rounds: me for ${amounts.seconds} s over ${CONNECTIONS} connections, disableUser of ${amounts.users} users with a session each over ${LANES}, after ${amounts.before} that are not measured`,
        'ratios: to the same process without records in the same round, median, and of the medians of the processes the least and the most',
        'without: nothing is written to the audit, counted, observed or noted, and the trigger that tells events is disabled; how much was recorded with and without was looked at afterwards',
        `tracing is off in all of them; in half of the processes what asks whether it is off is taken out of the source as well. Their ratio is that of medians, to the half that asks`,
        'none of them sheds load here: where the machine has much else to do, a busy server would refuse now and then',
      ],
    };
  },
};

async function open(hasTracing: boolean, amounts: Amounts, stack: AsyncDisposableStack): Promise<House> {
  const platform = stack.use(await startPlatform());
  const castellan = await platform.startCastellan(
    MAIN,
    without('shedding', 'records', ...(hasTracing ? [] : (['tracing'] as const))),
  );
  const administrator = await platform.administrator(castellan);
  await using population = await Population.open(platform, castellan, administrator);
  const model = await population.create('acme', ['support']);
  const count = (amounts.users + amounts.before) * TURNS.length * (amounts.rounds + 1);
  const users = await population.copies(model, count);
  const readers = await population.copies(model, USERS);
  const { sessionId } = await (await administrator.createMember()).signIn();
  await using sessions = await SessionRows.open(platform.databaseUrl);
  await sessions.add(sessionId, users);
  await population.settle();
  await sessions.settle();
  const tokens = await issueTokens(platform.env, readers);
  const requests = Array.from({ length: CONNECTIONS }, (_, n) => graphqlRequest(ME, tokens[n % tokens.length] ?? ''));
  const check = (body: string) => {
    if (!body.startsWith('{"data":{"me":{"id":')) throw new Error(`Castellan answered ${body}`);
  };
  return {
    platform,
    castellan,
    me: { name: 'me', child: castellan, requests, check },
    users: [...users],
  };
}

/** Does it with records or without, and what follows from it has been done afterwards. */
async function inTurn(turn: Turn, { platform, castellan }: House, work: () => Promise<Round>): Promise<Round> {
  if (turn === 'without') await turnRecords(platform, castellan, 'off');
  const figures = await work();
  await sleep(SETTLED_MS);
  if (turn === 'without') await turnRecords(platform, castellan, 'on');
  return figures;
}

async function turnRecords(platform: Platform, castellan: Child, to: 'on' | 'off'): Promise<void> {
  await castellan.switch('records', to);
  await run(platform, `alter table sessions ${to === 'on' ? 'enable' : 'disable'} trigger session_told`);
}

/** Disables as many of the users that are left, each once. */
async function disable({ platform, castellan, users }: House, amounts: Amounts): Promise<Round> {
  // Anew each time, since tokens last for five minutes.
  const { token } = await platform.administrator(castellan);
  using arrivals = await Arrivals.open(castellan.url, LANES);
  const ask = async (count: number) => {
    const requests = users.splice(0, count).map((id) => graphqlRequest(DISABLE, token, { id }));
    const answers = await inLanes(requests, LANES, (request) => arrivals.ask(request));
    const wrong = answers.find(({ outcome }) => outcome !== 'answered');
    if (wrong !== undefined) throw new Error(`disableUser was ${wrong.outcome}`);
    return answers.map(({ tookMs }) => tookMs);
  };
  await ask(amounts.before);
  const [cpuBefore, startMs] = [cpuMicrosOf(castellan.pid), performance.now()];
  const tookMs = await ask(amounts.users);
  return {
    perSecond: amounts.users / ((performance.now() - startMs) / 1_000),
    cpuMicros: (cpuMicrosOf(castellan.pid) - cpuBefore) / amounts.users,
    p50: quantile(tookMs, 0.5),
    p99: quantile(tookMs, 0.99),
  };
}

/** All that was done with records (in two turns of three) has one of each kind, and nothing that was done without. */
async function demandRecords({ platform }: House, eachTurn: number): Promise<void> {
  const [row] = await run<{ entries: number; events: number; disabled: number }>(
    platform,
    `select (select count(*)::int from audit_entries where action = 'user.disable') as entries,
       (select count(*)::int from outbox where kind = 'session.revoked' and reason = 'user_disabled') as events,
       (select count(*)::int from users where status = 'disabled') as disabled`,
  );
  if (row?.entries === 2 * eachTurn && row.events === 2 * eachTurn && row.disabled === 3 * eachTurn) return;
  throw new Error(`${JSON.stringify(row)}, where ${eachTurn} users were disabled in each of three turns`);
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

function rowOf(name: string, turn: Turn, taken: readonly Taken[]): readonly Cell[] {
  const own = mediansOf(taken.filter((each) => each.turn === turn).map(({ figures }) => figures));
  const perSecond = ratiosOf(turn, taken, (figures) => figures.perSecond);
  const cpu = ratiosOf(turn, taken, ({ cpuMicros }) => cpuMicros);
  return [
    `${name}: ${NAMES[turn]}`,
    Math.round(own.perSecond),
    perSecond.median,
    perSecond.least,
    perSecond.most,
    own.cpuMicros,
    cpu.median,
    own.p50,
    own.p99,
  ];
}

/** The yardstick asks whether tracing is on. */
function tracingRowOf(name: string, own: Round, yardstick: Round): readonly Cell[] {
  return [
    `me: ${name}`,
    Math.round(own.perSecond),
    own.perSecond / yardstick.perSecond,
    null,
    null,
    own.cpuMicros,
    own.cpuMicros / yardstick.cpuMicros,
    own.p50,
    own.p99,
  ];
}
