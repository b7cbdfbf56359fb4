import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PASSWORD } from '../support/castellan.ts';
import { ask, closeConnections, signIn, type SignedInSession } from './clients.ts';
import { addUsers, type Cluster, type Instance, startCluster, type TestUser } from './cluster.ts';
import { type Pair, rotate, untilReady } from './session-steps.ts';
import { numberOf, Subscriber } from './subscriber.ts';

/** A thousand subscribers of three instances, who are cut off at random while instances and Redis are killed. */

const FULL = process.env['CASTELLAN_FAULTS'] === 'full';
const SECONDS = Number(process.env['SUBSCRIBERS_SECONDS'] ?? (FULL ? 600 : 20));
const USERS = 100;
/** Of each user: in a session that stays, and in one that is revoked on the way. */
const STAYING = 8;
const LEAVING = 2;
const CUTS = 10;
/** At once: a change waits until the lease of an instance that was killed has run out. */
const WORKERS = 12;
const REFRESHES = 3;
const SIGN_OUT = 'mutation { signOut { receipt { enforced } } }';
const UNTIL_MS = 60_000;

let cluster: Cluster;
let users: readonly TestUser[];
const subscribers: Subscriber[] = [];
/** What started after the end of the session of those who leave was acknowledged: by user. */
const startedAfter = new Map<string, string[]>();
const leaving = new Map<string, SignedInSession>();

beforeAll(async () => {
  cluster = await startCluster(3);
  users = await addUsers(cluster, USERS);
}, 60_000);

afterAll(async () => {
  await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
  closeConnections();
  await cluster?.close();
}, 60_000);

test(
  `${USERS * (STAYING + LEAVING)} subscribers over ${SECONDS} s of faults are told each event once and in order, and nothing once they are shut out`,
  async () => {
    const after = await here();
    for (const [n, user] of users.entries()) {
      const stays = await signIn(at(n).url, user.email);
      const leaves = await signIn(at(n + 1).url, user.email);
      leaving.set(user.id, leaves);
      for (let k = 0; k < STAYING; k += 1) subscribers.push(new Subscriber(cluster.instances, user.id, stays, after));
      for (let k = 0; k < LEAVING; k += 1) subscribers.push(new Subscriber(cluster.instances, user.id, leaves, after));
    }
    for (const subscriber of subscribers) subscriber.start();
    await until('all are told what is there', () => subscribers.every(({ told }) => told.length > 0));

    const endsAtMs = performance.now() + SECONDS * 1_000;
    const goesOn = (): boolean => performance.now() < endsAtMs;
    const workers = Array.from({ length: WORKERS }, (_, n) => [comingAndGoing(goesOn, n), leavingOnTheWay(goesOn, n)]);
    await Promise.all([cutting(goesOn), breaking(goesOn), ...workers.flat()]);
    await settled();

    const told = subscribers.reduce((sum, each) => sum + each.told.length, 0);
    const cuts = subscribers.reduce((sum, each) => sum + each.cuts, 0);
    const problems = problemsOf();
    process.stdout.write(
      `${subscribers.length} subscribers: ${told} events told, ${cuts} times cut off, ${startedAfter.size} of ${USERS} shut out and acknowledged; ${problems.length} problems\n`,
    );
    expect(problems.slice(0, 20)).toEqual([]);
    expect(cuts).toBeGreaterThan(subscribers.length / 4);
    expect(told).toBeGreaterThan(subscribers.length * 4);
    expect(startedAfter.size).toBeGreaterThan(WORKERS);
  },
  SECONDS * 1_000 + 2 * UNTIL_MS + 60_000,
);

function at(n: number): Instance {
  const instance = cluster.instances[n % cluster.instances.length];
  if (instance === undefined) throw new TypeError('there is no instance');
  return instance;
}

/** One that runs, or the next one. */
function running(): Instance {
  const up = cluster.instances.filter((instance) => instance.running);
  return up[Math.floor(Math.random() * up.length)] ?? at(0);
}

async function here(): Promise<string> {
  const [head] = await cluster.postgres.query<{ epoch: string; seq: string }>(
    'select a.epoch, h.seq from outbox_head h, authority_head a',
  );
  return `events-${head?.epoch.slice(0, 8)}-${head?.seq}`;
}

async function cutting(goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    for (let n = 0; n < CUTS; n += 1) subscribers[Math.floor(Math.random() * subscribers.length)]?.cut();
    await pause(200);
  }
}

