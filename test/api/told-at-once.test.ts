import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'graphql';
import { isPlain } from '../../src/api/graphql/plain.ts';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGrant, revokeGrant } from '../support/people.ts';
import { untilFollowed } from '../support/session-events.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Events that are the same for all who may hear of them: made once, and sent in the step that hears of them. */

const KEY_EVENTS = 'subscription { apiKeyEvents { __typename ... on ApiKeyCreated { apiKeyId at position } } }';

describe('a document shows the same to everybody', () => {
  const schema = createSchema();
  const of = (selection: string) => isPlain(schema, parse(`subscription ($x: Boolean = true) ${selection}`));

  test.each([
    '{ apiKeyEvents { __typename ... on ApiKeyRevoked { apiKeyId reason at position } ... on Resync { position } } }',
    '{ it: apiKeyEvents(after: "0-0") { ... on ApiKeyRotated { key: apiKey { id lastFour } } } }',
    '{ sessionEvents { ...told } } fragment told on SessionRevoked { sessionId reason }',
    '{ revocations { ... on AuthorityChanged { targetType targetId kind } } }',
  ])('where it shows only what the event holds: %s', (selection) => {
    expect(of(selection)).toBe(true);
  });

  test.each([
    ['a field that some may read', '{ apiKeyEvents { ... on ApiKeyUpdated { apiKeyId apiKey { name } } } }'],
    ['a record that some may read', '{ sessionEvents { ... on SessionRevoked { session { id } } } }'],
    ['a field of an interface', '{ apiKeyEvents { ... on ApiKeyUpdated { apiKey { owner { id } } } } }'],
    ['a field in a fragment', '{ authEvents { ...told } } fragment told on SignInFailed { user { id } }'],
    [
      'a field with arguments',
      '{ authEvents { ... on SignInFailed { user { can(action: "read", subject: "User") { allowed } } } } }',
    ],
    ['a field that is shown to some', '{ apiKeyEvents { ... on ApiKeyUpdated { apiKeyId @include(if: $x) } } }'],
    ['a fragment that is shown to some', '{ apiKeyEvents { ... on ApiKeyUpdated @skip(if: $x) { apiKeyId } } }'],
    ['an event that is shown to some', '{ apiKeyEvents @include(if: $x) { __typename } }'],
  ])('and not with %s', (_, selection) => {
    expect(of(selection)).toBe(false);
  });
});

describe('an event that is the same for all', () => {
  let castellans: Castellans;
  let admin: SignedInUser;

  beforeAll(async () => {
    castellans = await startCastellans(1);
    admin = await castellans.signUp('alice', ['administrator']);
  });

  afterAll(() => castellans.close());

  const first = () => {
    const [app] = castellans.apps;
    if (app === undefined) throw new TypeError('there is no instance');
    return app;
  };

  /** The id of a new key of theirs. */
  async function addKey({ accessToken: token }: SignedInUser): Promise<string> {
    const { data } = await castellans.ask<{ createApiKey: { apiKey: { id: string } } }>(
      'mutation { createApiKey(input: { name: "x", expiresAt: "2190-01-01T00:00:00.000Z" }) { apiKey { id } } }',
      { token },
    );
    return data?.createApiKey.apiKey.id ?? '';
  }

  async function follow({ accessToken }: SignedInUser, id: string) {
    const socket = await openSocket(`${first().url.replace('http', 'ws')}/graphql`);
    socket.init({ authorization: `Bearer ${accessToken}` });
    await socket.next(ofType('connection_ack'));
    socket.subscribe(id, KEY_EVENTS);
    return { ...socket, told: () => socket.next(ofType('next')) };
  }

  test('is made once, and reaches those who may hear of it and nobody else, with the bytes of every door', async () => {
    const [bob, carol, mallory] = [
      await castellans.signUp('bob', ['auditor']),
      await castellans.signUp('carol', ['auditor']),
      await castellans.signUp('mallory'),
    ];
    const sockets = [await follow(bob, 'b'), await follow(carol, 'c'), await follow(mallory, 'm')] as const;
    const headers = { authorization: `Bearer ${bob.accessToken}` };
    const stream = await openStream(first().url, KEY_EVENTS, { headers });
    await untilFollowed(castellans, 0, 4);
    const { eventTexts } = first().documents;
    const before = eventTexts.made;

    const key = await addKey(admin);
    const streamed = await stream.next();
    const payload = { data: { apiKeyEvents: { __typename: 'ApiKeyCreated', apiKeyId: key } } };
    expect(streamed?.data).toMatchObject(payload);
    for (const [at, id] of ['b', 'c'].entries()) {
      expect(await sockets[at]?.told()).toEqual({ id, type: 'next', payload: streamed?.data });
    }
    expect(eventTexts.made - before).toBe(1);

    // What mallory hears of next is the first thing that mallory hears of.
    const own = await addKey(mallory);
    for (const [at, id] of ['b', 'c', 'm'].entries()) {
      const told = { data: { apiKeyEvents: { __typename: 'ApiKeyCreated', apiKeyId: own } } };
      expect(await sockets[at]?.told()).toMatchObject({ id, payload: told });
    }
    expect(eventTexts.made - before).toBe(2);
    stream.leave();
    for (const socket of sockets) socket.close();
    await untilFollowed(castellans, 0, 0);
  });

  test('is not told to whoever lost the right to it a moment ago, nor to whoever was shut out', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol', ['auditor'])];
    const grant = await addGrant(first(), { principalId: bob.id, role: 'auditor' });
    const sockets = [await follow(bob, 'b'), await follow(carol, 'c')] as const;
    await untilFollowed(castellans, 0, 2);
    const seen = await addKey(admin);
    for (const socket of sockets) {
      expect(await socket.told()).toMatchObject({ payload: { data: { apiKeyEvents: { apiKeyId: seen } } } });
    }

    await revokeGrant(first(), grant);
    await first().services.sessions.revoke(SYSTEM, carol.sessionId);
    await addKey(admin);
    const own = await addKey(bob);
    expect(await sockets[0].told()).toMatchObject({ payload: { data: { apiKeyEvents: { apiKeyId: own } } } });
    expect(await sockets[1].told()).toMatchObject({
      payload: { data: { apiKeyEvents: { __typename: 'AccessEnded' } } },
    });
    expect(await sockets[1].closed).toBe(4401);
    expect(sockets[1].frames.filter(ofType('next'))).toEqual([]);
    sockets[0].close();
    await untilFollowed(castellans, 0, 0);
  });

  test('comes in order with what has something in it that is read for each', async () => {
    const bob = await castellans.signUp('bob', ['auditor']);
    const socket = await follow(bob, 'plain');
    socket.subscribe('read', KEY_EVENTS.replace('apiKeyId', 'apiKeyId apiKey { name }'));
    await untilFollowed(castellans, 0, 2);
    const keys: string[] = [];
    for (let n = 0; n < 20; n += 1) keys.push(await addKey(admin));
    for (const id of ['plain', 'read']) {
      const told: unknown[] = [];
      for (const _ of keys) {
        const frame = await socket.next((each) => each.id === id);
        told.push(frame?.payload);
      }
      expect(told).toMatchObject(keys.map((apiKeyId) => ({ data: { apiKeyEvents: { apiKeyId } } })));
    }
    socket.close();
  });
});
