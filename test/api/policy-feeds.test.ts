import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { newId } from '../../src/kit/ids.ts';
import { apiKeysOn, REVOKE_KEY, ROTATE_KEY, UPDATE_KEY } from '../support/api-keys.ts';
import { INSTANCES } from '../support/asking.ts';
import { changedThresholds, THRESHOLD_KINDS } from '../../src/kit/thresholds.ts';
import { type Castellans, recordStatements, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGateway } from '../support/gateway-key.ts';
import { addGrant, addScopes, revokeGrant } from '../support/people.ts';
import { type FeedDoor, type FeedEvent, FEEDS, type FeedName, follow, subscribeTo } from '../support/policy-feeds.ts';
import { endOfFeed, listening, sessionEvents } from '../support/session-events.ts';

/** What happens to keys, at the door and to security, told to whoever may read it. Two root scopes: acme and globex. */

const NAMES = Object.keys(FEEDS) as readonly FeedName[];
const WRONG = `mutation ($email: String!) { signIn(input: { email: $email, password: "guessed" }) { __typename } }`;

let castellans: Castellans;
let alice: SignedInUser;
/** In acme, a user and somebody of its support; in globex, a user; and mallory, at home nowhere. */
let bob: SignedInUser;
let sam: SignedInUser;
let dora: SignedInUser;
let mallory: SignedInUser;

const { done, createKey, atHome } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  // Wrong passwords here are no attack: what they add up to would be told as well.
  const securityThresholds = changedThresholds(THRESHOLD_KINDS.map((kind) => `${kind}=off`).join(','));
  castellans = await startCastellans(3, { settings: { securityThresholds } });
  await addScopes(castellans.apps[0]!.services, 'acme/platform', 'globex');
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await atHome('bob', 'acme/platform');
  sam = await atHome('sam', 'acme');
  dora = await atHome('dora', 'globex');
  mallory = await castellans.signUp('mallory');
  await addGrant(castellans.apps[0]!, { principalId: sam.id, role: 'support', scope: 'acme' });
}, 40_000);

afterAll(() => castellans?.close());

const wrongPassword = (email: string, instance = 0) =>
  castellans.ask(WRONG, { variables: { email }, instance, headers: { 'user-agent': 'Opera/9.80' } });

/** A security event about this user, as whoever notices one writes it; its id. */
async function raise(user: SignedInUser): Promise<string> {
  const id = newId('securityEvent');
  await castellans.rows(
    `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
     values ($1, now(), 'session.takeover_suspected', 'warning', $2, $3, '{"address": "203.0.113.9"}', $1)`,
    id,
    user.id,
    user.sessionId,
  );
  return id;
}

/** Everything that is told of this user in each feed, as it is told. */
const HAPPENINGS: Readonly<Record<FeedName, (user: SignedInUser) => Promise<readonly string[]>>> = {
  async apiKeyEvents(user) {
    const { apiKey } = await createKey(user);
    await done(UPDATE_KEY, { id: apiKey.id, input: { name: 'another' } }, { by: user, instance: 1 });
    await done(ROTATE_KEY, { id: apiKey.id, overlapSeconds: 60 }, { by: user, instance: 2 });
    await done(REVOKE_KEY, { id: apiKey.id }, { by: user });
    return ['ApiKeyCreated', 'ApiKeyUpdated', 'ApiKeyRotated', 'ApiKeyRevoked'].map((type) => `${type} ${apiKey.id}`);
  },
  async authEvents(user) {
    const { sessionId } = await castellans.signIn(user.email, 1);
    await wrongPassword(user.email, 2);
    return [`SignInSucceeded ${sessionId}`, `SignInFailed ${user.id}`];
  },
  securityEventRaised: async (user) => [`SecurityEventRaised ${await raise(user)}`],
};

const inWords = (event: FeedEvent | null) =>
  `${event?.__typename} ${event?.apiKeyId ?? event?.securityEvent?.id ?? event?.sessionId ?? event?.userId}`;

const placed = (event: FeedEvent | null) => `${inWords(event)} at ${event?.position}`;