/** One thing at a time: an instance that is killed, one that stops in good order, Redis that is killed or forgets. */
async function breaking(goesOn: () => boolean): Promise<void> {
  for (let n = 0; goesOn(); n += 1) {
    const instance = at(n);
    const faults = [
      async () => {
        await instance.kill9();
        await instance.start();
      },
      async () => {
        await cluster.redis.kill9();
        await pause(500);
        await cluster.redis.restart();
      },
      async () => {
        await instance.terminate();
        await instance.start();
      },
      () => cluster.redis.flush(),
      async () => {
        instance.redisProxy.deaf = true;
        await pause(1_000);
        instance.redisProxy.deaf = false;
      },
    ];
    await faults[n % faults.length]?.();
    await untilReady(cluster.instances);
    await pause(500);
  }
}

/** Sessions that begin, go on and end, on whatever instance runs. What fails is not told of. */
async function comingAndGoing(goesOn: () => boolean, nth: number): Promise<void> {
  for (let n = nth; goesOn(); n += WORKERS) {
    const user = users[n % users.length];
    if (user === undefined) return;
    await comeAndGo(user).catch(() => null);
  }
}

/** The session that began. */
async function comeAndGo({ email }: TestUser): Promise<string> {
  const query = `mutation ($input: SignInInput!) {
    signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } } }
  }`;
  const { data } = await ask(running().url, query, { variables: { input: { email, password: PASSWORD } } });
  if (data === null) throw new Error(`${email} could not sign in`);
  const { session, ...signedIn } = data['signIn'] as Pair & { session: { id: string } }; // the answer to what was asked
  let tokens: Pair = signedIn;
  for (let n = 0; n < REFRESHES; n += 1) tokens = await rotate(running(), tokens.refreshToken);
  await ask(running().url, SIGN_OUT, { token: tokens.accessToken });
  return session.id;
}

/** Ends the sessions of those who leave; what begins after that is not theirs to know. */
async function leavingOnTheWay(goesOn: () => boolean, nth: number): Promise<void> {
  for (let n = nth; n < users.length && goesOn(); n += WORKERS) {
    const user = users[n];
    if (user === undefined) return;
    const token = leaving.get(user.id)?.token ?? '';
    const answer = await ask(running().url, SIGN_OUT, { token }).catch(() => null);
    const { receipt } = Object(answer?.data?.['signOut']) as { receipt?: { enforced: boolean } };
    if (receipt?.enforced === true) {
      const later = await comeAndGo(user).catch(() => null);
      startedAfter.set(user.id, later === null ? [] : [later]);
    }
    await pause((SECONDS * 500 * WORKERS) / USERS);
  }
}

interface Row {
  readonly seq: string;
  readonly user: string;
}

let rows: readonly Row[] = [];

/** Until everything has its number, and whoever may know of it has been told. */
async function settled(): Promise<void> {
  await untilReady(cluster.instances);
  await until('all events have their numbers', async () => {
    const [{ waiting } = { waiting: true }] = await cluster.postgres.query<{ waiting: boolean }>(
      'select exists (select from outbox where seq is null) as waiting',
    );
    return !waiting;
  });
  rows = await cluster.postgres.query<Row>(
    `select seq, user_id as user from outbox where kind like 'session.%' and user_id is not null order by seq`,
  );
  const last = new Map(rows.map(({ seq, user }) => [user, Number(seq)]));
  await until('all who stay are told everything, and all who leave know it', () =>
    subscribers.every((each) =>
      leaves(each) ? each.ended || !startedAfter.has(each.userId) : each.last >= (last.get(each.userId) ?? 0),
    ),
  );
}

const leaves = ({ userId, session }: Subscriber): boolean => leaving.get(userId)?.sessionId === session.sessionId;

function problemsOf(): readonly string[] {
  const expected = Map.groupBy(rows, ({ user }) => user);
  return subscribers.flatMap((each, n) => {
    const numbers = each.told.map(({ position }) => numberOf(position));
    const upTo = leaves(each) ? (numbers.at(-1) ?? 0) : Infinity;
    const due = (expected.get(each.userId) ?? []).map(({ seq }) => Number(seq)).filter((seq) => seq <= upTo);
    const late = leaves(each)
      ? each.told.filter(({ sessionId = '' }) => startedAfter.get(each.userId)?.includes(sessionId) === true)
      : [];
    const problems = [...each.problems];
    if (!leaves(each) && each.ended) problems.push('shut out, though its session goes on');
    if (numbers.length !== new Set(numbers).size) problems.push('told something twice');
    if (JSON.stringify(numbers) !== JSON.stringify(due)) problems.push(`told ${numbers.join()} and not ${due.join()}`);
    if (late.length > 0) problems.push('told something after it was shut out');
    return problems.map((problem) => `subscriber ${n}: ${problem}`);
  });
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const givesUpAtMs = performance.now() + UNTIL_MS;
  while (!(await isSo())) {
    if (performance.now() > givesUpAtMs) throw new Error(`within ${UNTIL_MS} ms it was not so that ${what}`);
    await pause(50);
  }
}
