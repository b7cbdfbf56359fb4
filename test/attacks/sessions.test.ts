import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TIMING } from '../../src/domain/authority/timing.ts';
import { codesOf, createTestClock, PASSWORD, startCastellans, until } from '../support/castellan.ts';
import type { Castellans, SignedInUser } from '../support/castellan.ts';
import { accountsOn } from '../support/accounts.ts';
import { IN_FORCE, INSTANCES } from '../support/asking.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { type Door, doorsOf } from './doors.ts';
import { refreshDoorsOf, type Pair, type RefreshDoor } from './refreshing.ts';

/** What is left of a session when it has ended: nothing, at any door of any instance. */

const ME = '{ me { id } }';
const ENTITY = `query ($id: ID!) {
  _entities(representations: [{ __typename: "User", id: $id }]) { ... on User { id email } }
}`;
const REVOKE = `mutation ($id: ID!) {
  revokeSession(id: $id) { receipt { enforced instances acknowledged } position }
}`;
const DAY_MS = 86_400_000;
const GRACE_MS = 10_000;
const REVOKED = new Set(['SESSION_REVOKED', 4401]);
const CLOSED = new Set([...REVOKED, 'TOKEN_EXPIRED', 4403]);
/** Of a deleted user there is not even a session. */
const ENDED = new Set([...CLOSED, 'UNAUTHENTICATED']);

/** A session of somebody's that ends. */
interface Ending extends Pair {
  readonly user: SignedInUser;
  readonly sessionId: string;
}

const clock = createTestClock();
let castellans: Castellans;
let doors: readonly Door[];
let refreshDoors: readonly RefreshDoor[];
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  doors = doorsOf(castellans);
  refreshDoors = refreshDoorsOf(castellans);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

/** Lets time pass; resolves when every instance has made sure of what is in force since. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await until(async () => {
    const answers = await Promise.all(INSTANCES.map((instance) => castellans.ask(ME, { instance })));
    return answers.every(({ errors }) => errors.length === 0);
  });
}

/** The administrator changes something, with a token that has not run out; fails when it is refused or not in force. */
async function administrate(mutation: string, id: string): Promise<void> {
  const { accessToken: token } = await castellans.signIn(alice.email);
  const query = `mutation ($id: ID!) { done: ${mutation} { receipt { enforced instances acknowledged } } }`;
  const answer = await castellans.ask(query, { variables: { id }, token });
  expect(dataOf(answer)).toEqual({ done: { receipt: IN_FORCE } });
}

const auditOf = async (subjectId: string): Promise<readonly string[]> => {
  const query = `select action from audit_entries where subject_id = $1 and outcome = 'done' order by id`;
  return (await castellans.rows<{ action: string }>(query, subjectId)).map(({ action }) => action);
};

/** Fails if any door of any instance gives anything to the bearer of these. */
async function nothingIsLeftOf({ user, sessionId }: Ending, pairs: readonly Pair[]): Promise<void> {
  for (const { name, ask } of doors) {
    for (const { accessToken } of pairs) {
      for (const query of [ME, ENTITY]) {
        const { data, codes } = await ask(query, { id: user.id }, accessToken);
        expect({ name, data, codes: codes.filter((code) => !CLOSED.has(code as string)) }).toEqual({
          name,
          data: null,
          codes: [],
        });
      }
    }
  }
  for (const { name, refresh } of refreshDoors) {
    for (const { refreshToken } of pairs) {
      const { pair, codes } = await refresh(refreshToken, sessionId);
      expect({ name, pair, refused: ENDED.has(codes[0] as string) }).toEqual({ name, pair: null, refused: true });
    }
  }
}

async function sessionOf(user: SignedInUser): Promise<Ending> {
  return { ...(await castellans.signIn(user.email)), user };
}

