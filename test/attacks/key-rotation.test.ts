import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Clock, systemClock } from '../../src/kit/clock.ts';
import { withDeadline } from '../../src/kit/deadline.ts';
import { codesOf, createTestClock, PASSWORD, startCastellans, until } from '../support/castellan.ts';
import type { Castellans, SignedInUser } from '../support/castellan.ts';
import { EVERYWHERE, IN_FORCE, INSTANCES, onEveryInstance } from '../support/asking.ts';
import { type Genuine, kidOf, stolen } from '../support/forged-tokens.ts';
import { dataOf } from '../support/second-factors.ts';
import { doorsOf } from './doors.ts';

/** Signing keys change under load, on three instances of which no two have the same time. */

const ROTATIONS = Number(process.env['KEY_ROTATIONS'] ?? 20);
/** Two for each instance: of a session, one refresh at a time, since its grace goes by the clocks that differ here. */
const SESSIONS = 6;
/**
 * By how much each instance's clock is ahead, nearly as much as clocks may differ; what is done between two of them has as long.
 * The fastest one starts first, and makes the first key.
 */
const AHEAD_MS = [20_000, 0, -20_000];
const [FASTEST_MS, SLOWEST_MS] = [Math.max(...AHEAD_MS), Math.min(...AHEAD_MS)];
const WAIT_MS = 20_000;
const ME = '{ me { id } }';
const KEYS = '{ signingKeys { id state signsFrom verifiesUntil } }';
const ROTATE = `mutation {
  done: rotateSigningKey { signingKey { id state signsFrom } receipt { enforced instances acknowledged } }
}`;
const REVOKE = `mutation ($kid: ID!) {
  done: revokeSigningKey(kid: $kid) { signingKey { id state signsFrom } receipt { enforced instances acknowledged } }
}`;
const REFRESH = `mutation ($token: String!) {
  refreshSession(refreshToken: $token) { accessToken refreshToken expiresAt }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { accessToken } } }`;

interface Key {
  readonly id: string;
  readonly state: string;
  readonly signsFrom: string;
}

interface Issued {
  readonly userId: string;
  readonly token: string;
  readonly kid: string;
  readonly instance: number;
  readonly expiresAtMs: number;
}

/** A session that is refreshed all the time, and what it was given. */
interface Client {
  readonly userId: string;
  refreshToken: string;
  issued: readonly Issued[];
}

const clock = createTestClock();
let castellans: Castellans;
let alice: SignedInUser;
let clients: readonly Client[];
const counts = { issued: 0, accepted: 0, forged: 0 };

beforeAll(async () => {
  const clocks = AHEAD_MS.map((aheadMs): Clock => ({ ...clock, now: () => clock.now() + aheadMs }));
  castellans = await within('the start of three instances', startCastellans(3, { clocks }));
  alice = await castellans.signUp('alice', ['administrator']);
  const bob = await castellans.signUp('bob');
  clients = await Promise.all(
    Array.from({ length: SESSIONS }, async (_, n): Promise<Client> => {
      const { refreshToken } = await castellans.signIn(bob.email, n % 3);
      return { userId: bob.id, refreshToken, issued: [] };
    }),
  );
}, 60_000);

afterAll(() => castellans?.close());

/** What hangs fails, and says what it was. */
function within<T>(what: string, promise: Promise<T>): Promise<T> {
  return withDeadline(systemClock, promise, WAIT_MS, what);
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await until(() => castellans.apps.every(({ services }) => services.tail.inForce()));
}

/** Until the clock that is right says so. */
const passUntil = (epochMs: number): Promise<void> => pass(Math.max(0, epochMs - clock.now()));

async function administratorToken(instance = 0): Promise<string> {
  return (await castellans.signIn(alice.email, instance)).accessToken;
}

async function refresh(client: Client, instance: number): Promise<Issued> {
  const { refreshSession } = dataOf(
    await castellans.ask<{ refreshSession: { accessToken: string; refreshToken: string; expiresAt: string } }>(
      REFRESH,
      { variables: { token: client.refreshToken }, instance },
    ),
  );
  const { accessToken: token, refreshToken, expiresAt } = refreshSession;
  client.refreshToken = refreshToken;
  counts.issued += 1;
  return { userId: client.userId, token, kid: kidOf(token), instance, expiresAtMs: Date.parse(expiresAt) };
}

