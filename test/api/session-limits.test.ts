import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Client } from 'pg';
import { EVERYWHERE, extensionsOf, NOWHERE } from '../support/asking.ts';
import {
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  startCastellans,
  until,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { listening } from '../support/session-events.ts';

jest.setTimeout(180_000);

const LIMIT = 10;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { accessToken session { id } } }
}`;
const REFUSED = { code: 'FORBIDDEN', reason: 'session_limit' };

let ending: Castellans;
let refusing: Castellans;
let clock: TestClock;

beforeAll(async () => {
  clock = createTestClock();
  ending = await startCastellans(5, { settings: { sessionsPerUser: LIMIT } });
  refusing = await startCastellans(3, { clock, settings: { sessionsPerUser: 3, sessionsOverLimit: 'refuse' } });
});

afterAll(() => Promise.all([ending?.close(), refusing?.close()]));

const signIn = (castellans: Castellans, email: string, instance = 0, password = PASSWORD) =>
  castellans.ask(SIGN_IN, { variables: { input: { email, password } }, instance });

/** Signs in, and again where too many do so at once; how it ended. */
async function outcome(castellans: Castellans, email: string, instance: number): Promise<string> {
  const [refused] = extensionsOf(await signIn(castellans, email, instance));
  if (refused === undefined) return 'started';
  const {
    code,
    reason = '',
    retryAfterSeconds = Infinity,
  } = refused as {
    code: string;
    reason?: string;
    retryAfterSeconds?: number;
  };
  // What is to be asked again at once is busy; a longer wait would be for wrong passwords, of which there are none.
  return retryAfterSeconds <= 5 ? outcome(castellans, email, instance) : `${code} ${reason}`.trim();
}

/** So many sign-ins at once on each of so many instances, how each of them ended, and how many were live meanwhile at most. */
async function signInAtOnce(castellans: Castellans, { id, email }: SignedInUser, instances: number, each: number) {
  // Apart from the instances, whose own connections are all in use.
  const watcher = new Client({ connectionString: castellans.databaseUrl });
  await watcher.connect();
  const text = 'select count(*)::int as live from sessions where user_id = $1 and revoked_at is null';
  const over = new AbortController();
  let most = 0;
  const all = Array.from({ length: instances * each }, (_, n) => outcome(castellans, email, n % instances));
  const outcomes = Promise.all(all).finally(() => over.abort());
  while (!over.signal.aborted) {
    const { rows } = await watcher.query<{ live: number }>(text, [id]);
    most = Math.max(most, rows[0]?.live ?? 0);
    await new Promise(setImmediate);
  }
  await watcher.end();
  return { outcomes: await outcomes, most };
}

const sessionsOf = (castellans: Castellans, userId: string) =>
  castellans.rows<{ id: string; reason: string | null }>(
    'select id, revoked_reason as reason from sessions where user_id = $1 order by created_at, id',
    userId,
  );

async function liveOf(castellans: Castellans, userId: string): Promise<readonly string[]> {
  return (await sessionsOf(castellans, userId)).filter(({ reason }) => reason === null).map(({ id }) => id);
}

const accepted = (castellans: Castellans, { accessToken }: Pick<SignedInUser, 'accessToken'>) =>
  Promise.all(
    [0, 1, 2].map(async (instance) => {
      const answer = await castellans.ask('{ me { id } }', { token: accessToken, instance });
      return answer.errors.length === 0;
    }),
  );

describe('one session more than a user may have', () => {
  test('ends the oldest on every instance and socket before it begins, and no other', async () => {
    const bob = await ending.signUp('bob');
    const others: Awaited<ReturnType<Castellans['signIn']>>[] = [];
    for (let n = 1; n < LIMIT; n += 1) others.push(await ending.signIn(bob.email, n % 5));
    expect(await accepted(ending, bob)).toEqual(EVERYWHERE);
    const client = ending.connect({ token: bob.accessToken, instance: 4 });
    const events = await listening(ending, 4, () =>
      collect(client, 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }'),
    );

    const last = await ending.signIn(bob.email, 1);
    expect(await accepted(ending, bob)).toEqual(NOWHERE);
    for (const each of [...others, last]) expect(await accepted(ending, each)).toEqual(EVERYWHERE);
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } });
    expect((await sessionsOf(ending, bob.id))[0]).toEqual({ id: bob.sessionId, reason: 'session_limit' });
    const recorded = await ending.rows<object>(
      `select a.by, a.session_id as session, a.after, l.kind, l.reason from audit_entries a
       join authority_log l on l.target = a.subject_id where a.subject_id = $1 and a.action = 'session.revoke'`,
      bob.sessionId,
    );
    expect(recorded).toEqual([
      {
        by: bob.id,
        session: last.sessionId,
        after: { reason: 'session_limit' },
        kind: 'revoked',
        reason: 'session_limit',
      },
    ]);
  });

  test('never comes to be, however many sign in at once on five instances', async () => {
    const bob = await ending.signUp('bob');
    const { outcomes, most } = await signInAtOnce(ending, bob, 5, 20);
    // What has begun may have ended again, for the sake of the next, before its user was told of it.
    expect(outcomes.filter((each) => each !== 'started' && each !== 'SESSION_REVOKED')).toEqual([]);
    expect(most).toBeLessThanOrEqual(LIMIT);
    expect(await liveOf(ending, bob.id)).toHaveLength(LIMIT);
    const all = await sessionsOf(ending, bob.id);
    expect(all.filter(({ reason }) => reason === 'session_limit')).toHaveLength(all.length - LIMIT);
    expect(all.length).toBeGreaterThanOrEqual(101);
  });

  test('takes the place of one that ended, and of no other user', async () => {
    const [bob, carol] = [await ending.signUp('bob'), await ending.signUp('carol')];
    for (let n = 1; n < LIMIT; n += 1) await ending.signIn(bob.email);
    const revoke = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
    const before = await liveOf(ending, bob.id);
    await ending.ask(revoke, { variables: { id: before[4] }, token: bob.accessToken });
    await ending.signIn(bob.email, 2);
    expect(await accepted(ending, bob)).toEqual(EVERYWHERE);
    expect(await accepted(ending, carol)).toEqual(EVERYWHERE);
  });

  test('is not counted against those that have come to their end', async () => {
    const bob = await ending.signUp('bob');
    await ending.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
       select 'sess_over' || n, $1, now() - interval '2 days', now() - interval '1 day', ''
       from generate_series(1, 20) as n`,
      bob.id,
    );
    await ending.signIn(bob.email);
    expect((await sessionsOf(ending, bob.id)).filter(({ reason }) => reason !== null)).toEqual([]);
  });

  test('ends all that are too many, where fewer may be than there are', async () => {
    const bob = await ending.signUp('bob');
    await ending.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash)
       select 'sess_lower' || n, $1, now() - n * interval '1 minute', now() + interval '1 day', ''
       from generate_series(1, 30) as n`,
      bob.id,
    );
    await ending.signIn(bob.email, 3);
    const left = await liveOf(ending, bob.id);
    expect(left).toHaveLength(LIMIT);
    expect(left).toContain(bob.sessionId);
    expect(left).toContain('sess_lower8');
    expect(left).not.toContain('sess_lower9');
  });

  test('leaves nothing that the ended one was asked for half done', async () => {
    const both = [await ending.signUp('ada', ['administrator']), await ending.signUp('eve', ['administrator'])];
    const [victim, ada] = both.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (victim === undefined || ada === undefined) throw new TypeError('not two');
    for (let n = 1; n < LIMIT; n += 1) await ending.signIn(ada.email);
    const holder = new Client({ connectionString: ending.databaseUrl });
    await holder.connect();
    await holder.query('begin');
    await holder.query('select id from users where id = $1 for update', [victim.id]);
    const disable = 'mutation ($id: ID!) { disableUser(id: $id) { user { id } } }';
    const pending = ending.ask(disable, { variables: { id: victim.id }, token: ada.accessToken, instance: 1 });
    await until(async () => {
      const text = `select count(*)::int as waiting from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.datname = current_database()`;
      return (await ending.rows<{ waiting: number }>(text))[0]?.waiting === 1;
    });
    await ending.signIn(ada.email, 2);
    await holder.query('commit');
    await holder.end();
    expect(codesOf(await pending)).toEqual(['SESSION_REVOKED']);
    expect(await ending.rows('select status from users where id = $1', victim.id)).toEqual([{ status: 'active' }]);
  });

  test('asks for nothing more than a look as long as there is room', async () => {
    const bob = await ending.signUp('bob');
    // By what it is about: of others something may come to its end meanwhile.
    const recorded = () => ending.rows('select seq from authority_log where $1 in (target, user_id)', bob.id);
    const before = await recorded();
    await ending.signIn(bob.email);
    expect(await recorded()).toEqual(before);
  });
});

describe('one session more, where that is refused', () => {
  test('does not start, and says what to do; with the wrong password nothing is told', async () => {
    const bob = await refusing.signUp('bob');
    for (const instance of [1, 2]) await refusing.signIn(bob.email, instance);
    const before = await refusing.recorded();
    const answer = await signIn(refusing, bob.email, 2);
    expect(extensionsOf(answer)).toEqual([REFUSED]);
    expect(answer.errors[0]?.message).toContain('End another one first');
    expect(codesOf(await signIn(refusing, bob.email, 1, 'not the password of bob'))).toEqual(['UNAUTHENTICATED']);
    expect(await refusing.recorded()).toEqual(before);
    expect(await accepted(refusing, bob)).toEqual(EVERYWHERE);

    await refusing.ask('mutation { signOut { receipt { enforced } } }', { token: bob.accessToken });
    expect(extensionsOf(await signIn(refusing, bob.email))).toEqual([]);
  });

  test('never comes to be, however many sign in at once on three instances', async () => {
    const bob = await refusing.signUp('bob');
    const { outcomes, most } = await signInAtOnce(refusing, bob, 3, 10);
    expect(most).toBeLessThanOrEqual(3);
    expect(outcomes.filter((each) => each === 'started')).toHaveLength(2);
    expect(outcomes.filter((each) => each !== 'started')).toEqual(
      Array.from({ length: 28 }, () => 'FORBIDDEN session_limit'),
    );
    expect(await liveOf(refusing, bob.id)).toHaveLength(3);
  });

  test('is told only to who has the second factor, and uses nothing of it up', async () => {
    const app = secondFactors(refusing, clock, PASSWORD);
    const bob = await app.enrolled('bob');
    const other = await app.signInWith(bob);
    await app.signInWith(bob);
    const challenge = await app.challengeOf(bob.email);
    const code = await app.nextCode(bob.secret);
    const wrong = await app.verify(challenge, app.wrongCode(bob.secret), 1);
    expect(codesOf(wrong)).not.toEqual(['FORBIDDEN']);
    expect(wrong.errors).toHaveLength(1);
    expect(extensionsOf(await app.verify(challenge, code, 2))).toEqual([REFUSED]);

    const end = await refusing.ask('mutation { signOut { receipt { enforced } } }', { token: other.accessToken });
    expect(end.errors).toEqual([]);
    expect(dataOf(await app.verify(challenge, code, 1)).verifyMfa.session.aal).toBe(2);
    expect(await liveOf(refusing, bob.id)).toHaveLength(3);
  });
});