test('AC-01: an access token gets nothing at any door of any instance from the receipt of its end on, for two leases', async () => {
  const victims = await Promise.all(
    INSTANCES.map(async (revoker) => ({
      ...(await castellans.signUp('bob')),
      revoker,
      acknowledgedAtMs: Infinity,
      honoured: 0,
      refused: 0,
    })),
  );
  const wrong: object[] = [];
  const time = new AbortController();
  /** One after the other without a pause. */
  const knock = async ({ name, ask }: Door): Promise<void> => {
    for (let n = 0; !time.signal.aborted; n += 1) {
      const victim = victims[n % 3] ?? fail('there are three');
      const startedAtMs = performance.now();
      const { data, codes } = await ask(n % 2 === 0 ? ME : ENTITY, { id: victim.id }, victim.accessToken);
      const isLate = startedAtMs > victim.acknowledgedAtMs;
      if (data !== null && !isLate) victim.honoured += 1;
      else if (data === null && REVOKED.has(codes[0] as string)) victim.refused += 1;
      else wrong.push({ name, codes, data, afterMs: startedAtMs - victim.acknowledgedAtMs });
    }
  };
  const knocking = doors.map(knock);
  await until(() => victims.every(({ honoured }) => honoured > doors.length));
  const admin = await castellans.signIn(alice.email);
  await Promise.all(
    victims.map(async (victim) => {
      const asked = { variables: { id: victim.sessionId }, token: admin.accessToken, instance: victim.revoker };
      const { data } = await castellans.ask(REVOKE, asked);
      victim.acknowledgedAtMs = performance.now();
      expect(data).toMatchObject({ revokeSession: { receipt: IN_FORCE } });
    }),
  );
  const endsAtMs = performance.now() + 2 * TIMING.leaseMs;
  const areTried = () => victims.every(({ refused }) => refused > doors.length);
  while (performance.now() < endsAtMs || !areTried()) await castellans.ask(ME);
  time.abort();
  await Promise.all(knocking);

  expect(wrong).toEqual([]);
}, 60_000);

describe('a refresh token that was replaced', () => {
  test('AC-10: shown after its grace through any door, it ends its family everywhere, on record', async () => {
    const user = await castellans.signUp('bob');
    const families = await Promise.all(
      refreshDoors.map(async (door) => {
        const bob = await sessionOf(user);
        const { pair } = await door.refresh(bob.refreshToken, bob.sessionId);
        return { door, bob, next: pair ?? fail(door.name) };
      }),
    );
    await pass(GRACE_MS);
    for (const { door, bob, next } of families) {
      const replayed = await door.refresh(bob.refreshToken, bob.sessionId);
      expect({ ...replayed, name: door.name }).toEqual({ ...REUSED, name: door.name });
      await refusedEverywhere(next);
      expect(await auditOf(bob.sessionId)).toEqual(['session.start', 'session.refresh', 'session.refresh_reuse']);
      const logged = 'select kind, reason from authority_log where target = $1';
      expect(await castellans.rows(logged, bob.sessionId)).toEqual([{ kind: 'revoked', reason: 'refresh_reuse' }]);
    }
    for (const { bob, next } of families.slice(-3)) await nothingIsLeftOf(bob, [bob, next]);
  }, 60_000);

  test('AC-12: the last but one, shown within grace through any door, ends its family everywhere', async () => {
    const user = await castellans.signUp('bob');
    for (const { name, refresh } of refreshDoors) {
      const bob = await sessionOf(user);
      const second = (await refresh(bob.refreshToken, bob.sessionId)).pair ?? fail(name);
      const third = (await refresh(second.refreshToken, bob.sessionId)).pair ?? fail(name);
      const replayed = await refresh(bob.refreshToken, bob.sessionId);
      expect({ ...replayed, name }).toEqual({ ...REUSED, name });
      await refusedEverywhere(third);
      expect((await auditOf(bob.sessionId)).at(-1)).toBe('session.refresh_reuse');
      if (name.startsWith('cookie')) await nothingIsLeftOf(bob, [bob, second, third]);
    }
  }, 60_000);

  const REUSED = { pair: null, codes: ['SESSION_REVOKED'], cookies: [] };

  async function refusedEverywhere({ accessToken: token }: Pair): Promise<void> {
    const answers = await Promise.all(INSTANCES.map((instance) => castellans.ask(ME, { token, instance })));
    expect(answers.map(codesOf)).toEqual(INSTANCES.map(() => ['SESSION_REVOKED']));
  }
});

