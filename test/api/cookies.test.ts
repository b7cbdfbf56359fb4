import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { Browser } from '../support/browser.ts';
import { codesOf, post, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { ofType, openSocket } from '../support/socket.ts';

const ACCESS = '__Host-castellan';
const REFRESH = '__Host-castellan-refresh';
const ME = '{ me { id } }';
const SIGN_OUT = 'mutation { signOut { session { id } } }';
const LISTED = 'https://app.example.com';

let castellans: Castellans;
let bob: SignedInUser;
let mallory: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { allowedOrigins: [LISTED] } });
  [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
});

afterAll(() => castellans.close());

const urlOf = (instance = 0): string => castellans.apps[instance]?.url ?? '';

async function signedIn({ email }: SignedInUser = bob, instance = 0): Promise<Browser> {
  const browser = new Browser();
  await browser.signIn(urlOf(instance), email);
  return browser;
}

function refusalsOf({ status, errors }: Awaited<ReturnType<Browser['ask']>>) {
  return { status, errors: errors.map(({ extensions: { code, reason } }) => ({ code, reason })) };
}

const NO_CSRF = { status: 403, errors: [{ code: 'FORBIDDEN', reason: 'csrf' }] };
const NO_ORIGIN = { status: 403, errors: [{ code: 'FORBIDDEN', reason: 'origin' }] };

describe('signing in with cookies', () => {
  test('keeps the tokens out of reach of scripts, and tells the page its CSRF token', async () => {
    const browser = new Browser();
    const { data, headers } = await browser.signIn(urlOf(), bob.email);
    expect(data?.signIn).toMatchObject({
      accessToken: null,
      refreshToken: null,
      csrfToken: expect.stringMatching(/^[\w-]{8}\.[\w-]{43}$/),
      user: { id: bob.id },
    });
    const lines = headers.getSetCookie();
    expect(lines.map((line) => line.split('=')[0])).toEqual([ACCESS, REFRESH, '__Host-castellan-device']);
    for (const line of lines) {
      const attributes = line.split('; ').slice(1);
      expect(attributes.slice(0, 4)).toEqual(['Path=/', 'Secure', 'HttpOnly', 'SameSite=Strict']);
      expect(attributes.slice(4)).toEqual([expect.stringMatching(/^(Expires|Max-Age)=/)]);
      expect(line).not.toContain('Domain');
    }
    expect(JSON.stringify(data)).not.toContain(browser.cookieOf(ACCESS));
    expect(JSON.stringify(data)).not.toContain(browser.cookieOf(REFRESH));
  });

  test('is good on every instance, over POST, GET, server-sent events and a WebSocket', async () => {
    const browser = await signedIn();
    for (const instance of [0, 1, 2]) {
      const url = urlOf(instance);
      const { headers } = browser;
      expect((await browser.ask(url, ME)).data).toEqual({ me: { id: bob.id } });
      const get = await fetch(`${url}/graphql?query=${encodeURIComponent(ME)}`, {
        headers: { cookie: browser.cookie, 'apollo-require-preflight': '1' },
      });
      expect(await get.json()).toEqual({ data: { me: { id: bob.id } } });
      expect(get.headers.get('cache-control')).toBe('private, no-store');
      expect(await (await openStream(url, ME, { headers })).next()).toMatchObject({
        data: { data: { me: { id: bob.id } } },
      });
      const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, { headers: { cookie: browser.cookie } });
      socket.init({ csrfToken: browser.csrfToken });
      await socket.next(ofType('connection_ack'));
      socket.subscribe('1', ME);
      expect(await socket.next(ofType('next'))).toMatchObject({ payload: { data: { me: { id: bob.id } } } });
      socket.close();
    }
  });

  test('works over the cookies of a session that has ended, for the same person or another', async () => {
    for (const before of [bob, mallory]) {
      const browser = new Browser();
      const { data } = await browser.signIn(urlOf(), before.email);
      await castellans.apps[0]?.services.sessions.revoke(SYSTEM, data?.signIn.session.id ?? '');
      expect(codesOf(await browser.ask(urlOf(1), ME))).toEqual(['SESSION_REVOKED']);
      await browser.signIn(urlOf(1), bob.email);
      expect((await browser.ask(urlOf(2), ME)).data).toEqual({ me: { id: bob.id } });
    }
  });

  test('without asking for cookies gives tokens, and sets none', async () => {
    const { headers, data } = await castellans.ask<{ signIn: object }>(
      'mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { accessToken refreshToken csrfToken } } }',
      { variables: { input: { email: bob.email, password: 'correct horse battery staple' } } },
    );
    expect(headers.getSetCookie()).toEqual([]);
    expect(data?.signIn).toEqual({
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      csrfToken: null,
    });
  });

  test('is refused when the wish for cookies is none that we know', async () => {
    const answer = await castellans.ask(ME, { headers: { 'x-castellan-cookies': 'yes' } });
    expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 400, codes: ['BAD_USER_INPUT'] });
  });
});

