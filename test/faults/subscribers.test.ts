import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PASSWORD } from '../support/castellan.ts';
import { ask, closeConnections, signIn, type SignedInSession } from './clients.ts';
import { addUsers, type Cluster, type Instance, startCluster, type TestUser } from './cluster.ts';
import { type Pair, rotate, untilReady } from './session-steps.ts';
import { problemsOf } from './feed-checker.ts';
import { numberOf, revocationsWith, sessionsWith, Subscriber } from './subscriber.ts';

/** A thousand subscribers of three instances, and other subgraphs that listen to revocations, who are cut off at random while instances and Redis are killed. */

const FULL = process.env['CASTELLAN_FAULTS'] === 'full';
const SECONDS = Number(process.env['SUBSCRIBERS_SECONDS'] ?? (FULL ? 600 : 20));
const USERS = 100;
/** Of each user: in a session that stays, and in one that is revoked on the way. */
const STAYING = 8;
const LEAVING = 2;
/** In the first third, and long before their tokens end by themselves: what ends then is no answer to whether they were shut out. */
const LEAVING_MS = Math.min(SECONDS / 3, 150) * 1_000;
const LISTENERS = 10;
const CUTS = 10;
/** At once: a change waits until the lease of an instance that was killed has run out. */
const WORKERS = 12;
const REFRESHES = 3;
const SIGN_OUT = 'mutation { signOut { receipt { enforced } } }';
const UNTIL_MS = 60_000;

let cluster: Cluster;
let users: readonly TestUser[];

/** Who is told, and of whose sessions; of those who leave, the end of their own is one of them. */
interface Follower {
  readonly userId: string;
  readonly leaves: boolean;
  readonly subscriber: Subscriber;
}

const followers: Follower[] = [];
const listeners: Subscriber[] = [];
/** What the last event that was written by then was written as, when the end of the session of those who leave was acknowledged: by user. */
const lastWritten = new Map<string, number>();
const leaving = new Map<string, SignedInSession>();
/** Access tokens live for 300 s: those who stay have fresh ones long before, as clients do. */
const RENEWED_MS = 120_000;
/** So many are renewed at once. */
const RENEWERS = 4;
const staying = new Map<string, Renewed>();

interface Renewed extends SignedInSession {
  readonly sinceMs: number;
}

beforeAll(async () => {
  // Whoever is cut off while it signs out leaves a session behind, and one too many would end that which is followed in.
  cluster = await startCluster(3, { SESSIONS_PER_USER: '10000' });
  users = await addUsers(cluster, USERS);
}, 60_000);

afterAll(async () => {
  await Promise.all(everybody().map((subscriber) => subscriber.stop()));
  closeConnections();
  await cluster?.close();
}, 60_000);

test(
  `${USERS * (STAYING + LEAVING)} subscribers over ${SECONDS} s of faults are told each event once and in order, and nothing once they are shut out`,
  async () => {
    const after = await here();
    for (const [n, user] of users.entries()) {
      staying.set(user.id, { ...(await signIn(at(n).url, user.email)), sinceMs: performance.now() });
      leaving.set(user.id, await signIn(at(n + 1).url, user.email));
      for (let k = 0; k < STAYING + LEAVING; k += 1) {
        const sessions = k < STAYING ? staying : leaving;
        const token = () => sessions.get(user.id)?.token ?? '';
        const subscriber = new Subscriber(cluster.instances, sessionsWith(token), after);
        followers.push({ userId: user.id, leaves: k >= STAYING, subscriber });
      }
    }
    const [apiKey, from] = [await addListener(), await head()];
    for (let k = 0; k < LISTENERS; k += 1) {
      listeners.push(new Subscriber(cluster.instances, revocationsWith(apiKey), from));
    }
    for (const subscriber of everybody()) subscriber.start();
    await untilNone('who is told nothing', () => followers.filter(({ subscriber }) => subscriber.told.length === 0));

    const endsAtMs = performance.now() + SECONDS * 1_000;
    const goesOn = (): boolean => performance.now() < endsAtMs;
    const workers = Array.from({ length: WORKERS }, (_, n) => [comingAndGoing(goesOn, n), leavingOnTheWay(goesOn, n)]);
    const renewers = Array.from({ length: RENEWERS }, (_, n) => renewing(goesOn, n));
    await Promise.all([cutting(goesOn), breaking(goesOn), ...renewers, ...workers.flat()]);
    await settled();

    const told = followers.reduce((sum, { subscriber }) => sum + subscriber.told.length, 0);
    const heard = listeners.reduce((sum, each) => sum + each.told.length, 0);
    const cuts = everybody().reduce((sum, each) => sum + each.cuts, 0);
    const problems = [...problemsOfFollowers(), ...(await problemsOfListeners(from))];
    process.stdout.write(
      `${followers.length} subscribers: ${told} events told, ${LISTENERS} listeners: ${heard} changes told; ${cuts} times cut off, ${lastWritten.size} of ${USERS} shut out and acknowledged; ${problems.length} problems\n`,
    );
    expect(problems.slice(0, 20)).toEqual([]);
    expect(cuts).toBeGreaterThan(followers.length / 4);
    expect(told).toBeGreaterThan(followers.length * 4);
    expect(heard).toBeGreaterThan(LISTENERS * WORKERS);
    expect(lastWritten.size).toBeGreaterThan(WORKERS);
    expect(followers.filter(({ subscriber }) => subscriber.ended).length).toBeGreaterThan(lastWritten.size);
  },
  SECONDS * 1_000 + 2 * UNTIL_MS + 60_000,
);

