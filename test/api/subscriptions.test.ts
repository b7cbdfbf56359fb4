import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from 'graphql-ws';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import {
  askOver,
  codesOf,
  collect,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { ofType, openSocket } from '../support/socket.ts';

const INSTANCES = [0, 1, 2];
const SESSION_EVENTS = `subscription ($after: String) {
  sessionEvents(after: $after) {
    __typename
    ... on SessionRevoked { sessionId reason at position }
    ... on Resync { position }
    ... on AccessEnded { code reason position }
  }
}`;
const PERMISSIONS = `subscription ($after: String) {
  permissionsChanged(after: $after) {
    __typename
    ... on PermissionsChanged { rules policyVersion position }
    ... on Resync { position }
    ... on AccessEnded { code reason position }
  }
}`;
const ABILITY = '{ viewerAbility { rules policyVersion position } }';
const ME = '{ me { id } }';
const REVOKE =
  'mutation ($id: ID!) { revokeSession(id: $id) { position receipt { enforced instances acknowledged } } }';

interface SessionEvent {
  readonly __typename: string;
  readonly sessionId?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly position: string;
}
interface PermissionsEvent {
  readonly __typename: string;
  readonly rules: unknown;
  readonly policyVersion: string;
  readonly position: string;
}

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const wsUrl = (instance: number): string => `${(castellans.apps[instance]?.url ?? '').replace('http', 'ws')}/graphql`;

const open = (instance: number) => openSocket(wsUrl(instance));

const revoke = (id: string, token = alice.accessToken, instance = 0) =>
  castellans.ask<{ revokeSession: { position: string; receipt: object } }>(REVOKE, {
    variables: { id },
    token,
    instance,
  });

/** The events about one's sessions, in order. What waits in the socket is read when asked for. */
function sessionEvents(client: Client, after?: string) {
  const events = collect<{ sessionEvents: SessionEvent }>(client, SESSION_EVENTS, { after });
  return { next: async () => (await events.next())?.sessionEvents ?? null, stop: async () => events.stop?.() };
}

function permissions(client: Client, after?: string) {
  const events = collect<{ permissionsChanged: PermissionsEvent }>(client, PERMISSIONS, { after });
  return { next: async () => (await events.next())?.permissionsChanged ?? null, stop: async () => events.stop?.() };
}

/** What `open` subscribes to, when it is sure to see what happens from now on. */
async function listening<Stream>(client: Client, open: (client: Client) => Stream): Promise<Stream> {
  // Nothing is loaded any more for the second one, so that the subscription is running when it is answered.
  await askOver(client, ME);
  const stream = open(client);
  await askOver(client, ME);
  return stream;
}

async function grant({ id: principalId }: SignedInUser, role: string, scope: string | null = null): Promise<string> {
  const { roles, grants } = castellans.apps[0]?.services ?? {};
  const found = await roles?.findByName(SYSTEM, role);
  if (scope !== null) await castellans.addScopes(scope);
  const granted = await grants?.grant(SYSTEM, { principalId, roleId: found?.id ?? '', scope });
  return granted?.value.id ?? '';
}

describe('sessionEvents', () => {
  test('tells about the revocation of another of one’s sessions, on every instance', async () => {
    const bob = await castellans.signUp('bob');
    const streams = await Promise.all(
      INSTANCES.map((instance) => listening(castellans.connect({ token: bob.accessToken, instance }), sessionEvents)),
    );
    const events = streams.map((stream) => stream.next());
    const phone = await castellans.signIn(bob.email);
    const { data } = await revoke(phone.sessionId, bob.accessToken, 1);
    for (const event of await Promise.all(events)) {
      expect(event).toEqual({
        __typename: 'SessionRevoked',
        sessionId: phone.sessionId,
        reason: 'revoked',
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        position: data?.revokeSession.position,
      });
    }
    for (const stream of streams) await stream.stop();
  });

  test('goes on after a position without gap or duplicate, on another instance', async () => {
    const bob = await castellans.signUp('bob');
    const phones = await Promise.all(Array.from({ length: 6 }, () => castellans.signIn(bob.email)));
    const first = castellans.connect({ token: bob.accessToken, instance: 0 });
    const seen = (await listening(first, sessionEvents)).next();
    await revoke(phones[0]?.sessionId ?? '');
    const { position } = (await seen) ?? { position: '' };
    await first.dispose();
    for (const { sessionId } of phones.slice(1, 5)) await revoke(sessionId);

    const again = sessionEvents(castellans.connect({ token: bob.accessToken, instance: 2 }), position);
    const missed = [await again.next(), await again.next(), await again.next(), await again.next()];
    await revoke(phones[5]?.sessionId ?? '', alice.accessToken, 1);
    const events = [...missed, await again.next()];
    expect(events.map((event) => event?.sessionId)).toEqual(phones.slice(1).map(({ sessionId }) => sessionId));
    const numbers = events.map((event) => Number(event?.position.split('-')[1]));
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    await again.stop();
  });

  test('tells what the instance itself has not applied yet once, and not again when it does', async () => {
    const bob = await castellans.signUp('bob');
    const phones = await Promise.all([castellans.signIn(bob.email), castellans.signIn(bob.email)]);
    const client = castellans.connect({ token: bob.accessToken, instance: 1 });
    await askOver(client, ME);
    const [head] = await castellans.rows<{ epoch: string; seq: string }>('select epoch, seq from authority_head');
    // Without a hint: no instance looks before its next heartbeat.
    await castellans.rows(
      `insert into authority_log (target, kind, user_id, reason) values ($1, 'revoked', $2, 'revoked')`,
      phones[0]?.sessionId,
      bob.id,
    );
    const stream = sessionEvents(client, `${head?.epoch.slice(0, 8)}-${head?.seq}`);
    expect(await stream.next()).toMatchObject({ sessionId: phones[0]?.sessionId });
    await revoke(phones[1]?.sessionId ?? '', alice.accessToken, 2);
    expect(await stream.next()).toMatchObject({ sessionId: phones[1]?.sessionId });
    await stream.stop();
  });

  test('answers a position of another history with Resync and goes on from now', async () => {
    const bob = await castellans.signUp('bob');
    const stream = sessionEvents(castellans.connect({ token: bob.accessToken, instance: 1 }), '00000000-1');
    const resync = await stream.next();
    expect(resync).toEqual({ __typename: 'Resync', position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) });
    const phone = await castellans.signIn(bob.email);
    await revoke(phone.sessionId);
    expect(await stream.next()).toMatchObject({ __typename: 'SessionRevoked', sessionId: phone.sessionId });
    await stream.stop();
  });

  test.each(['', 'garbage', '1', '00000000-01', '00000000--1', '\u0000'])('refuses %j as a position', async (after) => {
    const bob = await castellans.signUp('bob');
    for (const query of [SESSION_EVENTS, PERMISSIONS]) {
      const { data, errors } = await askOver(castellans.connect({ token: bob.accessToken }), query, {
        variables: { after },
      });
      expect(data).toBeNull();
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'after' }]);
    }
  });

  test('AC-06: of one’s own session ends with AccessEnded, complete and 4401, all before the receipt', async () => {
    const bob = await castellans.signUp('bob');
    const socket = await open(1);
    const order: string[] = [];
    socket.init({ authorization: `Bearer ${bob.accessToken}` });
    await socket.next(ofType('connection_ack'));
    await castellans.ask(ME, { token: bob.accessToken, instance: 1 });
    socket.subscribe('1', SESSION_EVENTS);
    await socket.settled();
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
          position: data?.revokeSession.position,
        },
      },
    });
    expect(code).toBe(4401);
    expect(data?.revokeSession.receipt).toMatchObject({ enforced: true, instances: 3, acknowledged: 3 });
    expect(order.indexOf('AccessEnded')).toBeLessThan(order.indexOf('complete'));
    expect(order.indexOf('complete')).toBeLessThan(order.indexOf('closed'));
    expect(order.slice(0, 2)).not.toContain('receipt');
  });

  test('AC-95: reaches nobody else', async () => {
    const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
    const client = castellans.connect({ token: mallory.accessToken, instance: 1 });
    const stream = await listening(client, sessionEvents);
    const administrator = await listening(castellans.connect({ token: alice.accessToken, instance: 1 }), sessionEvents);
    const events = [stream.next(), administrator.next()];
    const phone = await castellans.signIn(bob.email);
    await revoke(phone.sessionId);
    const own = await castellans.signIn(mallory.email);
    await revoke(own.sessionId);
    const alices = await castellans.signIn(alice.email);
    await revoke(alices.sessionId);
    expect((await Promise.all(events)).map((event) => event?.sessionId)).toEqual([own.sessionId, alices.sessionId]);
    const [head] = await castellans.rows<{ epoch: string }>('select epoch from authority_head');
    const replay = sessionEvents(client, `${head?.epoch.slice(0, 8)}-0`);
    expect(await replay.next()).toMatchObject({ sessionId: own.sessionId });
    for (const each of [stream, administrator, replay]) await each.stop();
  });

  test('asks anonymous callers to sign in', async () => {
    for (const query of [SESSION_EVENTS, PERMISSIONS]) {
      expect(codesOf(await askOver(castellans.connect({}), query))).toEqual(['UNAUTHENTICATED']);
    }
  });
});