describe('refreshing with cookies', () => {
  test('needs no argument, replaces both cookies and goes on in the same session with the same CSRF token', async () => {
    const browser = await signedIn();
    const before = [browser.cookieOf(ACCESS), browser.cookieOf(REFRESH)];
    const { data } = await browser.refresh(urlOf(1));
    expect(data?.refreshSession).toMatchObject({
      accessToken: null,
      refreshToken: null,
      csrfToken: browser.csrfToken,
      user: { id: bob.id },
    });
    expect([browser.cookieOf(ACCESS), browser.cookieOf(REFRESH)]).not.toEqual(before);
    for (const [n, cookie] of [browser.cookieOf(ACCESS), browser.cookieOf(REFRESH)].entries())
      expect(cookie).not.toBe(before[n]);
    expect((await browser.ask(urlOf(2), ME)).data).toEqual({ me: { id: bob.id } });
  });

  test('without the CSRF token, or with that of another session, is forbidden and replaces nothing', async () => {
    const browser = await signedIn();
    const { csrfToken } = await signedIn();
    for (const forged of ['', csrfToken]) {
      const answer = await browser.refresh(urlOf(), { 'x-csrf-token': forged });
      expect(refusalsOf(answer)).toEqual(NO_CSRF);
      expect(answer.headers.getSetCookie()).toEqual([]);
    }
    const answers = await Promise.all([
      browser.refresh(urlOf(), { origin: 'https://evil.example' }),
      browser.refresh(urlOf(), { origin: 'null' }),
    ]);
    expect(answers.map(refusalsOf)).toEqual([NO_ORIGIN, NO_ORIGIN]);
    expect(codesOf(await browser.refresh(urlOf()))).toEqual([]);
  });

  test('with an argument as well, or with neither, is refused', async () => {
    const browser = await signedIn();
    const query = 'mutation ($token: String) { refreshSession(refreshToken: $token) { position } }';
    const headers = { 'x-castellan-cookies': '1' };
    const both = await browser.ask(urlOf(), query, { variables: { token: bob.refreshToken }, headers });
    const neither = await new Browser().ask(urlOf(), query, { headers });
    const unasked = await browser.ask(urlOf(), query);
    for (const { errors } of [both, neither, unasked]) {
      expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'refreshToken' }]);
    }
    expect(codesOf(await castellans.ask(query, { variables: { token: bob.refreshToken } }))).toEqual([]);
  });
});

test('signing out clears both cookies, and the tokens in them are dead on every instance', async () => {
  const browser = await signedIn();
  const { headers } = browser;
  const { data, headers: answered } = await browser.ask(urlOf(1), SIGN_OUT);
  expect(data).toMatchObject({ signOut: { session: { id: expect.any(String) } } });
  expect(answered.getSetCookie()).toEqual(
    [ACCESS, REFRESH].map((name) => `${name}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`),
  );
  // What is left is no credential.
  expect(browser.cookie).toMatch(/^__Host-castellan-device=[\w.-]+$/);
  for (const instance of [0, 1, 2]) {
    const again = await post(urlOf(instance), ME, {}, headers);
    expect({ status: again.status, codes: codesOf(again) }).toEqual({ status: 401, codes: ['SESSION_REVOKED'] });
    const refreshed = await post(
      urlOf(instance),
      'mutation { refreshSession { position } }',
      {},
      {
        ...headers,
        'x-castellan-cookies': '1',
      },
    );
    expect(codesOf(refreshed)).toEqual(['SESSION_REVOKED']);
  }
});

