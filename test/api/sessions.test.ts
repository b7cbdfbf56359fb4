import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  askOver,
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  until,
  type Answer,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const SIGN_IN = `mutation ($email: String!, $password: String!) {
  signIn(input: { email: $email, password: $password }) {
    ... on SignedIn { accessToken refreshToken expiresAt position session { id current userAgent } user { id email } }
  }
}`;
const REFRESH = `mutation ($token: String!) {
  refreshSession(refreshToken: $token) { accessToken refreshToken session { id } user { id } }
}`;
const REVOKE = `mutation ($id: ID!) {
  revokeSession(id: $id) {
    session { id revokedAt revokedReason }
    receipt { enforced position instances acknowledged waitedMs }
    position
  }
}`;
const SIGN_OUT = `mutation {
  signOut { session { id revokedReason } receipt { enforced instances acknowledged } }
}`;

interface Receipt {
  readonly enforced: boolean;
  readonly position: string;
  readonly instances: number;
  readonly acknowledged: number;
}
type Revoked = {
  readonly revokeSession: {
    readonly session: { readonly id: string; readonly revokedAt: string; readonly revokedReason: string };
    readonly receipt: Receipt;
    readonly position: string;
  };
};
type Refreshed = { readonly refreshSession: { readonly accessToken: string; readonly refreshToken: string } };

let clock: TestClock;
let castellans: Castellans;
let alice: SignedInUser;
let mallory: SignedInUser;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
  mallory = await castellans.signUp('mallory');
});

afterAll(() => castellans.close());

/** Time in this file runs ahead, and what was signed long ago has expired. */
async function fresh(user: SignedInUser): Promise<SignedInUser> {
  return { ...user, ...(await castellans.signIn(user.email)) };
}

const signIn = (email: string, password: string, instance = 0) =>
  castellans.ask(SIGN_IN, { variables: { email, password }, instance });

const refresh = (token: string, instance = 0) => castellans.ask<Refreshed>(REFRESH, { variables: { token }, instance });

const revoke = (id: string, token: string, instance = 0) =>
  castellans.ask<Revoked>(REVOKE, { variables: { id }, token, instance });

async function auditOf(subjectId: string): Promise<readonly string[]> {
  const found = await castellans.rows<{ action: string }>(
    `select action from audit_entries where subject_id = $1 and outcome = 'done' order by id`,
    subjectId,
  );
  return found.map(({ action }) => action);
}

/** Everything of an answer that its receiver can see, apart from dates. */
const seen = ({ status, data, errors }: Answer) => ({ status, data, errors });

async function successorOf(token: string, instance = 0): Promise<Refreshed['refreshSession']> {
  const { data, errors } = await refresh(token, instance);
  if (data === null) throw new Error(`the session could not be refreshed: ${JSON.stringify(errors)}`);
  return data.refreshSession;
}

describe('signing in', () => {
  test('starts a session and says whose it is', async () => {
    const bob = await castellans.signUp('bob');
    const { status, data } = await signIn(bob.email, PASSWORD);
    expect(status).toBe(200);
    expect(data).toMatchObject({ signIn: { user: { id: bob.id, email: bob.email }, session: { userAgent: 'node' } } });
  });

  test('takes the address in any case and with space around it', async () => {
    const bob = await castellans.signUp('bob');
    expect((await signIn(` ${bob.email.toUpperCase()} `, PASSWORD)).errors).toEqual([]);
  });

  test('answers a wrong password, an unknown address and a disabled user identically', async () => {
    const bob = await castellans.signUp('bob');
    const carol = await castellans.signUp('carol');
    const wrong = await signIn(bob.email, 'a wrong password entirely');
    await castellans.ask('mutation ($id: ID!) { disableUser(id: $id) { position } }', {
      variables: { id: carol.id },
      token: alice.accessToken,
    });
    const disabled = await signIn(carol.email, PASSWORD);
    const unknown = await signIn('nobody@example.com', PASSWORD);
    expect(codesOf(wrong)).toEqual(['UNAUTHENTICATED']);
    expect(seen(unknown)).toEqual(seen(wrong));
    expect(seen(disabled)).toEqual(seen(wrong));
    const names = ({ headers }: Answer) => [...headers.keys()].toSorted();
    expect(names(unknown)).toEqual(names(wrong));
    expect(names(disabled)).toEqual(names(wrong));
  });

  test('refuses an address that no database can hold', async () => {
    expect(codesOf(await signIn('no\u0000body@example.com', PASSWORD))).toEqual(['BAD_USER_INPUT']);
  });

  test('never repeats the password, right or wrong', async () => {
    const bob = await castellans.signUp('bob');
    const wrong = 'a wrong password entirely';
    const answers = [
      await signIn(bob.email, PASSWORD),
      await signIn(bob.email, wrong),
      await castellans.ask(
        'mutation ($password: Float) { signIn(input: { email: "", password: $password }) { __typename } }',
        {
          variables: { password: wrong },
        },
      ),
    ];
    for (const answer of answers) {
      expect(JSON.stringify(answer)).not.toContain(wrong);
      expect(JSON.stringify(answer)).not.toContain(PASSWORD);
    }
  });

  test('leaves nothing behind when it is refused', async () => {
    const bob = await castellans.signUp('bob');
    const count = () =>
      castellans.rows<{ sessions: string }>('select count(*) as sessions from sessions where user_id = $1', bob.id);
    const before = await count();
    await signIn(bob.email, 'a wrong password entirely');
    expect(await count()).toEqual(before);
  });
});