describe.each(NAMES)('%s', (feed) => {
  test.each<FeedDoor>(['WebSocket', 'event stream'])(
    'AC-95: everybody is told of what they may read and of nothing else, over %s, on every instance',
    async (door) => {
      const people = [bob, sam, dora, mallory, alice];
      const streams = [];
      for (const instance of INSTANCES) {
        for (const who of people) {
          const shown = { token: who.accessToken };
          streams.push({ who, stream: await follow(castellans, feed, { shown, instance, door }) });
        }
      }
      // Twice, so that whoever was told of too much in the first round shows in the second.
      const told: { readonly who: SignedInUser; readonly words: readonly string[] }[] = [];
      for (const who of [...people, ...people]) told.push({ who, words: await HAPPENINGS[feed](who) });
      const readers = new Map([
        [bob, [bob]],
        [sam, [bob, sam]],
        [dora, [dora]],
        [mallory, [mallory]],
        [alice, people],
      ]);
      for (const { who, stream } of streams) {
        const due = told.flatMap((each) => (readers.get(who)?.includes(each.who) === true ? each.words : []));
        expect((await stream.take(due.length)).map(inWords)).toEqual(due);
        await stream.stop();
      }
    },
  );

  test('nothing is missing and nothing comes twice wherever it is cut', async () => {
    const shown = { token: sam.accessToken };
    const whole = await follow(castellans, feed, { shown, instance: 0 });
    let after = await endOfFeed(castellans);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { minLength: 2, maxLength: 4 }), async (cuts) => {
        const events = [bob, dora, bob, sam, mallory, bob].map((user) => HAPPENINGS[feed](user));
        const due = (await Promise.all([events[0], events[2], events[3], events[5]])).flat().length;
        const cut: (FeedEvent | null)[] = [];
        for (const [n, count] of [...cuts, due].entries()) {
          const stream = await subscribeTo(castellans, feed, { shown, instance: n % 3, after });
          cut.push(...(await stream.take(Math.min(count, due - cut.length))));
          after = cut.at(-1)?.position ?? after;
          await stream.stop();
        }
        await Promise.all(events);
        expect(cut.map(placed)).toEqual((await whole.take(due)).map(placed));
      }),
      { numRuns: 3, endOnFailure: true },
    );
    await whole.stop();
  });

  test.each([
    ['of another history', () => Promise.resolve('events-00000000-1')],
    ['of the authority log', async () => (await endOfFeed(castellans)).replace('events-', '')],
  ])('after a position %s comes Resync, and then what happens from now on', async (_, place) => {
    const stream = await subscribeTo(castellans, feed, {
      shown: { token: bob.accessToken },
      instance: 2,
      after: await place(),
    });
    expect((await stream.next())?.__typename).toBe('Resync');
    const [first] = await HAPPENINGS[feed](bob);
    expect(inWords(await stream.next())).toBe(first);
    await stream.stop();
  });

  test('is refused to who may read nothing of it', async () => {
    const { secret } = await addGateway(castellans, { roles: ['gateway'] });
    const refused = await subscribeTo(castellans, feed, { shown: { apiKey: secret }, instance: 1 });
    await expect(refused.next()).rejects.toThrow('FORBIDDEN');
  });
});

test.each([
  'subscription { apiKeyEvents { __typename } }',
  'subscription { authEvents { __typename } }',
  'subscription { securityEventRaised { __typename } }',
])('%s is refused to whoever is not signed in', async (query) => {
  const stream = await openStream(castellans.apps[1]?.url ?? '', query);
  const { data } = (await stream.next()) ?? {};
  expect(Object(data)).toMatchObject({ errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] });
  stream.leave();
});

test('what happened is told with what it happened to', async () => {
  const shown = { token: sam.accessToken };
  const [keys, doors, raised] = [
    await follow(castellans, 'apiKeyEvents', { shown, instance: 1 }),
    await follow(castellans, 'authEvents', { shown, instance: 2 }),
    await follow(castellans, 'securityEventRaised', { shown, instance: 0 }),
  ];
  const { apiKey } = await createKey(bob, { name: 'for deployments' });
  expect(await keys.next()).toEqual({
    __typename: 'ApiKeyCreated',
    apiKeyId: apiKey.id,
    apiKey: { id: apiKey.id, name: 'for deployments', owner: { id: bob.id } },
    at: expect.stringMatching(/Z$/),
    position: expect.stringMatching(/^events-/),
  });
  await wrongPassword(bob.email);
  expect(await doors.next()).toEqual({
    __typename: 'SignInFailed',
    userId: bob.id,
    user: { id: bob.id },
    outcome: 'wrong_password',
    device: { kind: 'other', browser: 'Opera', os: null },
    client: null,
    at: expect.stringMatching(/Z$/),
    position: expect.stringMatching(/^events-/),
  });
  const id = await raise(bob);
  expect((await raised.next())?.securityEvent).toEqual({
    id,
    kind: 'session.takeover_suspected',
    userId: bob.id,
    address: '203.0.113.9',
    scope: 'acme/platform',
  });
  for (const stream of [keys, doors, raised]) await stream.stop();
});

test('a wrong password for an address that nobody has is told to nobody', async () => {
  const stream = await follow(castellans, 'authEvents', { shown: { token: alice.accessToken }, instance: 0 });
  await wrongPassword('nobody@example.com');
  await wrongPassword(dora.email);
  expect(inWords(await stream.next())).toBe(`SignInFailed ${dora.id}`);
  await stream.stop();
});

