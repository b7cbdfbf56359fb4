import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import {
  askOver,
  codesOf,
  collect,
  createTestClock,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { watching } from '../support/rights-events.ts';
import { endOfFeed, listening, sessionEvents } from '../support/session-events.ts';

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

interface Asking {
  readonly instance: number;
  readonly after?: string | undefined;
}

async function permissions({ accessToken: token }: SignedInUser, { instance, after }: Asking) {
  const events = await watching<{ permissionsChanged: PermissionsEvent }>(castellans, {
    client: castellans.connect({ token, instance }),
    instance,
    query: PERMISSIONS,
    after,
  });
  return { next: async () => (await events.next())?.permissionsChanged ?? null, stop: async () => events.stop?.() };
}

async function grant({ id: principalId }: SignedInUser, role: string, scope: string | null = null): Promise<string> {
  const { roles, grants } = castellans.apps[0]?.services ?? {};
  const found = await roles?.findByName(SYSTEM, role);
  if (scope !== null) await castellans.addScopes(scope);
  const granted = await grants?.grant(SYSTEM, { principalId, roleId: found?.id ?? '', scope });
  return granted?.value.id ?? '';
}

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
    const stream = await permissions(bob, { instance: 2 });
    const grantId = await grant(bob, 'support');
    const granted = await stream.next();
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
    const stream = await permissions(bob, { instance: 1, after: position });
    const missed = await stream.next();
    expect(missed?.rules).toEqual((await rulesOf(bob, 2)).rules);
    await stream.stop();

    const again = await permissions(bob, { instance: 1, after: missed?.position });
    await grant(bob, 'support');
    expect((await again.next())?.rules).toEqual((await rulesOf(bob, 0)).rules);
    await again.stop();
  });

  test('answers a position of another history or of another feed with Resync, and sends the rules', async () => {
    const bob = await castellans.signUp('bob');
    const { position } = await rulesOf(bob, 0);
    for (const after of ['00000000-1', `events-${position}`]) {
      const stream = await permissions(bob, { instance: 1, after });
      const resync = await stream.next();
      expect(resync).toEqual({ __typename: 'Resync', position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) });
      const { rules } = await rulesOf(bob, 0);
      expect(await stream.next()).toMatchObject({ __typename: 'PermissionsChanged', rules });
      await stream.stop();
      // From the position of Resync on nothing is missing.
      const again = await permissions(bob, { instance: 2, after: resync?.position });
      await grant(bob, 'support', `after${after.length}`);
      expect((await again.next())?.rules).toEqual((await rulesOf(bob, 0)).rules);
      await again.stop();
    }
  });

  test.each(['', 'garbage', '1', '00000000-01', 'events-x'])('refuses %j as a position', async (after) => {
    const bob = await castellans.signUp('bob');
    const answer = await askOver(castellans.connect({ token: bob.accessToken }), PERMISSIONS, { variables: { after } });
    expect(answer.data).toBeNull();
    expect(answer.errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'after' }]);
  });

  test('asks anonymous callers to sign in', async () => {
    expect(codesOf(await askOver(castellans.connect({}), PERMISSIONS))).toEqual(['UNAUTHENTICATED']);
  });

  test('AC-95: reaches nobody else', async () => {
    const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
    const stream = await permissions(mallory, { instance: 1 });
    await grant(bob, 'administrator');
    await grant(mallory, 'auditor');
    expect((await stream.next())?.rules).toEqual((await rulesOf(mallory, 0)).rules);
    await stream.stop();
  });
});

describe('a token that ends', () => {
  const clock = createTestClock();
  let shortLived: Castellans;

  beforeAll(async () => {
    shortLived = await startCastellans(1, { clock });
  });

  afterAll(() => shortLived.close());

  test('AC-06: ends its subscriptions with AccessEnded and its socket with 4403: a fresh one may come back', async () => {
    const bob = await shortLived.signUp('bob');
    const closed = Promise.withResolvers<number>();
    const client = shortLived.connect({ token: bob.accessToken, onClosed: closed.resolve });
    const stream = await listening(shortLived, 0, () => sessionEvents(client));
    clock.advance(shortLived.config.accessTokenSeconds * 1_000 + 1);
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

test('what belongs to an event is read with the event, with the rights of that moment', async () => {
  const carol = await castellans.signUp('carol', ['member']);
  const events = collect<{ sessionEvents: { session: { user: { name: string } | null } } }>(
    castellans.connect({ token: carol.accessToken }),
    `subscription ($after: String) {
      sessionEvents(after: $after) { ... on SessionRevoked { session { user { name } } } }
    }`,
    { after: await endOfFeed(castellans) },
  );
  const names = [];
  const revokeOf = 'mutation ($id: ID!) { revokeSession(id: $id) { position } }';
  /** The next event that tells of an end. */
  const nextEnd = async () => {
    for (;;) {
      const event = (await events.next())?.sessionEvents;
      if (event === undefined || 'session' in event) return event;
    }
  };
  for (const name of ['Carol', 'Caroline']) {
    const rename = 'mutation ($input: UpdateUserInput!) { updateUser(input: $input) { position } }';
    await castellans.ask(rename, { variables: { input: { id: carol.id, name } }, token: alice.accessToken });
    const next = nextEnd();
    const { sessionId } = await castellans.signIn(carol.email, 1);
    await castellans.ask(revokeOf, { variables: { id: sessionId }, token: alice.accessToken, instance: 2 });
    names.push((await next)?.session.user?.name);
  }
  expect(names).toEqual(['Carol', 'Caroline']);

  // Whoever may not even read themselves any more.
  const held = await castellans.ask<{ user: { grants: readonly { id: string }[] } }>(
    'query ($id: ID!) { user(id: $id) { grants { id } } }',
    { variables: { id: carol.id }, token: alice.accessToken },
  );
  const next = nextEnd();
  const phone = await castellans.signIn(carol.email);
  for (const { id } of held.data?.user.grants ?? []) {
    const take = 'mutation ($id: ID!) { revokeRole(grantId: $id) { receipt { enforced } } }';
    await castellans.ask(take, { variables: { id }, token: alice.accessToken });
  }
  await castellans.ask(revokeOf, { variables: { id: phone.sessionId }, token: alice.accessToken });
  expect((await next)?.session).toBeNull();
});