/** Whether each instance takes the token. */
const accepted = (token: string): Promise<readonly boolean[]> =>
  onEveryInstance(async (instance) => {
    const { data, errors } = await castellans.ask<{ me: object | null }>(ME, { token, instance });
    return errors.length === 0 && data?.me !== null;
  });

/** Half of the sessions are refreshed, and each instance is shown their newest token and the oldest that no clock has ended. */
async function burst(turn: number): Promise<readonly Issued[]> {
  const half = clients.filter((_, n) => n % 2 === turn % 2);
  const fresh = half.map(async (client, n) => {
    const newest = await refresh(client, (n + turn) % 3);
    client.issued = [...client.issued, newest].filter(
      ({ expiresAtMs }) => expiresAtMs > clock.now() + FASTEST_MS + 5_000,
    );
    for (const issued of new Set([newest, client.issued[0] ?? newest])) {
      const taken = await accepted(issued.token);
      expect({ ...issued, taken }).toEqual({ ...issued, taken: EVERYWHERE });
      counts.accepted += taken.length;
    }
    return newest;
  });
  return within('a burst of refreshes', Promise.all(fresh));
}

/** The keys that each instance publishes. */
const published = (): Promise<readonly string[]> =>
  onEveryInstance(async (instance) => {
    const response = await fetch(`${castellans.apps[instance]?.url}/.well-known/jwks.json`);
    const { keys } = (await response.json()) as { keys: readonly { kid: string }[] };
    return keys
      .map(({ kid }) => kid)
      .toSorted()
      .join();
  });

/** A token that says what a fresh one would, signed with a key that is none any more. */
function forgedWith({ signed, header, payload }: Genuine): string {
  const iat = Math.floor((clock.now() + SLOWEST_MS) / 1_000);
  counts.forged += 1;
  return signed(
    JSON.stringify(header),
    JSON.stringify({ ...payload, iat, exp: iat + 290, jti: String(counts.forged) }),
  );
}

/** Which key each instance signs with. */
const signers = (issued: readonly Issued[]): readonly string[] =>
  INSTANCES.map((instance) =>
    [...new Set(issued.filter((each) => each.instance === instance).map(({ kid }) => kid))].join(),
  );