describe('a request that brings the cookie', () => {
  test('without the CSRF token of its session is forbidden, whatever it asks for', async () => {
    const browser = await signedIn();
    const others = await signedIn(mallory);
    const { csrfToken } = browser;
    const forged = [
      '',
      others.csrfToken,
      csrfToken.toUpperCase(),
      csrfToken.slice(0, -1),
      `${csrfToken}.x`,
      ` ${csrfToken},${csrfToken}`,
      csrfToken.split('.')[1] ?? '',
      'null',
      'undefined',
      browser.cookieOf(ACCESS) ?? '',
    ];
    for (const query of [ME, SIGN_OUT, '{']) {
      for (const token of forged) {
        const answer = await browser.ask(urlOf(1), query, { headers: { 'x-csrf-token': token } });
        expect({ token, ...refusalsOf(answer) }).toEqual({ token, ...NO_CSRF });
      }
      expect(refusalsOf(await post(urlOf(2), query, {}, { cookie: browser.cookie }))).toEqual(NO_CSRF);
    }
    expect((await browser.ask(urlOf(), ME)).data).toEqual({ me: { id: bob.id } });
  });

  test('AC-74: in a form that another site could send without asking first is refused, and changes nothing', async () => {
    const browser = await signedIn();
    const { cookie } = browser;
    const body = JSON.stringify({ query: SIGN_OUT });
    const search = `/graphql?query=${encodeURIComponent(SIGN_OUT)}`;
    const types = [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'text/plain;application/json',
      '',
    ];
    const requests: readonly [string, RequestInit][] = [
      ...types.map((type): [string, RequestInit] => [
        '/graphql',
        { method: 'POST', body, headers: { cookie, 'content-type': type } },
      ]),
      ...types.map((type): [string, RequestInit] => [search, { headers: { cookie, 'content-type': type } }]),
      ['/graphql', { method: 'POST', body, headers: { cookie, 'content-type': 'application/json' } }],
      [search, { headers: { cookie } }],
      [search, { headers: { cookie, accept: 'text/event-stream' } }],
      [search, { headers: { cookie, 'apollo-require-preflight': '1' } }],
      [search, { headers: { cookie, accept: 'text/event-stream, application/json' } }],
      [search, { method: 'HEAD', headers: { cookie } }],
      [search, { method: 'POST', headers: { cookie } }],
      [
        '/graphql',
        { method: 'POST', body, headers: { cookie, 'content-type': 'text/plain', accept: 'text/event-stream' } },
      ],
    ];
    for (const [path, init] of requests) {
      const { status } = await fetch(urlOf() + path, init);
      expect({ path, init, status: Math.floor(status / 100) }).toEqual({ path, init, status: 4 });
    }
    expect((await browser.ask(urlOf(), ME)).data).toEqual({ me: { id: bob.id } });
  });

  test('AC-76: is taken from its own origin, a listed one or none, compared as it is written', async () => {
    const browser = await signedIn();
    const { host } = new URL(urlOf());
    const ask = (origin: string) => browser.ask(urlOf(), ME, { headers: { origin } });
    for (const origin of [`http://${host}`, `https://${host}`, LISTED]) {
      expect((await ask(origin)).data).toEqual({ me: { id: bob.id } });
    }
    for (const origin of [
      'null',
      'https://evil.example',
      `${LISTED}.evil.example`,
      `https://evil.example/${LISTED}`,
      `${LISTED}:8443`,
      LISTED.toUpperCase(),
      LISTED.replace('https', 'http'),
      `${LISTED}/`,
      `${LISTED}, ${LISTED}`,
      `http://${host}.evil.example`,
      `http://x.${host}`,
    ]) {
      expect({ origin, ...refusalsOf(await ask(origin)) }).toEqual({ origin, ...NO_ORIGIN });
    }
  });

  test('AC-76: by a GET that says of no origin is taken where the browser says that it is of no other', async () => {
    const { cookie } = await signedIn();
    const url = `${urlOf()}/graphql?query=${encodeURIComponent(ME)}`;
    for (const accept of ['text/event-stream', 'application/json']) {
      const get = async (site?: string, origin?: string) => {
        const asked = request(url, {
          headers: {
            cookie,
            accept,
            'apollo-require-preflight': '1',
            ...(site !== undefined && { 'sec-fetch-site': site }),
            ...(origin !== undefined && { origin }),
          },
        }).end();
        const [answer] = (await once(asked, 'response')) as [IncomingMessage];
        return { site, status: answer.statusCode, body: await text(answer) };
      };
      for (const [site, origin] of [[], ['none'], ['same-origin'], ['same-site', LISTED], ['cross-site', LISTED]]) {
        expect((await get(site, origin)).body).toContain(bob.id);
      }
      for (const site of ['same-site', 'cross-site']) {
        const body = expect.stringContaining('"reason":"origin"');
        expect(await get(site)).toEqual({ site, status: 403, body });
      }
    }
  });

  test('and another credential is refused, since it would be unclear who acts', async () => {
    const browser = await signedIn();
    for (const headers of [{ authorization: `Bearer ${mallory.accessToken}` }, { 'x-api-key': 'ck_1' }]) {
      const answer = await browser.ask(urlOf(), ME, { headers });
      expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 400, codes: ['BAD_USER_INPUT'] });
      const wish = await browser.ask(urlOf(), ME, { headers: { ...headers, 'x-castellan-cookies': '1' } });
      expect(wish.status).toBe(400);
    }
  });

  test('twice, one of them planted by another host of the domain, is refused', async () => {
    const browser = await signedIn();
    const planted = await signedIn(mallory);
    for (const name of [ACCESS, REFRESH]) {
      for (const cookie of [
        `${browser.cookie}; ${name}=${planted.cookieOf(name)}`,
        `${name}=${planted.cookieOf(name)}; ${browser.cookie}`,
        `${browser.cookie};${name}=`,
      ]) {
        for (const { csrfToken } of [browser, planted]) {
          const answer = await post(urlOf(), ME, {}, { cookie, 'x-csrf-token': csrfToken });
          expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 400, codes: ['BAD_USER_INPUT'] });
        }
      }
    }
  });

  test('with nonsense in it is refused, and never anonymous; a cookie of another name is nobody’s', async () => {
    for (const value of ['', 'garbage', bob.refreshToken, '"x"', `x${bob.accessToken}`]) {
      const answer = await post(urlOf(), ME, {}, { cookie: `a=b; ${ACCESS}=${value}`, 'x-csrf-token': 'x' });
      expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 401, codes: ['UNAUTHENTICATED'] });
    }
    for (const name of [
      'castellan',
      '__host-castellan',
      '__Host-castellan2',
      'x__Host-castellan',
      '__Secure-castellan',
    ]) {
      expect((await post(urlOf(), ME, {}, { cookie: `${name}=${bob.accessToken}` })).data).toEqual({ me: null });
    }
  });
});