describe('AC-17: refreshing', () => {
  const NEW_PASSWORD = 'a password of after all that';
  const accounts = accountsOn(() => castellans);
  const phone = () => secondFactors(castellans, clock, PASSWORD);
  const ask = async (query: string, token: string, variables: object = {}): Promise<void> => {
    dataOf(await castellans.ask(query, { token, variables, instance: 1 }));
  };

  const ENDINGS: Readonly<Record<string, (ending: Ending) => Promise<void>>> = {
    'sign-out': ({ accessToken }) => ask('mutation { signOut { position } }', accessToken),
    'its end by an administrator': ({ sessionId }) => administrate('revokeSession(id: $id)', sessionId),
    'the end of all sessions': ({ user }) => administrate('revokeAllSessions(userId: $id)', user.id),
    async 'the end of all others'({ user }) {
      const other = await castellans.signIn(user.email);
      await ask('mutation { revokeOtherSessions { position } }', other.accessToken);
    },
    async 'revocation by OAuth'({ refreshToken }) {
      const body = new URLSearchParams({ token: refreshToken });
      const { status } = await fetch(`${castellans.apps[2]?.url}/oauth/revoke`, { method: 'POST', body });
      expect(status).toBe(200);
    },
    'its user being disabled': ({ user }) => administrate('disableUser(id: $id)', user.id),
    async 'its user being disabled and enabled again'({ user }) {
      await administrate('disableUser(id: $id)', user.id);
      await administrate('enableUser(id: $id)', user.id);
    },
    'its user being deleted': ({ user }) => administrate('deleteUser(id: $id)', user.id),
    async 'a new password'({ user }) {
      const other = await castellans.signIn(user.email);
      dataOf(await accounts.change(other.accessToken, PASSWORD, NEW_PASSWORD, 1));
    },
    async 'a reset password'({ user }) {
      dataOf(await accounts.requestReset(user.email, 1));
      dataOf(await accounts.reset(await accounts.tokenFor(user.email), NEW_PASSWORD, 2));
    },
    async 'a second factor'({ user }) {
      const { accessToken } = await castellans.signIn(user.email);
      const { secret } = dataOf(await phone().begin(accessToken)).beginTotpEnrollment;
      dataOf(await phone().confirm(accessToken, phone().code(secret)));
    },
    'two weeks without use': () => pass(14 * DAY_MS + 60_000),
    async 'thirty days of use'({ sessionId, refreshToken }) {
      const [first] = refreshDoors;
      let token = refreshToken;
      for (let days = 10; days < 30; days += 10) {
        await pass(10 * DAY_MS);
        token = (await first?.refresh(token, sessionId))?.pair?.refreshToken ?? fail('it was used all the time');
      }
      await pass(10 * DAY_MS);
      const { pair, codes } = (await first?.refresh(token, sessionId)) ?? fail('no door');
      expect({ pair, codes }).toEqual({ pair: null, codes: ['TOKEN_EXPIRED'] });
    },
  };

  test('goes on through every door while the session does', async () => {
    const user = await castellans.signUp('bob');
    const bob = { ...user, user };
    let token = bob.refreshToken;
    for (const { name, refresh } of refreshDoors) {
      const { pair } = await refresh(token, bob.sessionId);
      token = pair?.refreshToken ?? fail(name);
      expect((await castellans.ask(ME, { token: pair?.accessToken ?? '', instance: 2 })).data).toEqual({
        me: { id: bob.user.id },
      });
    }
  });

  test.each(Object.entries(ENDINGS))('is refused through every door after %s', async (_, end) => {
    const user = await castellans.signUp('bob');
    const bob = { ...user, user };
    await end(bob);
    await nothingIsLeftOf(bob, [bob]);
  });
});

function fail(what: string): never {
  throw new Error(`it was refused: ${what}`);
}