test('that keys have expired is told once, by whichever instance notices', async () => {
  const keys = await Promise.all([1, 2, 3].map(() => createKey(bob)));
  const stream = await follow(castellans, 'apiKeyEvents', { shown: { token: bob.accessToken }, instance: 1 });
  const ids = keys.map(({ apiKey }) => apiKey.id);
  await castellans.rows(`update outbox_head set keys_expired_until = now() - interval '1 hour'`);
  await castellans.rows(`update api_keys set expires_at = now() - interval '1 minute' where id = any($1)`, ids);
  expect(new Set((await stream.take(3)).map(inWords))).toEqual(new Set(ids.map((id) => `ApiKeyUpdated ${id}`)));
  await Promise.all(castellans.apps.map(({ services }) => services.keyEnder.end()));
  await Promise.all(castellans.apps.map(({ services }) => services.keyEnder.end()));
  expect((await stream.take(3)).map(inWords)).toEqual(ids.toSorted().map((id) => `ApiKeyExpired ${id}`));
  const { apiKey } = await createKey(bob);
  expect(inWords(await stream.next())).toBe(`ApiKeyCreated ${apiKey.id}`);
  await stream.stop();
});

test('however many follow on an instance, what an event is about is read once', async () => {
  const streams = [];
  for (const who of [bob, bob, sam, dora, mallory, alice]) {
    streams.push(await follow(castellans, 'apiKeyEvents', { shown: { token: who.accessToken }, instance: 1 }));
  }
  const statements = recordStatements(castellans.apps);
  const { apiKey } = await createKey(bob);
  for (const n of [0, 1, 2, 5]) expect(inWords((await streams[n]?.next()) ?? null)).toBe(`ApiKeyCreated ${apiKey.id}`);
  statements.stop();
  expect(statements.names.filter((name) => name === 'api-key-find-many')).toHaveLength(1);
  for (const stream of streams) await stream.stop();
});

describe('a change of rights', () => {
  test('ends what is not allowed any more, and nothing else, on one socket', async () => {
    const { accessToken: token, ...eve } = await atHome('eve', 'globex', []);
    const grant = await addGrant(castellans.apps[0]!, { principalId: eve.id, role: 'support', scope: 'acme' });
    const client = castellans.connect({ token, instance: 2 });
    const streams = [];
    for (const feed of NAMES) streams.push(await follow(castellans, feed, { shown: { token }, instance: 2, client }));
    const goesOn = await listening(castellans, 2, () => sessionEvents(client));
    expect(await revokeGrant(castellans.apps[0]!, grant)).toBe(true);
    for (const feed of NAMES) await HAPPENINGS[feed](bob);
    for (const stream of streams) {
      expect(await stream.next()).toMatchObject({ __typename: 'AccessEnded', code: 'FORBIDDEN' });
      expect(await stream.next()).toBeNull();
    }
    const { sessionId } = await castellans.signIn(eve.email);
    expect(await goesOn.next()).toMatchObject({ __typename: 'SessionStarted', sessionId });
    await goesOn.stop();
  });

  test('that leaves something leaves the subscription with that', async () => {
    const eve = await atHome('eve', 'globex');
    const grant = await addGrant(castellans.apps[0]!, { principalId: eve.id, role: 'support', scope: 'acme' });
    const stream = await follow(castellans, 'apiKeyEvents', { shown: { token: eve.accessToken }, instance: 0 });
    const { apiKey: first } = await createKey(bob);
    expect(inWords(await stream.next())).toBe(`ApiKeyCreated ${first.id}`);
    expect(await revokeGrant(castellans.apps[0]!, grant)).toBe(true);
    await createKey(bob);
    const { apiKey: own } = await createKey(eve);
    expect(inWords(await stream.next())).toBe(`ApiKeyCreated ${own.id}`);
    await stream.stop();
  });

  test('to a field is true of what is told', async () => {
    const eve = await atHome('eve', 'globex', []);
    await addGrant(castellans.apps[0]!, { principalId: eve.id, role: 'support', scope: 'acme' });
    const stream = castellans.connect({ token: eve.accessToken, instance: 1 }).iterate<Record<string, FeedEvent>>({
      query: 'subscription { it: apiKeyEvents { ... on ApiKeyCreated { apiKey { id name } } } }',
    });
    const followers = () => castellans.apps[1]?.services.eventFeeds.subscribers ?? 0;
    const before = followers();
    const first = stream.next();
    await until(() => followers() > before);
    const files = (await readPolicyFiles('policies')).map(({ path, text }) => ({
      path,
      text: path.endsWith('api-keys.yaml')
        ? text.replace(
            '      - { action: [read, revoke], subject: ApiKey }',
            '      - { action: revoke, subject: ApiKey }\n      - { action: read, subject: ApiKey, fields: [id, ownerId, scope] }',
          )
        : text,
    }));
    const { version } = await done<{ version: string }>('{ policy { version } }', {});
    await done(
      `mutation ($files: [PolicyFileInput!]!, $version: String!) {
        applyPolicy(files: $files, cases: [], expectedVersion: $version) { receipt { enforced } } }`,
      { files, version },
    );
    const { apiKey } = await createKey(bob);
    const { data, errors } = (await first).value as {
      data: Record<string, FeedEvent>;
      errors: readonly { extensions: { code: string } }[];
    };
    expect(data['it']?.apiKey).toEqual({ id: apiKey.id, name: null });
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN']);
    await stream.return?.();
    await castellans.apps[0]?.services.policyFiles.reload(SYSTEM);
  });
});