function everybody(): readonly Subscriber[] {
  return [...followers.map(({ subscriber }) => subscriber), ...listeners];
}

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

/** Where the authority log is. */
async function head(): Promise<string> {
  const [row] = await cluster.postgres.query<{ epoch: string; seq: string }>('select epoch, seq from authority_head');
  return `${row?.epoch.slice(0, 8)}-${row?.seq}`;
}

/** The API key of another subgraph. */
async function addListener(): Promise<string> {
  const { token } = await signIn(at(0).url, 'admin@castellan.local');
  async function done<T>(query: string, variables: object = {}): Promise<T> {
    const { data, codes } = await ask(at(0).url, query, { token, variables });
    if (data === null) throw new Error(`there is no listener: ${codes.join()}`);
    return data['it'] as T; // the answer to what was asked
  }
  const { made } = await done<{ made: { id: string } }>(
    'mutation { it: createServiceAccount(input: { name: "sibling" }) { made: serviceAccount { id } } }',
  );
  const role = await done<{ id: string }>('{ it: role(name: "listener") { id } }');
  await done('mutation ($id: ID!, $role: ID!) { it: grantRole(principalId: $id, roleId: $role) { position } }', {
    id: made.id,
    role: role.id,
  });
  const { secret } = await done<{ secret: string }>(
    'mutation ($id: ID!) { it: createApiKey(input: { name: "of it", serviceAccountId: $id }) { secret } }',
    { id: made.id },
  );
  return secret;
}