describe('refreshing', () => {
  test('replaces the refresh token and goes on in the same session', async () => {
    const bob = await castellans.signUp('bob');
    const { data } = await refresh(bob.refreshToken, 1);
    expect(data).toMatchObject({ refreshSession: { session: { id: bob.sessionId }, user: { id: bob.id } } });
    expect(data?.refreshSession.refreshToken).not.toBe(bob.refreshToken);
    expect((await castellans.ask(ME, { token: data?.refreshSession.accessToken ?? '' })).data).toEqual({
      me: { id: bob.id },
    });
  });

  test('AC-11: gives twenty concurrent callers on three instances the same successor, with one change of the row', async () => {
    const bob = await castellans.signUp('bob');
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => successorOf(bob.refreshToken, n % 3)));
    expect(new Set(answers.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    expect((await auditOf(bob.sessionId)).filter((action) => action === 'session.refresh')).toHaveLength(1);
    const [successor] = answers;
    expect((await refresh(successor?.refreshToken ?? '', 2)).errors).toEqual([]);
  });

  test('AC-15: a reply that was lost may be asked for again within grace, on any instance', async () => {
    const bob = await castellans.signUp('bob');
    const first = await successorOf(bob.refreshToken, 0);
    clock.advance(9_000);
    for (const instance of INSTANCES) {
      expect((await successorOf(bob.refreshToken, instance)).refreshToken).toBe(first.refreshToken);
    }
    expect((await refresh(first.refreshToken)).errors).toEqual([]);
  });

  test('AC-10: a token shown again after its grace ends the session on every instance', async () => {
    const bob = await castellans.signUp('bob');
    const { accessToken, refreshToken } = await successorOf(bob.refreshToken);
    clock.advance(10_000);
    expect(codesOf(await refresh(bob.refreshToken, 1))).toEqual(['SESSION_REVOKED']);
    for (const instance of INSTANCES) {
      expect(codesOf(await castellans.ask(ME, { token: accessToken, instance }))).toEqual(['SESSION_REVOKED']);
      expect(codesOf(await refresh(refreshToken, instance))).toEqual(['SESSION_REVOKED']);
    }
    expect(await auditOf(bob.sessionId)).toEqual(['session.start', 'session.refresh', 'session.refresh_reuse']);
  });

  test('AC-10: a token shown after its grace is reuse while its successor is still kept', async () => {
    const bob = await castellans.signUp('bob');
    const { refreshToken } = await successorOf(bob.refreshToken);
    // No timer of an instance has gone off that would have erased it.
    await castellans.rows(
      `update sessions set rotated_at = rotated_at - interval '10 seconds' where id = $1 and successor is not null`,
      bob.sessionId,
    );
    expect(codesOf(await refresh(bob.refreshToken, 1))).toEqual(['SESSION_REVOKED']);
    expect(codesOf(await refresh(refreshToken, 2))).toEqual(['SESSION_REVOKED']);
  });

  test('AC-12: a token rotated twice since ends the session on every instance, within grace as well', async () => {
    const bob = await castellans.signUp('bob');
    const second = await successorOf(bob.refreshToken, 0);
    const third = await successorOf(second.refreshToken, 1);
    expect(codesOf(await refresh(bob.refreshToken, 2))).toEqual(['SESSION_REVOKED']);
    for (const instance of INSTANCES) {
      for (const token of [bob.accessToken, second.accessToken, third.accessToken]) {
        expect(codesOf(await castellans.ask(ME, { token, instance }))).toEqual(['SESSION_REVOKED']);
      }
      expect(codesOf(await refresh(third.refreshToken, instance))).toEqual(['SESSION_REVOKED']);
    }
  });

  test('keeps no successor in the database beyond its grace', async () => {
    const bob = await castellans.signUp('bob');
    const sealed = () =>
      castellans.rows<{ sealed: boolean }>(
        'select successor is not null as sealed from sessions where id = $1',
        bob.sessionId,
      );
    await successorOf(bob.refreshToken);
    expect(await sealed()).toEqual([{ sealed: true }]);
    clock.advance(10_001);
    clock.advance(10_001);
    await until(async () => (await sealed())[0]?.sealed === false);
  });

  test('AC-17: is refused after the session was revoked, after sign-out and after its user was disabled', async () => {
    const admin = await fresh(alice);
    const [bob, carol, dave] = await Promise.all(['bob', 'carol', 'dave'].map((name) => castellans.signUp(name)));
    if (bob === undefined || carol === undefined || dave === undefined) throw new TypeError('not three');
    await revoke(bob.sessionId, admin.accessToken);
    await castellans.ask('mutation ($id: ID!) { disableUser(id: $id) { position } }', {
      variables: { id: carol.id },
      token: admin.accessToken,
    });
    await castellans.ask(SIGN_OUT, { token: dave.accessToken });
    for (const { refreshToken } of [bob, carol, dave]) {
      expect(codesOf(await refresh(refreshToken, 1))).toEqual(['SESSION_REVOKED']);
    }
  });

  test('a token that Castellan never made is refused and ends nothing', async () => {
    const bob = await castellans.signUp('bob');
    const [kind, userId, sessionId, secret, keyId, mac] = bob.refreshToken.split('.');
    const forged = [
      '',
      'garbage',
      '\u0000',
      bob.accessToken,
      `${bob.refreshToken} `,
      [kind, mallory.id, sessionId, secret, keyId, mac].join('.'),
      [kind, userId, mallory.sessionId, secret, keyId, mac].join('.'),
      [kind, userId, sessionId, 'A'.repeat(43), keyId, mac].join('.'),
      [kind, userId, sessionId, secret, 'AAAAAAAA', mac].join('.'),
      [kind, '__proto__', sessionId, secret, keyId, mac].join('.'),
      ...Array.from({ length: bob.refreshToken.length }, (_, length) => bob.refreshToken.slice(0, length)),
    ];
    const answers = await Promise.all(forged.map((token, n) => refresh(token, n % 3)));
    expect(new Set(answers.flatMap(codesOf))).toEqual(new Set(['UNAUTHENTICATED']));
    expect(answers.every(({ data }) => data === null)).toBe(true);
    expect((await refresh(bob.refreshToken)).errors).toEqual([]);
  });

  test('ends with the session, however often it is refreshed', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.rows(`update sessions set expires_at = now() where id = $1`, bob.sessionId);
    expect(codesOf(await refresh(bob.refreshToken))).toEqual(['TOKEN_EXPIRED']);
  });
});