describe('permissionsChanged', () => {
  async function rulesOf(user: SignedInUser, instance: number): Promise<Omit<PermissionsEvent, '__typename'>> {
    const { data } = await castellans.ask<{ viewerAbility: PermissionsEvent }>(ABILITY, {
      token: user.accessToken,
      instance,
    });
    if (data === null) throw new Error('there are no rules');
    return data.viewerAbility;
  }

  test('carries all the rules after every grant and revocation', async () => {
    const bob = await castellans.signUp('bob');
    const before = await rulesOf(bob, 2);
    const stream = await listening(castellans.connect({ token: bob.accessToken, instance: 2 }), permissions);
    const first = stream.next();
    const grantId = await grant(bob, 'support');
    const granted = await first;
    const now = await rulesOf(bob, 0);
    expect(granted).toMatchObject({
      __typename: 'PermissionsChanged',
      rules: now.rules,
      policyVersion: now.policyVersion,
    });
    expect(granted?.rules).not.toEqual(before.rules);

    await castellans.ask('mutation ($id: ID!) { revokeRole(grantId: $id) { position } }', {
      variables: { id: grantId },
      token: alice.accessToken,
    });
    expect(await stream.next()).toMatchObject({ __typename: 'PermissionsChanged', rules: before.rules });
    await stream.stop();
  });

  test('converges after a position: what was missed comes as one event, and nothing where nothing changed', async () => {
    const bob = await castellans.signUp('bob');
    const { position } = await rulesOf(bob, 0);
    await grant(bob, 'support', 'acme');
    await grant(bob, 'support', 'globex');
    await grant(bob, 'auditor');
    const stream = permissions(castellans.connect({ token: bob.accessToken, instance: 1 }), position);
    const missed = await stream.next();
    expect(missed?.rules).toEqual((await rulesOf(bob, 2)).rules);
    await stream.stop();

    const again = await listening(castellans.connect({ token: bob.accessToken, instance: 1 }), (client) =>
      permissions(client, missed?.position),
    );
    const next = again.next();
    await grant(bob, 'support');
    expect((await next)?.rules).toEqual((await rulesOf(bob, 0)).rules);
    await again.stop();
  });

  test('sends the rules again after a position of another history', async () => {
    const bob = await castellans.signUp('bob');
    const stream = permissions(castellans.connect({ token: bob.accessToken, instance: 1 }), '00000000-1');
    expect((await stream.next())?.rules).toEqual((await rulesOf(bob, 0)).rules);
    await stream.stop();
  });

  test('AC-95: reaches nobody else', async () => {
    const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
    const stream = await listening(castellans.connect({ token: mallory.accessToken, instance: 1 }), permissions);
    const event = stream.next();
    await grant(bob, 'administrator');
    await grant(mallory, 'auditor');
    expect((await event)?.rules).toEqual((await rulesOf(mallory, 0)).rules);
    await stream.stop();
  });
});

describe('a token that ends', () => {
  let shortLived: Castellans;

  beforeAll(async () => {
    shortLived = await startCastellans(1, { settings: { accessTokenSeconds: 2 } });
  });

  afterAll(() => shortLived.close());

  test('AC-06: ends its subscriptions with AccessEnded and its socket with 4403: a fresh one may come back', async () => {
    const bob = await shortLived.signUp('bob');
    const closed = Promise.withResolvers<number>();
    const client = shortLived.connect({ token: bob.accessToken, onClosed: closed.resolve });
    const stream = sessionEvents(client);
    expect(await stream.next()).toMatchObject({ __typename: 'AccessEnded', code: 'TOKEN_EXPIRED' });
    expect(await stream.next()).toBeNull();
    expect(await closed.promise).toBe(4403);

    const again = Promise.withResolvers<number>();
    const late = shortLived.connect({ token: bob.accessToken, onClosed: again.resolve });
    expect((await askOver(late, ME)).closed).toBe(4403);
    expect(await again.promise).toBe(4403);
    const { accessToken } = await shortLived.signIn(bob.email);
    expect((await askOver(shortLived.connect({ token: accessToken }), ME)).data).toEqual({ me: { id: bob.id } });
  });
});