async function cutting(goesOn: () => boolean): Promise<void> {
  const all = everybody();
  while (goesOn()) {
    for (const listener of listeners) if (Math.random() < 0.1) listener.cut();
    for (let n = 0; n < CUTS; n += 1) all[Math.floor(Math.random() * all.length)]?.cut();
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

async function renewing(goesOn: () => boolean, nth: number): Promise<void> {
  for (; goesOn(); await pause(250)) await renewOlder(RENEWED_MS, nth);
  // Whoever waits to be told the last of it needs a token that is good until then: a renewal is an event, and would be one more.
  await renewOlder(RENEWED_MS / 4, nth);
}

async function renewOlder(ms: number, nth: number): Promise<void> {
  for (let n = nth; n < users.length; n += RENEWERS) {
    const user = users[n];
    const known = user === undefined ? undefined : staying.get(user.id);
    if (user === undefined || known === undefined || performance.now() - known.sinceMs < ms) continue;
    // A refresh token is good once: whether one whose answer was lost has been used nobody knows, and it is not shown again.
    staying.set(user.id, { ...known, refreshToken: '' });
    const renewed = await renew(user, known).catch(() => null);
    if (renewed !== null) staying.set(user.id, { ...renewed, sinceMs: performance.now() });
  }
}

async function renew({ email }: TestUser, { sessionId, refreshToken }: SignedInSession): Promise<SignedInSession> {
  const pair = refreshToken === '' ? null : await rotate(running(), refreshToken).catch(() => null);
  if (pair === null) return signIn(running().url, email);
  return { sessionId, token: pair.accessToken, refreshToken: pair.refreshToken };
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

/** What the last event was written as that is written by now, whether or not it is committed. */
async function written(): Promise<number> {
  const [row] = await cluster.postgres.query<{ last: string }>('select last_value as last from outbox_id_seq');
  return Number(row?.last);
}

/** Ends the sessions of those who leave; what begins after that is not theirs to know. */
async function leavingOnTheWay(goesOn: () => boolean, nth: number): Promise<void> {
  const startedMs = performance.now();
  for (let n = nth; n < users.length && goesOn(); n += WORKERS) {
    const user = users[n];
    if (user === undefined) return;
    const token = leaving.get(user.id)?.token ?? '';
    const answer = await ask(running().url, SIGN_OUT, { token }).catch(() => null);
    const { receipt } = Object(answer?.data?.['signOut']) as { receipt?: { enforced: boolean } };
    if (receipt?.enforced === true) {
      const last = await written().catch(() => null);
      if (last !== null) lastWritten.set(user.id, last);
      await comeAndGo(user).catch(() => null);
    }
    // By the clock: a receipt takes seconds where an instance was killed.
    await pause(Math.max(0, startedMs + ((n + WORKERS) / USERS) * LEAVING_MS - performance.now()));
  }
}

interface Row {
  readonly seq: string;
  readonly id: string;
  readonly user: string;
}

let rows: readonly Row[] = [];

/** Until everything has its number, and whoever may know of it has been told. */
async function settled(): Promise<void> {
  await untilReady(cluster.instances);
  await untilNone('without its number', () => cluster.postgres.query('select id from outbox where seq is null'));
  rows = await cluster.postgres.query<Row>(
    `select seq, id, user_id as user from outbox where kind like 'session.%' and user_id is not null order by seq`,
  );
  const last = new Map(rows.map(({ seq, user }) => [user, Number(seq)]));
  await untilNone('who stays and is not told everything, or leaves and does not know it', () =>
    followers.filter(({ userId, leaves, subscriber }) =>
      // Whoever was cut off until the token had ended as well is told that, and nothing else.
      leaves
        ? !subscriber.ended && !subscriber.expired && lastWritten.has(userId)
        : subscriber.last < (last.get(userId) ?? 0),
    ),
  );
  const end = numberOf(await head());
  await untilNone('that is not told everything', () => listeners.filter((each) => each.last < end));
}

const historyOf = ({ told, ended, problems }: Subscriber) => ({
  numbers: told.map(({ position }) => numberOf(position)),
  ended,
  problems,
});

function problemsOfFollowers(): readonly string[] {
  const due = Map.groupBy(
    rows.map(({ seq, id, user }) => ({ seq: Number(seq), writtenAs: Number(id), user })),
    ({ user }) => user,
  );
  return followers.flatMap(({ userId, leaves, subscriber }, n) => {
    const after = leaves ? (lastWritten.get(userId) ?? null) : undefined;
    const problems = problemsOf(historyOf(subscriber), due.get(userId) ?? [], after);
    return problems.map((problem) => `subscriber ${n}: ${problem}`);
  });
}

async function problemsOfListeners(from: string): Promise<readonly string[]> {
  const log = await cluster.postgres.query<{ seq: string }>(
    'select seq from authority_log where seq > $1 order by seq',
    [numberOf(from)],
  );
  const due = log.map(({ seq }) => ({ seq: Number(seq), writtenAs: Number(seq) }));
  return listeners.flatMap((listener, n) =>
    problemsOf(historyOf(listener), due).map((problem) => `listener ${n}: ${problem}`),
  );
}

/** @param who those of whom it is so yet */
async function untilNone(what: string, who: () => readonly object[] | Promise<readonly object[]>): Promise<void> {
  const givesUpAtMs = performance.now() + UNTIL_MS;
  for (let left = await who(); left.length > 0; left = await who()) {
    if (performance.now() > givesUpAtMs) {
      throw new Error(`after ${UNTIL_MS} ms there were ${left.length} ${what}: ${inspect(left.slice(0, 3))}`);
    }
    await pause(50);
  }
}
