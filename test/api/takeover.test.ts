import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { tally } from '../support/accounts.ts';
import { INSTANCES } from '../support/asking.ts';
import { codesOf, PASSWORD, type Castellans, recordStatements, startCastellans, until } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { ofType, openSocket } from '../support/socket.ts';
import { STEP_UP, type SteppedUp } from '../support/step-ups.ts';

/** That a session is used where it is at home: the network and the device that it was started with. */

jest.setTimeout(120_000);

type Headers = Record<string, string>;

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0';
const NEXT_FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0';
const CHROME =
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36';

const at = (address: string, userAgent = FIREFOX): Headers => ({
  'x-forwarded-for': address,
  'user-agent': userAgent,
});
const HOME = at('203.0.113.7');
const THIEF = at('198.51.100.9', CHROME);

const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id address device { browser } } user { id } } }
}`;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';
const ME = '{ me { id } }';
const EVENTS = `query ($filter: SecurityEventFilter, $after: String) {
  securityEvents(first: 10, after: $after, filter: $filter) {
    edges { cursor node { id at kind severity userId sessionId session { id } action address device { kind browser os } scope scopes } }
    pageInfo { hasNextPage }
  }
}`;

interface Signed {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly session: { readonly id: string; readonly address: string; readonly device: { readonly browser: string } };
  readonly user: { readonly id: string };
}
interface Events {
  readonly securityEvents: {
    readonly edges: readonly { readonly cursor: string; readonly node: Readonly<Record<string, unknown>> }[];
  };
}

let castellans: Castellans;
const urlOf = (instance: number): string => castellans.apps[instance]?.url ?? '';

async function signIn(email: string, headers: Headers = HOME): Promise<Signed> {
  const variables = { input: { email, password: PASSWORD } };
  const { data, errors } = await castellans.ask<{ signIn: Signed }>(SIGN_IN, { variables, headers });
  if (data === null) throw new Error(JSON.stringify(errors));
  return data.signIn;
}

/** Somebody who is signed in at home. */
async function someone(name: string, headers: Headers = HOME): Promise<Signed & { readonly email: string }> {
  const { email } = await castellans.signUp(name);
  return { email, ...(await signIn(email, headers)) };
}

type Who = Pick<Signed, 'accessToken' | 'refreshToken'>;
type Door = (who: Who, headers: Headers, instance: number) => Promise<readonly unknown[]>;

const post: Door = async ({ accessToken: token }, headers, instance) =>
  codesOf(await castellans.ask(ME, { token, headers, instance }));

const get: Door = async ({ accessToken }, headers, instance) => {
  const response = await fetch(`${urlOf(instance)}/graphql?query=${encodeURIComponent(ME)}`, {
    headers: { authorization: `Bearer ${accessToken}`, 'apollo-require-preflight': '1', ...headers },
  });
  const { errors = [] } = (await response.json()) as { errors?: Parameters<typeof codesOf>[0]['errors'] };
  return codesOf({ errors });
};

const stream: Door = async ({ accessToken }, headers, instance) => {
  const opened = await openStream(urlOf(instance), ME, {
    headers: { authorization: `Bearer ${accessToken}`, ...headers },
  });
  if (opened.status !== 200) return codesOf((await opened.json()) as Parameters<typeof codesOf>[0]);
  const [next] = await opened.all();
  return codesOf({ errors: [], ...(next?.data as object) });
};

const socket: Door = async ({ accessToken }, headers, instance) => {
  const opened = await openSocket(`${urlOf(instance).replace('http', 'ws')}/graphql`, { headers });
  opened.init({ authorization: `Bearer ${accessToken}` });
  if ((await opened.next(ofType('connection_ack'))) === null) return [await opened.reason];
  opened.subscribe('1', ME);
  const answer = await opened.next(({ id }) => id === '1');
  opened.close();
  const errors = answer?.type === 'error' ? answer.payload : [];
  return codesOf({ errors: errors as Parameters<typeof codesOf>[0]['errors'] });
};

const refresh: Door = async ({ refreshToken }, headers, instance) =>
  codesOf(await castellans.ask(REFRESH, { variables: { token: refreshToken }, headers, instance }));

const DOORS: readonly (readonly [string, Door])[] = [
  ['POST', post],
  ['GET', get],
  ['server-sent events', stream],
  ['WebSocket', socket],
  ['refresh', refresh],
];

async function eventsOf({ user, session }: Pick<Signed, 'user' | 'session'>): Promise<readonly object[]> {
  return castellans.rows(
    `select kind, severity, facts->>'action' as action, facts->>'address' as address from security_events
     where user_id = $1 and session_id = $2 order by at`,
    user.id,
    session.id,
  );
}

async function open(sessionTakeover: 'report' | 'step-up' | 'revoke', trustedProxies = ['127.0.0.1', '10.0.0.0/8']) {
  castellans = await startCastellans(3, { settings: { sessionTakeover, trustedProxies } });
}

const suspected = (action: string, address = '198.51.100.9') => ({
  kind: 'session.takeover_suspected',
  severity: 'warning',
  action,
  address,
});

describe('where a takeover is only told of', () => {
  beforeAll(() => open('report'));
  afterAll(() => castellans?.close());

  test.each(DOORS)('a token on another device in another network leaves one event and goes on: %s', async (_, door) => {
    const bob = await someone('bob');
    expect(await door(bob, THIEF, 1)).toEqual([]);
    expect(await eventsOf(bob)).toEqual([suspected('report')]);
  });

  test.each(DOORS)('another network alone, or another device alone, is nothing: %s', async (_, door) => {
    for (const headers of [at('198.51.100.9'), at('203.0.113.200', CHROME), at('198.51.100.9', NEXT_FIREFOX)]) {
      const bob = await someone('bob');
      expect(await door(bob, headers, 1)).toEqual([]);
      expect(await eventsOf(bob)).toEqual([]);
    }
  });

  test('1,000 requests from the new place, over all instances at once, leave one event; the next costs no round trip', async () => {
    const bob = await someone('bob');
    const many = Array.from({ length: 1_000 }, (_, n) => post(bob, THIEF, n % 3));
    expect(
      tally(
        (await Promise.all(many)).map(
          (codes) => ({ errors: codes.map((code) => ({ extensions: { code } })) }) as never,
        ),
      ),
    ).toEqual({ ok: 1_000 });
    expect(await eventsOf(bob)).toEqual([suspected('report')]);
    const statements = recordStatements(castellans.apps);
    for (let n = 0; n < 60; n += 1) expect(await post(bob, n % 2 === 0 ? THIEF : HOME, n % 3)).toEqual([]);
    statements.stop();
    expect(statements.names.filter((name) => name !== 'a transaction')).toEqual([]);
    // What is written behind goes with the clock, and not with each request.
    expect(statements.names.length).toBeLessThan(30);
  });

  test('each new place is told of once', async () => {
    const bob = await someone('bob');
    for (const address of ['198.51.100.9', '192.0.2.4', '198.51.100.77', '192.0.2.5']) {
      await post(bob, at(address, CHROME), 0);
      await post(bob, at(address, CHROME), 1);
    }
    expect(await eventsOf(bob)).toEqual([suspected('report'), suspected('report', '192.0.2.4')]);
  });

  test('an old refresh token leaves an event that is critical, and one within its grace leaves none', async () => {
    const bob = await someone('bob');
    for (const instance of [0, 1]) expect(await refresh(bob, HOME, instance)).toEqual([]);
    expect(await eventsOf(bob)).toEqual([]);
    await castellans.rows(
      `update sessions set rotated_at = rotated_at - interval '1 minute' where id = $1`,
      bob.session.id,
    );
    expect(await refresh(bob, THIEF, 1)).toEqual(['SESSION_REVOKED']);
    expect(await eventsOf(bob)).toEqual([
      { kind: 'session.refresh_reuse', severity: 'critical', action: 'revoke', address: '198.51.100.9' },
    ]);
  });

  test('events are read by those they are about and by administrators, and by nobody else', async () => {
    const [bob, mallory] = [await someone('bob'), await someone('mallory')];
    const alice = await castellans.signUp('alice', ['administrator']);
    await post(bob, THIEF, 1);
    const filter = { sessionId: bob.session.id };
    const read = async (token: string, more: object = {}) =>
      (
        await castellans.ask<Events>(EVENTS, { token, variables: { filter: { ...filter, ...more } }, headers: HOME })
      ).data?.securityEvents.edges.map(({ node }) => node);
    const event = {
      id: expect.stringMatching(/^sec_/),
      at: expect.stringMatching(/Z$/),
      kind: 'session.takeover_suspected',
      severity: 'warning',
      userId: bob.user.id,
      sessionId: bob.session.id,
      session: { id: bob.session.id },
      action: 'report',
      address: '198.51.100.9',
      device: { kind: 'mobile', browser: 'Chrome', os: 'Android' },
      scope: null,
      scopes: [],
    };
    expect(await read(bob.accessToken)).toEqual([event]);
    expect(await read(alice.accessToken)).toEqual([event]);
    expect(await read(mallory.accessToken)).toEqual([]);
    expect(await read(bob.accessToken, { severity: 'critical' })).toEqual([]);
    expect(await read(bob.accessToken, { kind: 'session.refresh_reuse' })).toEqual([]);
    expect(await read(bob.accessToken, { since: '2100-01-01T00:00:00Z' })).toEqual([]);
    expect(await read(bob.accessToken, { userId: bob.user.id, since: '2020-01-01T00:00:00Z' })).toEqual([event]);
  });

  test('of a user who is erased it stays that it happened, and not where from', async () => {
    const bob = await someone('bob');
    const alice = await castellans.signUp('alice', ['administrator']);
    await post(bob, THIEF, 1);
    await castellans.rows(`update sessions set authenticated_at = now() where id = $1`, alice.sessionId);
    const { errors } = await castellans.ask('mutation ($id: ID!) { deleteUser(id: $id) { id } }', {
      variables: { id: bob.user.id },
      token: alice.accessToken,
    });
    expect(errors).toEqual([]);
    expect(await eventsOf(bob)).toEqual([
      { kind: 'session.takeover_suspected', severity: 'warning', action: null, address: null },
    ]);
    const left = await castellans.rows(`select 1 from security_events where user_id = $1 and once <> id`, bob.user.id);
    expect(left).toEqual([]);
  });

  test('an audit entry goes with each event', async () => {
    const bob = await someone('bob');
    await post(bob, THIEF, 1);
    await post(bob, THIEF, 2);
    const entries = await castellans.rows<object>(
      `select action from audit_entries where subject_id = $1 and outcome = 'done' and action like '%takeover%'`,
      bob.session.id,
    );
    expect(entries).toEqual([{ action: 'session.takeover_suspected' }]);
  });
});

describe('where a session must prove itself in a new place', () => {
  beforeAll(() => open('step-up'));
  afterAll(() => castellans?.close());

  const stepUp = ({ accessToken: token }: Who, headers: Headers, instance = 0, password = PASSWORD) =>
    castellans.ask<SteppedUp>(STEP_UP, { variables: { input: { password } }, token, headers, instance });

  test('nothing else is answered there, through every door of every instance, and all goes on at home', async () => {
    const bob = await someone('bob');
    for (const instance of INSTANCES) {
      for (const [name, door] of DOORS) {
        expect({ name, codes: await door(bob, THIEF, instance) }).toEqual({ name, codes: ['MFA_REQUIRED'] });
      }
    }
    // The token was not used up, and what was suspected is written although it was refused.
    for (const [name, door] of DOORS) expect({ name, codes: await door(bob, HOME, 0) }).toEqual({ name, codes: [] });
    expect(await eventsOf(bob)).toEqual([suspected('step-up')]);
  });

  test('a refused refresh is told of by itself', async () => {
    const bob = await someone('bob');
    expect(await refresh(bob, THIEF, 2)).toEqual(['MFA_REQUIRED']);
    expect(await eventsOf(bob)).toEqual([suspected('step-up')]);
    expect(await refresh(bob, HOME, 2)).toEqual([]);
  });

  test('what is asked for beside a step-up, or in its place, is refused with it', async () => {
    const bob = await someone('bob');
    const ask = async (query: string, more: object = {}) =>
      codesOf(
        await castellans.ask(query, {
          variables: { id: bob.session.id, input: { password: PASSWORD }, ...more },
          token: bob.accessToken,
          headers: THIEF,
        }),
      );
    const step = 'stepUp(input: $input) { position }';
    const rename = 'renameSession(id: $id, label: "mine") { position }';
    for (const query of [
      `mutation ($id: ID!, $input: StepUpInput!) { ${step} ${rename} }`,
      `mutation ($id: ID!, $input: StepUpInput!) { ${step} ...More } fragment More on Mutation { ${rename} }`,
      `mutation ($id: ID!, $input: StepUpInput!) { stepUp: renameSession(id: $id, label: "mine") { position } other: ${step} }`,
      `query { stepUp: me { id } }`,
      `mutation { signOut { position } }`,
      'no query at all',
    ]) {
      expect({ query, codes: await ask(query) }).toEqual({ query, codes: ['MFA_REQUIRED'] });
    }
    // By whom they were asked for is known, so the audit has the mutations, each once within a minute.
    const denied = () =>
      castellans.rows<{ action: string; code: string }>(
        `select action, code from audit_entries where by = $1 and outcome = 'denied' order by action`,
        bob.user.id,
      );
    const code = 'MFA_REQUIRED';
    const actions = ['session.rename', 'session.revoke', 'session.step_up'];
    await until(async () => (await denied()).length === actions.length);
    expect(await denied()).toEqual(actions.map((action) => ({ action, code })));
  });

  test('a wrong password proves nothing; the right one makes the new place its home, on every instance, and the old one new', async () => {
    const bob = await someone('bob');
    expect(codesOf(await stepUp(bob, THIEF, 0, 'not this one'))).toEqual(['BAD_USER_INPUT']);
    expect(await post(bob, THIEF, 0)).toEqual(['MFA_REQUIRED']);

    const { data } = await stepUp(bob, THIEF, 1);
    expect(data?.stepUp).toMatchObject({ session: { id: bob.session.id }, receipt: { enforced: true } });
    const proven = { ...bob, ...data?.stepUp };
    for (const instance of INSTANCES) {
      for (const [name, door] of DOORS.filter(([, each]) => each !== refresh)) {
        expect({ name, codes: await door(proven, THIEF, instance) }).toEqual({ name, codes: [] });
        expect({ name, codes: await door(proven, HOME, instance) }).toEqual({ name, codes: ['MFA_REQUIRED'] });
      }
    }
    expect(await refresh(proven, THIEF, 2)).toEqual([]);
    const [session] = await castellans.rows<object>(
      'select address, browser from sessions where id = $1',
      bob.session.id,
    );
    expect(session).toEqual({ address: '198.51.100.9', browser: 'Chrome' });
    expect(await eventsOf(bob)).toEqual([suspected('step-up'), suspected('step-up', '203.0.113.7')]);
  });

  test('a socket is judged by where it was opened: steps up there, and goes on', async () => {
    const bob = await someone('bob');
    const opened = await openSocket(`${urlOf(0).replace('http', 'ws')}/graphql`, { headers: THIEF });
    opened.init({ authorization: `Bearer ${bob.accessToken}` });
    await opened.next(ofType('connection_ack'));
    const ask = async (id: string, query: string, variables: object = {}) => {
      opened.subscribe(id, query, { variables });
      return opened.next((frame) => frame.id === id);
    };
    const refused = [{ extensions: { code: 'MFA_REQUIRED', reason: 'step_up', level: 1 } }];
    expect(await ask('1', ME)).toMatchObject({ type: 'error', payload: refused });
    expect(
      await ask('2', `mutation ($t: String!) { renewConnection(accessToken: $t) { expiresIn } }`, {
        t: bob.accessToken,
      }),
    ).toMatchObject({ type: 'error', payload: refused });
    opened.send({ type: 'ping', payload: { accessToken: bob.accessToken } });
    expect(await opened.next(ofType('pong'))).toMatchObject({ payload: { errors: refused } });
    expect(await ask('3', STEP_UP, { input: { password: PASSWORD } })).toMatchObject({ type: 'next' });
    await opened.next((frame) => frame.id === '3');
    expect(await ask('4', ME)).toMatchObject({ type: 'next', payload: { data: { me: { id: bob.user.id } } } });
    opened.close();
  });

  test('another network alone, or another device alone, is nothing', async () => {
    for (const headers of [at('198.51.100.9'), at('203.0.113.200', CHROME), at('203.0.113.9', NEXT_FIREFOX)]) {
      const bob = await someone('bob');
      for (const [name, door] of DOORS)
        expect({ name, codes: await door(bob, headers, 1) }).toEqual({ name, codes: [] });
      expect(await eventsOf(bob)).toEqual([]);
    }
  });

  test('API keys have no place', async () => {
    const bob = await someone('bob');
    const { data } = await castellans.ask<{ createApiKey: { secret: string } }>(
      'mutation { createApiKey(input: { name: "key" }) { secret } }',
      { token: bob.accessToken, headers: HOME },
    );
    const headers = { 'x-api-key': data?.createApiKey.secret ?? '', ...THIEF };
    expect((await castellans.ask(ME, { headers })).errors).toEqual([]);
  });
});

describe('where a takeover ends the session', () => {
  beforeAll(() => open('revoke'));
  afterAll(() => castellans?.close());

  test.each(DOORS)('the one who showed it is told so, and it has ended for everybody: %s', async (_, door) => {
    const bob = await someone('bob');
    const home = await openSocket(`${urlOf(2).replace('http', 'ws')}/graphql`, { headers: HOME });
    home.init({ authorization: `Bearer ${bob.accessToken}` });
    await home.next(ofType('connection_ack'));

    expect(await door(bob, THIEF, 1)).toEqual(['SESSION_REVOKED']);
    for (const instance of INSTANCES) expect(await post(bob, HOME, instance)).toEqual(['SESSION_REVOKED']);
    expect(await refresh(bob, HOME, 0)).toEqual(['SESSION_REVOKED']);
    expect(await home.closed).toBe(4401);
    const [session] = await castellans.rows<object>(
      'select revoked_reason from sessions where id = $1',
      bob.session.id,
    );
    expect(session).toEqual({ revoked_reason: 'takeover' });
    expect(await eventsOf(bob)).toEqual([suspected('revoke')]);
  });

  test('many at once over all instances end it once', async () => {
    const bob = await someone('bob');
    const codes = await Promise.all(Array.from({ length: 60 }, (_, n) => post(bob, THIEF, n % 3)));
    expect(new Set(codes.flat())).toEqual(new Set(['SESSION_REVOKED']));
    expect(codes.flat()).toHaveLength(60);
    expect(await eventsOf(bob)).toEqual([suspected('revoke')]);
    const ends = await castellans.rows(
      `select 1 from authority_log where target = $1 and reason = 'takeover'`,
      bob.session.id,
    );
    expect(ends).toHaveLength(1);
  });

  test('another session of the same user goes on', async () => {
    const bob = await someone('bob');
    const other = await signIn(bob.email, at('192.0.2.4', CHROME));
    expect(await post(bob, THIEF, 1)).toEqual(['SESSION_REVOKED']);
    expect(await post(other, at('192.0.2.4', CHROME), 1)).toEqual([]);
  });

  test('a gateway that says nothing of its clients takes over nobody, and ends no session of theirs', async () => {
    // It is among the proxies: its address is no place of anybody.
    const gateway = { 'x-forwarded-for': '10.0.0.9', 'user-agent': 'gateway/1.0' };
    const [bob, carol] = [await someone('bob'), await someone('carol', gateway)];
    for (const [who, headers] of [
      [bob, gateway],
      [bob, HOME],
      [carol, gateway],
      [carol, at('192.0.2.4', CHROME)],
      [carol, gateway],
    ] as const) {
      expect(await post(who, headers, 1)).toEqual([]);
      expect(await socket(who, headers, 2)).toEqual([]);
    }
    expect([...(await eventsOf(bob)), ...(await eventsOf(carol))]).toEqual([]);
  });
});

describe('where no proxy is trusted', () => {
  beforeAll(() => open('revoke', []));
  afterAll(() => castellans?.close());

  test.each(DOORS)('what a client says about where it is changes nothing: %s', async (_, door) => {
    const bob = await someone('bob');
    expect(bob.session.address).toBe('127.0.0.1');
    expect(await door(bob, THIEF, 1)).toEqual([]);
    expect(await eventsOf(bob)).toEqual([]);
  });

  test('a gateway is where all its users are, and what it sends for one is nothing to another', async () => {
    const gateway = { 'user-agent': 'gateway/1.0' };
    const [bob, carol] = [await someone('bob', gateway), await someone('carol', gateway)];
    for (const instance of INSTANCES) {
      for (const who of [bob, carol]) expect(await post(who, gateway, instance)).toEqual([]);
    }
    expect([...(await eventsOf(bob)), ...(await eventsOf(carol))]).toEqual([]);
  });
});
