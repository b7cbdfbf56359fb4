import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TIMING } from '../../src/domain/authority/timing.ts';
import {
  askOver,
  codesOf,
  type Castellans,
  PASSWORD,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import {
  listening,
  numberOf,
  said,
  SESSION_EVENTS,
  type SessionEvent,
  sessionEvents,
} from '../support/session-events.ts';
import { ofType, openSocket } from '../support/socket.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const POSITION = /^events-[0-9a-f]{8}-\d+$/;
const INSTANT = expect.stringMatching(/^\d{4}-.*Z$/);
const REVOKE =
  'mutation ($id: ID!) { revokeSession(id: $id) { position receipt { enforced instances acknowledged } } }';
const REFRESH = 'mutation ($token: String) { refreshSession(refreshToken: $token) { accessToken } }';
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { refreshToken session { id createdAt } } }
}`;

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const revoke = (id: string, token = alice.accessToken, instance = 0) =>
  castellans.ask<{ revokeSession: { position: string; receipt: object } }>(REVOKE, {
    variables: { id },
    token,
    instance,
  });

/** Subscribed over a WebSocket, and told of whatever happens from now on. */
const following = ({ accessToken }: Pick<SignedInUser, 'accessToken'>, instance: number) =>
  listening(castellans, instance, () => sessionEvents(castellans.connect({ token: accessToken, instance })));

async function followingOverHttp({ accessToken }: SignedInUser, instance: number) {
  const headers = { authorization: `Bearer ${accessToken}` };
  const stream = await listening(castellans, instance, () =>
    openStream(castellans.apps[instance]?.url ?? '', SESSION_EVENTS, { headers }),
  );
  return {
    async next(): Promise<SessionEvent | null> {
      const { data } = ((await stream.next())?.data ?? {}) as { data?: { sessionEvents: SessionEvent } };
      return data?.sessionEvents ?? null;
    },
    stop: async () => stream.leave(),
  };
}

test('a session that is started on one instance, refreshed on another and revoked on the third is told in order, once, on each', async () => {
  const bob = await castellans.signUp('bob');
  const streams = await Promise.all(
    INSTANCES.flatMap((instance) => [following(bob, instance), followingOverHttp(bob, instance)]),
  );
  const headers = {
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
    'apollographql-client-name': 'shop',
  };
  const variables = { input: { email: bob.email, password: PASSWORD } };
  const { data } = await castellans.ask<{
    signIn: { refreshToken: string; session: { id: string; createdAt: string } };
  }>(SIGN_IN, { variables, headers, instance: 0 });
  const { refreshToken: token, session } = data?.signIn ?? { refreshToken: '', session: { id: '', createdAt: '' } };
  await castellans.ask(REFRESH, { variables: { token }, instance: 1 });
  await revoke(session.id, bob.accessToken, 2);
  const end = await castellans.signIn(bob.email, 1);

  const position = expect.stringMatching(POSITION);
  const expected = [
    {
      __typename: 'SessionStarted',
      sessionId: session.id,
      device: { kind: 'desktop', browser: 'Firefox', os: 'Linux' },
      client: 'shop',
      at: session.createdAt,
      position,
    },
    { __typename: 'SessionRefreshed', sessionId: session.id, at: INSTANT, position },
    { __typename: 'SessionRevoked', sessionId: session.id, reason: 'revoked', at: INSTANT, position },
    // Nothing else came before what came last.
    expect.objectContaining({ __typename: 'SessionStarted', sessionId: end.sessionId }),
  ];
  const told = [];
  for (const stream of streams) {
    const events = [await stream.next(), await stream.next(), await stream.next(), await stream.next()];
    expect(events).toEqual(expected);
    told.push(events);
    await stream.stop();
  }
  for (const events of told) expect(events).toEqual(told[0]);
  const numbers = told[0]?.map((event) => numberOf(event)) ?? [];
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
});

test('sessions that end by themselves are told once, whichever instances notice', async () => {
  const bob = await castellans.signUp('bob');
  const phone = await castellans.signIn(bob.email);
  const streams = await Promise.all(INSTANCES.map((instance) => following(bob, instance)));
  const ended = '2024-01-01T00:00:00.000Z';
  await castellans.rows('update sessions set expires_at = $2 where id = $1', phone.sessionId, ended);
  await Promise.all(castellans.apps.map(({ services }) => services.sessionEnder.end()));
  const next = await castellans.signIn(bob.email);
  for (const stream of streams) {
    const [expired, started] = await stream.take(2);
    expect(expired).toEqual({
      __typename: 'SessionExpired',
      sessionId: phone.sessionId,
      reason: 'expired',
      at: ended,
      position: expect.stringMatching(POSITION),
    });
    expect(said(started ?? null)).toEqual(['SessionStarted', next.sessionId]);
    await stream.stop();
  }
});

describe('without timers, for as long as a test waits', () => {
  let rare: Castellans;

  beforeAll(async () => {
    rare = await startCastellans(2, { timing: { ...TIMING, pollMs: 60_000, leaseMs: 180_000 } });
  });

  afterAll(() => rare.close());

  const followed = ({ accessToken: token }: SignedInUser, instance: number) =>
    listening(rare, instance, () => sessionEvents(rare.connect({ token, instance })));

  test('what is committed anywhere is numbered, and told everywhere, at once', async () => {
    const bob = await rare.signUp('bob');
    const streams = await Promise.all([0, 1].map((instance) => followed(bob, instance)));
    for (const instance of [0, 1, 0]) {
      const { sessionId, accessToken } = await rare.signIn(bob.email, instance);
      await rare.ask('mutation { signOut { position } }', { token: accessToken, instance: 1 - instance });
      for (const stream of streams) {
        expect((await stream.take(2)).map(said)).toEqual([
          ['SessionStarted', sessionId],
          ['SessionRevoked', sessionId],
        ]);
      }
    }
    for (const stream of streams) await stream.stop();
  });

  test('what was committed before the subscription is not told as new, though it had no number yet', async () => {
    const bob = await rare.signUp('bob');
    await Promise.all(rare.apps.map(({ services }) => services.drainer.drain()));
    // As from an instance that died after its commit: nobody has asked for its number.
    await rare.rows(
      `insert into outbox (kind, subject_id, user_id, at) values ('session.refreshed', 'sess_before', $1, now())`,
      bob.id,
    );
    const stream = await followed(bob, 1);
    const phone = await rare.signIn(bob.email);
    expect(said(await stream.next())).toEqual(['SessionStarted', phone.sessionId]);
    await stream.stop();
  });
});

test('AC-06: the end of one’s own session arrives as AccessEnded, complete and 4401, all before the receipt', async () => {
  const bob = await castellans.signUp('bob');
  const socket = await openSocket(`${(castellans.apps[1]?.url ?? '').replace('http', 'ws')}/graphql`);
  const order: string[] = [];
  socket.init({ authorization: `Bearer ${bob.accessToken}` });
  await socket.next(ofType('connection_ack'));
  await listening(castellans, 1, () => {
    socket.subscribe('1', SESSION_EVENTS);
    return { next: () => Promise.resolve() };
  });
  const phone = await castellans.signIn(bob.email);
  const started = (await socket.next(ofType('next')))?.payload as { data: { sessionEvents: SessionEvent } };
  expect(said(started.data.sessionEvents)).toEqual(['SessionStarted', phone.sessionId]);
  const done = Promise.all([
    revoke(bob.sessionId).then(({ data }) => {
      order.push('receipt');
      return data;
    }),
    socket.next(ofType('next')).then((frame) => {
      order.push('AccessEnded');
      return frame;
    }),
    socket.next(ofType('complete')).then(() => order.push('complete')),
    socket.closed.then((code) => {
      order.push('closed');
      return code;
    }),
  ]);
  const [data, last, , code] = await done;
  expect(last?.payload).toEqual({
    data: {
      sessionEvents: {
        __typename: 'AccessEnded',
        code: 'SESSION_REVOKED',
        reason: 'This session has been revoked. Sign in again.',
        // From there on nothing was told.
        position: started.data.sessionEvents.position,
      },
    },
  });
  expect(code).toBe(4401);
  expect(data?.revokeSession.receipt).toMatchObject({ enforced: true, instances: 3, acknowledged: 3 });
  expect(order.indexOf('AccessEnded')).toBeLessThan(order.indexOf('complete'));
  expect(order.indexOf('complete')).toBeLessThan(order.indexOf('closed'));
  expect(order.slice(0, 2)).not.toContain('receipt');
});

test('the end of a session is told to the others only when it has ended on the same instance', async () => {
  const { services } = castellans.apps[1] ?? {};
  if (services === undefined) throw new TypeError('there is no such instance');
  const bob = await castellans.signUp('bob');
  for (let n = 0; n < 10; n += 1) {
    const phone = await castellans.signIn(bob.email);
    const [own, other] = await Promise.all([following(phone, 1), following(bob, 1)]);
    // Without a hint about the authority log: only the outbox says so before the next heartbeat.
    await castellans.rows(
      `with told as (
         insert into authority_log (target, kind, user_id, reason) values ($1, 'revoked', $2, 'revoked')
       ) update sessions set revoked_at = now(), revoked_reason = 'revoked' where id = $1`,
      phone.sessionId,
      bob.id,
    );
    const told = other.next().then(async (event) => {
      const answer = await castellans.ask('{ me { id } }', { token: phone.accessToken, instance: 1 });
      return [event?.__typename, codesOf(answer)];
    });
    await services.drainer.drain();
    expect(await told).toEqual(['SessionRevoked', ['SESSION_REVOKED']]);
    expect(await own.next()).toMatchObject({ __typename: 'AccessEnded' });
    await other.stop();
  }
});

test('AC-95: reaches nobody else', async () => {
  const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
  const [stream, administrator] = [await following(mallory, 1), await following(alice, 1)];
  const phone = await castellans.signIn(bob.email);
  await castellans.ask(REFRESH, { variables: { token: bob.refreshToken } });
  await revoke(phone.sessionId);
  const own = await castellans.signIn(mallory.email);
  const alices = await castellans.signIn(alice.email);
  expect([said(await stream.next()), said(await administrator.next())]).toEqual([
    ['SessionStarted', own.sessionId],
    ['SessionStarted', alices.sessionId],
  ]);
  for (const each of [stream, administrator]) await each.stop();
  // Nor does anybody else’s position lead there.
  const [head] = await castellans.rows<{ epoch: string }>('select epoch from authority_head');
  const client = castellans.connect({ token: mallory.accessToken, instance: 2 });
  const replay = sessionEvents(client, `events-${head?.epoch.slice(0, 8)}-0`);
  expect((await replay.take(2)).map(said)).toEqual([
    ['SessionStarted', mallory.sessionId],
    ['SessionStarted', own.sessionId],
  ]);
  await replay.stop();
});

test('asks anonymous callers to sign in', async () => {
  expect(codesOf(await askOver(castellans.connect({}), SESSION_EVENTS))).toEqual(['UNAUTHENTICATED']);
  expect(codesOf(await askOver(castellans.connect({}), ME))).toEqual([]);
});