describe('AC-29: with clocks that differ', () => {
  test('every instance starts, whether the time of the first key has come for it or not, and all sign with that key', async () => {
    const issued = await burst(0);
    expect(new Set(issued.map(({ kid }) => kid)).size).toBe(1);
    const { signingKeys } = dataOf(
      await castellans.ask<{ signingKeys: readonly Key[] }>(KEYS, { token: await administratorToken(2), instance: 2 }),
    );
    expect(signingKeys).toMatchObject([{ id: issued[0]?.kid, state: 'signing', verifiesUntil: null }]);
  });

  test(
    `a key that rotates ${ROTATIONS} times under load: no valid token is refused, and no retired key is taken`,
    async () => {
      const retired: Genuine[] = [];
      for (let round = 0; round < ROTATIONS; round += 1) {
        const [first] = await burst(round);
        const old = await stolen(castellans, first?.token ?? '');
        expect(await accepted(forgedWith(old))).toEqual(EVERYWHERE);

        const instance = round % 3;
        const token = await administratorToken(instance);
        const [{ done }] = await Promise.all([
          castellans
            .ask<{ done: { signingKey: Key; receipt: object } }>(ROTATE, { token, instance })
            .then((answer) => dataOf(answer)),
          burst(round),
          burst(round + 1),
        ]);
        const { signingKey: next, receipt } = done;
        expect({ receipt, state: next.state }).toEqual({ receipt: IN_FORCE, state: 'published' });
        const both = [old.kid, next.id].toSorted().join();
        await until(async () => (await published()).every((kids) => kids === both));

        // From the last moment at which all sign with the old key to the first at which all sign with the new one.
        const signsFromMs = Date.parse(next.signsFrom);
        for (const [afterMs, expected] of [
          [-30_000, [old.kid, old.kid, old.kid]],
          [-10_000, [next.id, old.kid, old.kid]],
          [10_000, [next.id, next.id, old.kid]],
          [30_000, [next.id, next.id, next.id]],
        ] as const) {
          await passUntil(signsFromMs + afterMs);
          expect(signers(await burst(round))).toEqual(expected);
        }
        // What the old key signed last is about to end.
        await passUntil(signsFromMs + 255_000);
        await burst(round + 1);
        await passUntil(signsFromMs + 360_000 - SLOWEST_MS + 1_000);
        expect(await published()).toEqual(INSTANCES.map(() => next.id));
        retired.push(old);
        for (const genuine of retired.slice(-3)) expect(await accepted(forgedWith(genuine))).not.toContain(true);
      }
      for (const { ask } of doorsOf(castellans)) {
        for (const genuine of retired) expect((await ask(ME, {}, forgedWith(genuine))).data).toBeNull();
      }
      expect(retired).toHaveLength(ROTATIONS);
      expect(counts.accepted).toBeGreaterThan(ROTATIONS * SESSIONS * 8);
    },
    Math.max(90_000, ROTATIONS * 5_000),
  );

  test('AC-30: a key that an instance revokes whose clock is ahead, or behind, is replaced on all others at once', async () => {
    for (const instance of INSTANCES) {
      const [first] = await burst(instance);
      const kid = first?.kid ?? '';
      const stolenKey = await stolen(castellans, first?.token ?? '');
      const token = await administratorToken(instance);
      const { done } = dataOf(
        await castellans.ask<{ done: { receipt: object } }>(REVOKE, { variables: { kid }, token, instance }),
      );
      expect(done).toMatchObject({ receipt: IN_FORCE, signingKey: { id: kid, state: 'revoked' } });
      expect(await accepted(forgedWith(stolenKey))).not.toContain(true);
      // Nobody waits for the clock of who replaced it.
      const signedIn = await onEveryInstance((at) =>
        castellans.ask<{ signIn: { accessToken: string } }>(SIGN_IN, {
          variables: { input: { email: alice.email, password: PASSWORD } },
          instance: at,
        }),
      );
      expect(signedIn.map(codesOf)).toEqual(INSTANCES.map(() => []));
      for (const answer of signedIn) {
        const { accessToken } = dataOf(answer).signIn;
        expect(kidOf(accessToken)).not.toBe(kid);
        expect(await accepted(accessToken)).toEqual(EVERYWHERE);
      }
      for (const client of clients) client.issued = [];
      await burst(instance);
    }
  });

  test('AC-30: what the successor of a revoked key signed is taken by an instance that is still reading it', async () => {
    const [first] = await burst(0);
    const held = holdKeys(2);
    const token = await administratorToken();
    const variables = { kid: first?.kid };
    const revoked = await within('the revocation', castellans.ask(REVOKE, { variables, token, instance: 1 }));
    expect(revoked.data).toMatchObject({ done: { receipt: IN_FORCE } });
    await within('the reading of the keys', held.asked);
    const { accessToken } = await castellans.signIn(alice.email, 1);
    const answer = castellans.ask(ME, { token: accessToken, instance: 2 });
    const unknown = castellans.ask(ME, { token: first?.token ?? '', instance: 2 });
    held.go();
    expect((await within('an answer', answer)).data).toEqual({ me: { id: alice.id } });
    expect((await within('a refusal', unknown)).data).toBeNull();
  });
});

/** Holds back what the instance reads of the keys, as a slow network would, until it is let go. */
function holdKeys(instance: number): { readonly asked: Promise<void>; readonly go: () => void } {
  const pool = castellans.apps[instance]?.database.pool;
  if (pool === undefined) throw new TypeError(`there is no instance ${instance}`);
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
  Object.assign(pool, {
    query: async (...args: readonly unknown[]) => {
      const { name } = Object(args[0]) as { name?: unknown };
      if (name === 'signing-key-all') {
        asked.resolve();
        await go.promise;
      }
      return query(...args);
    },
  });
  return {
    asked: asked.promise,
    go(): void {
      Reflect.deleteProperty(pool, 'query');
      go.resolve();
    },
  };
}