describe('a WebSocket whose upgrade brings the cookie', () => {
  const open = (browser: Browser, headers: Record<string, string> = {}) =>
    openSocket(`${urlOf(1).replace('http', 'ws')}/graphql`, { headers: { cookie: browser.cookie, ...headers } });

  test('without the CSRF token of its session closes with 4401, and is never anonymous', async () => {
    const browser = await signedIn();
    const { csrfToken } = await signedIn();
    for (const payload of [
      {},
      { csrfToken: '' },
      { csrfToken },
      { csrfToken: 5 },
      { csrfToken: `${browser.csrfToken}.x` },
    ]) {
      const socket = await open(browser);
      socket.init(payload);
      expect(await socket.closed).toBe(4401);
      expect(socket.frames).toEqual([]);
    }
  });

  test('AC-76: from a page of another site is refused before it opens', async () => {
    const browser = await signedIn();
    for (const origin of ['https://evil.example', 'null', `${LISTED}.evil.example`, LISTED.toUpperCase()]) {
      await expect(open(browser, { origin })).rejects.toThrow('refused with 403');
    }
    const socket = await open(browser, { origin: LISTED });
    socket.init({ csrfToken: browser.csrfToken });
    expect(await socket.next(ofType('connection_ack'))).not.toBeNull();
    socket.close();
  });

  test('acts for the token in its payload when there is one, and for neither when it means both', async () => {
    const browser = await signedIn();
    const socket = await open(browser);
    socket.init({ authorization: `Bearer ${mallory.accessToken}` });
    await socket.next(ofType('connection_ack'));
    socket.subscribe('1', ME);
    expect(await socket.next(ofType('next'))).toMatchObject({ payload: { data: { me: { id: mallory.id } } } });
    socket.close();
    const { csrfToken } = browser;
    for (const [payload, headers] of [
      [{ csrfToken, authorization: `Bearer ${mallory.accessToken}` }, {}],
      [{ csrfToken }, { authorization: `Bearer ${mallory.accessToken}` }],
    ] as const) {
      const both = await open(browser, headers);
      both.init(payload);
      expect(await both.closed).toBe(4401);
    }
  });

  test('that names a CSRF token and brings no cookie is nobody, and closes', async () => {
    const browser = await signedIn();
    const socket = await openSocket(`${urlOf(1).replace('http', 'ws')}/graphql`);
    socket.init({ csrfToken: browser.csrfToken });
    expect(await socket.closed).toBe(4401);
  });
});
