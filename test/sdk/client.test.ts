import { unpackRules } from '@casl/ability/extra';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createApp, type App } from '../../src/app.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { createLog } from '../../src/kit/log.ts';
import { WebSocket } from 'ws';
import { Browser } from '../support/browser.ts';
import { createTestClock, startCastellans, until, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { countUpdates, openLive, when } from './live.ts';

type Packed = Parameters<typeof unpackRules>[0];

const GRANT = `mutation ($principalId: ID!, $roleId: ID!) {
  grantRole(principalId: $principalId, roleId: $roleId) { grant { id } }
}`;

const lives = openLive();
let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterEach(() => lives.dispose());

afterAll(() => castellans.close());

const wsUrlOf = (app: App | undefined): string => `${(app?.url ?? '').replace('http', 'ws')}/graphql`;

const wsUrl = (instance: number): string => wsUrlOf(castellans.apps[instance]);

/** Runs a mutation or query as alice. */
async function asAlice<T>(query: string, variables: object, instance = 0): Promise<T> {
  const { data, errors } = await castellans.ask<T>(query, { variables, token: alice.accessToken, instance });
  if (data === null) throw new Error(JSON.stringify(errors));
  return data;
}

async function grant({ id }: SignedInUser, role: string, instance = 0): Promise<string> {
  const found = await asAlice<{ role: { id: string } }>('query ($name: String!) { role(name: $name) { id } }', {
    name: role,
  });
  const variables = { principalId: id, roleId: found.role.id };
  return (await asAlice<{ grantRole: { grant: { id: string } } }>(GRANT, variables, instance)).grantRole.grant.id;
}

const revoke = (grantId: string, instance = 0) =>
  asAlice('mutation ($id: ID!) { revokeRole(grantId: $id) { position } }', { id: grantId }, instance);

const revokeSession = ({ sessionId }: SignedInUser, instance = 0) =>
  asAlice('mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }', { id: sessionId }, instance);

const mayDisable = { __typename: 'User', id: 'user_another', roles: ['member'] };

describe('a live ability', () => {
  test('has the rules that Castellan decides by', async () => {
    const bob = await castellans.signUp('bob', ['support']);
    const live = lives.start({ url: wsUrl(1), accessToken: () => bob.accessToken });
    expect(live.ability.can('read', 'User')).toBe(false);
    await live.ready;
    expect(live.state).toBe('live');

    const people = [
      { __typename: 'User', id: bob.id, roles: ['support'] },
      { __typename: 'User', id: alice.id, roles: ['administrator'] },
    ];
    for (const person of people) {
      for (const [action, field] of [['read'], ['update', 'name'], ['update', 'email'], ['disable'], ['delete']]) {
        const { data } = await castellans.ask<{ viewerCan: { allowed: boolean } }>(
          `query ($action: String!, $id: ID!, $field: String) {
            viewerCan(action: $action, subject: "User", id: $id, field: $field) { allowed }
          }`,
          { variables: { action, id: person.id, field }, token: bob.accessToken },
        );
        const mine = live.ability.can(action ?? '', person, field);
        expect([action, field, person.roles, mine]).toEqual([action, field, person.roles, data?.viewerCan.allowed]);
      }
    }
  });

  test('follows a grant and its revocation in place, whichever instance they are made on', async () => {
    const bob = await castellans.signUp('bob');
    const live = lives.start({ url: wsUrl(2), accessToken: () => Promise.resolve(bob.accessToken) });
    const { ability } = live;
    await live.ready;
    expect(ability.can('disable', mayDisable)).toBe(false);

    const granted = when(live, () => ability.can('disable', mayDisable));
    const grantId = await grant(bob, 'support', 0);
    await granted;
    const revoked = when(live, () => ability.cannot('disable', mayDisable));
    await revoke(grantId, 1);
    await revoked;
    expect(ability.can('read', { __typename: 'User', id: bob.id })).toBe(true);
    expect(live.ability).toBe(ability);
    expect(live.state).toBe('live');
  });

  test('denies everything when the session is revoked, says so once, and does not come back', async () => {
    const bob = await castellans.signUp('bob', ['support']);
    const ended: unknown[] = [];
    let connections = 0;
    const live = lives.start({
      url: () => wsUrl((connections += 1) % 3),
      accessToken: () => bob.accessToken,
      onEnded: (...args) => ended.push(args, live.ability.can('read', 'User')),
    });
    await live.ready;
    const over = when(live, () => live.state === 'ended');
    await revokeSession(bob);
    await over;
    expect(ended).toEqual([['SESSION_REVOKED', 'This session has been revoked. Sign in again.'], false]);
    expect(live.ability.rules).toEqual([]);
    await until(() => lives.connected === 0);
    expect(connections).toBe(1);
    expect(ended).toHaveLength(2);
  });

  test('ends for a session that was revoked before it connected, and has never been ready', async () => {
    const bob = await castellans.signUp('bob', ['support']);
    await revokeSession(bob);
    const ended: string[] = [];
    const live = lives.start({
      url: wsUrl(0),
      accessToken: () => bob.accessToken,
      onEnded: (code) => ended.push(code),
    });
    await expect(live.ready).rejects.toMatchObject({ code: 'SESSION_REVOKED' });
    expect(live.state).toBe('ended');
    expect(ended).toEqual(['SESSION_REVOKED']);
  });

  test('ends for one who is not signed in', async () => {
    const live = lives.start({ url: wsUrl(0), accessToken: () => 'no token' });
    await expect(live.ready).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('denies everything when it is disposed of, without onEnded', async () => {
    const bob = await castellans.signUp('bob', ['support']);
    const ended: string[] = [];
    const live = lives.start({
      url: wsUrl(0),
      accessToken: () => bob.accessToken,
      onEnded: (code) => ended.push(code),
    });
    await live.ready;
    live.dispose();
    expect(live.ability.rules).toEqual([]);
    expect(live.state).toBe('ended');
    await until(() => lives.connected === 0);
    expect(ended).toEqual([]);
  });

  test('keeps the last rules for a while when the network is lost, then denies everything until they are confirmed', async () => {
    const bob = await castellans.signUp('bob', ['support']);
    const network = Promise.withResolvers<void>();
    const states: string[] = [];
    let connections = 0;
    const live = lives.start({
      url: async () => {
        if ((connections += 1) > 1) await network.promise;
        return wsUrl(0);
      },
      accessToken: () => bob.accessToken,
      staleAfterMs: 300,
    });
    live.subscribe(() => states.push(`${live.state} ${live.ability.can('disable', mayDisable)}`));
    await live.ready;
    const stale = when(live, () => live.state === 'stale');
    lives.cut();
    await stale;
    network.resolve();
    await when(live, () => live.state === 'live');
    expect(states).toEqual(['live true', 'reconnecting true', 'stale false', 'live true']);
  });

  test('works with the WebSocket that the platform has', async () => {
    const bob = await castellans.signUp('bob');
    const live = lives.start({ url: wsUrl(0), accessToken: () => bob.accessToken, webSocketImpl: undefined });
    await live.ready;
    const ended = when(live, () => live.state === 'ended');
    await revokeSession(bob);
    await ended;
  });
});

describe('an instance that closes', () => {
  test('is left for another one, and three changes that were missed come as one', async () => {
    const bob = await castellans.signUp('bob');
    const closing = await createApp(castellans.config, { poolMax: 5, logger: createLog('silent') });
    const changed = Promise.withResolvers<void>();
    const urls = [wsUrlOf(closing), wsUrl(1)];
    let connections = 0;
    const live = lives.start({
      url: async () => {
        if ((connections += 1) > 1) await changed.promise;
        return urls[Math.min(connections - 1, 1)] ?? '';
      },
      accessToken: () => bob.accessToken,
    });
    await live.ready;
    const updates = countUpdates(live);
    const left = when(live, () => live.state === 'reconnecting');
    await closing.close();
    await left;
    await grant(bob, 'administrator');
    await grant(bob, 'auditor');
    await grant(bob, 'support');
    expect(updates.count).toBe(0);
    changed.resolve();
    await when(live, () => live.state === 'live');
    expect(live.ability.can('disable', mayDisable)).toBe(true);
    expect(updates.count).toBe(1);

    const { data } = await castellans.ask<{ viewerAbility: { rules: Packed } }>('{ viewerAbility { rules } }', {
      token: bob.accessToken,
    });
    expect(live.ability.rules).toEqual(unpackRules(data?.viewerAbility.rules ?? []));
    expect(connections).toBe(2);
  });
});

describe('an access token that runs out', () => {
  const clock = createTestClock();
  /** The clock says when a token ends. */
  let patient: Castellans;
  /** The client says when a token is about to end, by the time that passes. */
  let shortLived: Castellans;

  beforeAll(async () => {
    patient = await startCastellans(1, { clock });
    shortLived = await startCastellans(1, { settings: { accessTokenSeconds: 4 } });
  });

  afterAll(async () => {
    await shortLived?.close();
    await patient?.close();
  });

  const tokensEnd = () => clock.advance(patient.config.accessTokenSeconds * 1_000 + 1);

  /** A page's own store of tokens, which all its tabs share, and how it refreshes them. */
  async function signedIn(at = shortLived) {
    const bob = await at.signUp('bob');
    const page = {
      bob,
      accessToken: bob.accessToken,
      refreshes: 0,
      refreshToken: bob.refreshToken,
      async refresh() {
        page.refreshes += 1;
        const { data } = await at.ask<{ refreshSession: { accessToken: string; refreshToken: string } }>(
          'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }',
          { variables: { token: page.refreshToken } },
        );
        Object.assign(page, data?.refreshSession ?? { accessToken: '', refreshToken: '' });
      },
    };
    return page;
  }

  async function grantSupport({ id }: SignedInUser): Promise<void> {
    const { roles, grants } = shortLived.apps[0]?.services ?? {};
    const support = await roles?.findByName(SYSTEM, 'support');
    await grants?.grant(SYSTEM, { principalId: id, roleId: support?.id ?? '', scope: null });
  }

  test('is renewed on the connection before it does, and the connection outlives it', async () => {
    const page = await signedIn();
    const states: string[] = [];
    let connections = 0;
    const live = lives.start({
      url: () => {
        connections += 1;
        return wsUrlOf(shortLived.apps[0]);
      },
      accessToken: () => page.accessToken,
      refresh: () => page.refresh(),
    });
    live.subscribe(() => states.push(live.state));
    await live.ready;
    await until(async () => (await shortLived.ask('{ me { id } }', { token: page.bob.accessToken })).status === 401);
    const granted = when(live, () => live.ability.can('disable', mayDisable));
    await grantSupport(page.bob);
    await granted;
    expect(page.refreshes).toBeGreaterThan(0);
    expect(connections).toBe(1);
    expect(new Set(states)).toEqual(new Set(['live']));
    lives.dispose();
  });

  test.each([
    ['with Web Locks', true],
    ['without Web Locks', false],
  ])('is refreshed in one tab only, and the others take what it got, %s', async (_, hasLocks) => {
    const { navigator } = globalThis;
    expect(navigator.locks).toBeDefined();
    Object.defineProperty(globalThis, 'navigator', { value: hasLocks ? navigator : {}, configurable: true });
    try {
      const page = await signedIn(castellans);
      const url = wsUrl(0);
      const refresh = () => page.refresh();
      const tabs = Array.from({ length: 5 }, () => lives.start({ url, accessToken: () => page.accessToken, refresh }));
      await Promise.all(tabs.map((tab) => tab.refresh()));
      expect(page.refreshes).toBe(1);
      await Promise.all(tabs.map((tab) => tab.refresh()));
      expect(page.refreshes).toBe(2);
    } finally {
      Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
    }
  });

  test('is refreshed when it has, where the page could not at once, and all goes on', async () => {
    const page = await signedIn();
    let tries = 0;
    const live = lives.start({
      url: wsUrlOf(shortLived.apps[0]),
      accessToken: () => page.accessToken,
      async refresh() {
        if ((tries += 1) === 1) throw new Error('the network is slow');
        await page.refresh();
      },
    });
    await live.ready;
    const updates = countUpdates(live);
    await when(live, () => page.refreshes > 0 && live.state === 'live');
    expect(tries).toBeGreaterThan(1);
    expect(updates.count).toBe(0);
    const granted = when(live, () => live.ability.can('disable', mayDisable));
    await grantSupport(page.bob);
    await granted;
  });

  test('in a cookie is refreshed when it has, and the page never sees one', async () => {
    const { url = '' } = patient.apps[0] ?? {};
    const bob = await patient.signUp('bob');
    const browser = new Browser();
    await browser.signIn(url, bob.email);
    class WithCookies extends WebSocket {
      constructor(address: string, protocols: string) {
        super(address, protocols, { headers: { cookie: browser.cookie } });
      }
    }
    let refreshes = 0;
    const live = lives.start({
      url: wsUrlOf(patient.apps[0]),
      csrfToken: () => browser.csrfToken,
      async refresh() {
        refreshes += 1;
        await browser.refresh(url);
      },
      webSocketImpl: WithCookies,
    });
    await live.ready;
    const left = when(live, () => live.state === 'reconnecting');
    tokensEnd();
    await left;
    await when(live, () => live.state === 'live');
    expect(refreshes).toBe(1);
  });

  test('ends access when nobody refreshes it, or when the refresh is refused for good', async () => {
    const bob = await patient.signUp('bob');
    const refused = Object.assign(new Error('This session has been revoked.'), { code: 'SESSION_REVOKED' });
    const ended: string[] = [];
    const opened = [undefined, () => Promise.reject(refused)].map((refresh) =>
      lives.start({
        url: wsUrlOf(patient.apps[0]),
        accessToken: () => bob.accessToken,
        onEnded: (code) => ended.push(code),
        ...(refresh !== undefined && { refresh }),
      }),
    );
    await Promise.all(opened.map(({ ready }) => ready));
    const over = opened.map((live) => when(live, () => live.state === 'ended'));
    tokensEnd();
    await Promise.all(over);
    expect(ended.toSorted()).toEqual(['SESSION_REVOKED', 'TOKEN_EXPIRED']);
  });
});