describe('ending a session', () => {
  test('AC-01: is in force on every instance, over HTTP and WebSocket, as soon as the receipt is there', async () => {
    const admin = await fresh(alice);
    for (const at of INSTANCES) {
      const bob = await castellans.signUp('bob');
      const sockets = INSTANCES.map((instance) => castellans.connect({ instance }));
      for (const instance of INSTANCES) {
        expect((await castellans.ask(ME, { token: bob.accessToken, instance })).data).toEqual({ me: { id: bob.id } });
      }
      for (const socket of sockets) {
        expect((await askOver(socket, ME, { token: bob.accessToken })).data).toEqual({ me: { id: bob.id } });
      }

      const { data } = await revoke(bob.sessionId, admin.accessToken, at);
      const answers = await Promise.all([
        ...Array.from({ length: 60 }, (_, n) => castellans.ask(ME, { token: bob.accessToken, instance: n % 3 })),
        ...Array.from({ length: 60 }, (_, n) => askOver(sockets[n % 3] ?? fail(), ME, { token: bob.accessToken })),
      ]);
      expect(new Set(answers.flatMap(codesOf))).toEqual(new Set(['SESSION_REVOKED']));
      expect(answers.filter(({ data }) => data !== null)).toEqual([]);
      expect(data?.revokeSession.receipt).toMatchObject({ enforced: true, instances: 3, acknowledged: 3 });
    }
  });

  test('answers a revoked token with 401 over HTTP, and says how to sign in', async () => {
    const bob = await castellans.signUp('bob');
    await castellans.ask(SIGN_OUT, { token: bob.accessToken });
    const { status, headers } = await castellans.ask(ME, { token: bob.accessToken, instance: 1 });
    expect({ status, challenge: headers.get('www-authenticate') }).toEqual({ status: 401, challenge: 'Bearer' });
  });

  test('by sign-out ends the session one acts in, and no other', async () => {
    const bob = await castellans.signUp('bob');
    const phone = await castellans.signIn(bob.email, 1);
    const { data } = await castellans.ask(SIGN_OUT, { token: phone.accessToken });
    expect(data).toEqual({
      signOut: {
        session: { id: phone.sessionId, revokedReason: 'signed_out' },
        receipt: { enforced: true, instances: 3, acknowledged: 3 },
      },
    });
    expect(codesOf(await castellans.ask(ME, { token: phone.accessToken, instance: 2 }))).toEqual(['SESSION_REVOKED']);
    expect((await castellans.ask(ME, { token: bob.accessToken, instance: 2 })).data).toEqual({ me: { id: bob.id } });
  });

  test('over the WebSocket of that very session answers with the receipt before the socket closes', async () => {
    const bob = await castellans.signUp('bob');
    const closed = Promise.withResolvers<number>();
    const socket = castellans.connect({ token: bob.accessToken, onClosed: closed.resolve });
    const { data } = await askOver<{ signOut: object }>(socket, SIGN_OUT);
    expect(data).toMatchObject({ signOut: { receipt: { enforced: true, acknowledged: 3 } } });
    await expect(closed.promise).resolves.toBe(4401);
  });

  test('is for its owner and for administrators', async () => {
    const admin = await fresh(alice);
    const bob = await castellans.signUp('bob');
    const phone = await castellans.signIn(bob.email);
    const own = await revoke(phone.sessionId, bob.accessToken);
    expect(own.data?.revokeSession.session).toMatchObject({ id: phone.sessionId, revokedReason: 'revoked' });
    expect((await revoke(bob.sessionId, admin.accessToken)).errors).toEqual([]);
  });

  test('answers another member as if the session did not exist, and leaves it alone', async () => {
    const bob = await castellans.signUp('bob');
    const attacker = await fresh(mallory);
    const missing = `sess_${'0'.repeat(26)}`;
    const theirs = await revoke(bob.sessionId, attacker.accessToken);
    const none = await revoke(missing, attacker.accessToken);
    expect(codesOf(none)).toEqual(['NOT_FOUND']);
    expect(JSON.stringify(seen(theirs)).replaceAll(bob.sessionId, missing)).toEqual(JSON.stringify(seen(none)));
    expect((await castellans.ask(ME, { token: bob.accessToken })).data).toEqual({ me: { id: bob.id } });
    expect(await auditOf(bob.sessionId)).toEqual(['session.start']);
  });

  test('asks anonymous callers to sign in, whether the session exists or not', async () => {
    const bob = await castellans.signUp('bob');
    const theirs = await castellans.ask(REVOKE, { variables: { id: bob.sessionId } });
    const none = await castellans.ask(REVOKE, { variables: { id: `sess_${'0'.repeat(26)}` } });
    expect(codesOf(none)).toEqual(['UNAUTHENTICATED']);
    expect(seen(theirs)).toEqual(seen(none));
    expect(codesOf(await castellans.ask(SIGN_OUT))).toEqual(['UNAUTHENTICATED']);
  });

  test('a second time is no error, waits like the first, and is recorded once', async () => {
    const admin = await fresh(alice);
    const bob = await castellans.signUp('bob');
    const both = await Promise.all([0, 1].map((at) => revoke(bob.sessionId, admin.accessToken, at)));
    const later = await revoke(bob.sessionId, admin.accessToken, 2);
    const revocations = [...both, later].map(({ data }) => data?.revokeSession);
    expect(new Set(revocations.map((each) => each?.session.revokedAt)).size).toBe(1);
    for (const each of revocations) {
      expect(each?.receipt).toMatchObject({ enforced: true, instances: 3, acknowledged: 3 });
      expect(each?.position).toBe(each?.receipt.position);
    }
    expect(await auditOf(bob.sessionId)).toEqual(['session.start', 'session.revoke']);
    expect(await castellans.rows('select kind from authority_log where target = $1', bob.sessionId)).toEqual([
      { kind: 'revoked' },
    ]);
  });

  test('is refused when no database can hold the id', async () => {
    const attacker = await fresh(mallory);
    expect(codesOf(await revoke('\u0000', attacker.accessToken))).toEqual(['BAD_USER_INPUT']);
    const read = await castellans.ask(String.raw`{ session(id: "\u0000") { id } }`, { token: attacker.accessToken });
    expect(codesOf(read)).toEqual(['BAD_USER_INPUT']);
  });
});

describe('reading a session', () => {
  const SESSION = 'query ($id: ID!) { session(id: $id) { id current user { id } } }';

  test('is for its owner and for administrators, and null for everybody else', async () => {
    const admin = await fresh(alice);
    const bob = await castellans.signUp('bob');
    const attacker = await fresh(mallory);
    const read = async (token?: string) =>
      (await castellans.ask(SESSION, { variables: { id: bob.sessionId }, ...(token !== undefined && { token }) })).data;
    const session = { id: bob.sessionId, user: { id: bob.id } };
    expect(await read(bob.accessToken)).toEqual({ session: { ...session, current: true } });
    expect(await read(admin.accessToken)).toEqual({ session: { ...session, current: false } });
    expect(await read(attacker.accessToken)).toEqual({ session: null });
    expect(await read()).toEqual({ session: null });
  });
});

function fail(): never {
  throw new TypeError('there is no such socket');
}
