import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Browser } from '../support/browser.ts';
import { codesOf, createTestClock, post, startCastellans, type Answer, type Castellans } from '../support/castellan.ts';
import { INSTANCES } from '../support/asking.ts';
import { startPostgresProxy, type Moment, type PostgresProxy } from '../support/postgres-proxy.ts';
import { refreshDoorsOf, type RefreshDoor, type Refreshed } from './refreshing.ts';

/** Many who refresh one session at once, and refreshes whose answers are lost: nobody is signed out, and nobody gets a second session. */

const ROUNDS = Number(process.env['REFRESH_ROUNDS'] ?? 100);
const CALLERS = 20;
/** Those of them who take turns through all doors. */
const OTHERS = 8;
const TRIES_MAX = 5;
const TABS = 6;
const ME = '{ me { id } }';
const REFRESH_COOKIE = 'mutation { refreshSession { session { id } } }';

const clock = createTestClock();
let proxy: PostgresProxy;
let castellans: Castellans;
let doors: readonly RefreshDoor[];

beforeAll(async () => {
  proxy = await startPostgresProxy(process.env['TEST_POSTGRES_URL'] ?? '');
  castellans = await startCastellans(3, { clock, through: (url) => proxy.through(url) });
  doors = refreshDoorsOf(castellans);
});

afterAll(async () => {
  await castellans.close();
  await proxy.close();
});

const urlOf = (instance: number): string => castellans.apps[instance % 3]?.url ?? '';

/** How often the session was refreshed, the hash of the token that counts, and whatever the log has about it. */
async function stateOf(sessionId: string): Promise<object> {
  const [state] = await castellans.rows<object>(
    `select refresh_hash as current, revoked_at as revoked,
       (select count(*)::int from audit_entries a where a.subject_id = s.id and a.action = 'session.refresh') as refreshes,
       (select count(*)::int from authority_log l where l.target = s.id) as logged
     from sessions s where id = $1`,
    sessionId,
  );
  return state ?? {};
}

const alive = (refreshToken: string, refreshes: number) => ({
  current: hash('sha256', refreshToken, 'base64url'),
  revoked: null,
  refreshes,
  logged: 0,
});

/** Asks again, as clients do, where an instance says that it cannot tell right now. */
async function patiently(door: RefreshDoor, token: string, sessionId: string): Promise<Refreshed> {
  for (let tries = 1; ; tries += 1) {
    const refreshed = await door.refresh(token, sessionId);
    if (refreshed.codes[0] !== 'AUTHORITY_UNAVAILABLE' || tries === TRIES_MAX) return refreshed;
  }
}

test(
  `AC-13, AC-11: ${CALLERS} at once through all doors get one successor, ${ROUNDS} times over: no fork, and nobody is signed out`,
  async () => {
    const bob = await castellans.signUp('bob');
    const posts = doors.filter(({ name }) => name.startsWith('POST'));
    let token = bob.refreshToken;
    const shown = new Set<string>();
    for (let round = 1; round <= ROUNDS; round += 1) {
      const presented = token;
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, async (_, n) => {
          // All doors take their turn; what most callers come through costs least.
          const door = (n < OTHERS ? doors : posts)[(n + round) % (n < OTHERS ? doors : posts).length];
          return patiently(door ?? fail('there are doors'), presented, bob.sessionId);
        }),
      );
      const successors = new Set(answers.map(({ pair, codes }) => pair?.refreshToken ?? codes.join()));
      token = answers[0]?.pair?.refreshToken ?? fail(`round ${round}: ${answers[0]?.codes.join()}`);
      expect([...successors]).toEqual([token]);
      expect(shown.has(token)).toBe(false);
      shown.add(token);
      if (round % 20 === 0) expect(await stateOf(bob.sessionId)).toEqual(alive(token, round));
    }
    expect(await stateOf(bob.sessionId)).toEqual(alive(token, ROUNDS));
    expect((await castellans.ask(ME, { token: bob.accessToken, instance: 1 })).data).toEqual({ me: { id: bob.id } });
  },
  Math.max(60_000, ROUNDS * 500),
);

describe('AC-15: a refresh whose connection to PostgreSQL dies', () => {
  test.each<[Moment, number]>([
    ['between COMMIT and its reply', 1],
    ['before COMMIT arrives', 0],
  ])(
    '%s may be asked for again with the same token, at every door; nothing is revoked',
    async (moment, committed) => {
      const user = await castellans.signUp('bob');
      for (const { name, refresh } of doors) {
        const bob = { ...user, ...(await castellans.signIn(user.email)) };
        const cut = proxy.cut(moment, hash('sha256', bob.refreshToken, 'base64url'));
        const lost = await refresh(bob.refreshToken, bob.sessionId);
        expect({ ...lost, name }).toEqual({ pair: null, codes: ['AUTHORITY_UNAVAILABLE'], cookies: [], name });
        expect(cut.happened).toBe(true);
        expect(await stateOf(bob.sessionId)).toMatchObject({ revoked: null, refreshes: committed, logged: 0 });

        const again = await refresh(bob.refreshToken, bob.sessionId);
        const { accessToken, refreshToken } = again.pair ?? fail(`${name}: ${JSON.stringify(again.codes)}`);
        expect(await stateOf(bob.sessionId)).toEqual(alive(refreshToken, 1));
        for (const instance of INSTANCES) {
          expect((await castellans.ask(ME, { token: accessToken, instance })).data).toEqual({ me: { id: bob.id } });
        }
        const next = await refresh(refreshToken, bob.sessionId);
        expect({ name, codes: next.codes }).toEqual({ name, codes: [] });
      }
    },
    60_000,
  );
});

describe('AC-16: tabs that share cookies', () => {
  const COOKIES = ['__Host-castellan', '__Host-castellan-refresh'];

  async function signedIn(): Promise<{ browser: Browser; email: string; id: string; sessionId: string }> {
    const { email, id } = await castellans.signUp('bob');
    const browser = new Browser();
    const { data } = await browser.signIn(urlOf(0), email);
    return { browser, email, id, sessionId: data?.signIn.session.id ?? '' };
  }

  /** A refresh as a tab sends it that has these cookies, which the answer does not reach yet. */
  const refresh = ({ headers }: Pick<Browser, 'headers'>, tab: number): Promise<Answer> =>
    post(urlOf(tab), REFRESH_COOKIE, {}, { ...headers, 'x-castellan-cookies': '1' });

  const namesSet = ({ headers }: Answer): readonly string[] =>
    headers.getSetCookie().map((line) => line.slice(0, line.indexOf('=')));

  test('and refresh at once keep their session, in whichever order the answers come', async () => {
    const { browser, id } = await signedIn();
    for (let round = 0; round < 20; round += 1) {
      const answers = await Promise.all(Array.from({ length: TABS }, (_, tab) => refresh(browser, tab)));
      expect(answers.flatMap(codesOf)).toEqual([]);
      for (const answer of answers) {
        expect(namesSet(answer)).toEqual(COOKIES);
        expect(answer.headers.getSetCookie().filter((line) => /=;|Max-Age=0/.test(line))).toEqual([]);
      }
      const turned = round % 2 === 0 ? answers : answers.toReversed();
      const kept = turned.map((answer) => {
        browser.take(answer);
        return browser.cookieOf('__Host-castellan-refresh');
      });
      expect(new Set(kept).size).toBe(1);
      expect((await browser.ask(urlOf(round), ME)).data).toEqual({ me: { id } });
    }
  });

  test('and whose refresh fails clears nothing', async () => {
    const { browser, id } = await signedIn();
    const token = browser.cookieOf('__Host-castellan-refresh') ?? '';
    const cut = proxy.cut('between COMMIT and its reply', hash('sha256', token, 'base64url'));
    const failed = await refresh(browser, 0);
    expect(cut.happened).toBe(true);
    expect({ data: failed.data, cookies: namesSet(failed) }).toEqual({ data: null, cookies: [] });
    expect(codesOf(await browser.refresh(urlOf(1)))).toEqual([]);
    expect((await browser.ask(urlOf(2), ME)).data).toEqual({ me: { id } });
  });

  test('and one of which comes much too late leave the cookies of the session that began since', async () => {
    const { browser, email, id } = await signedIn();
    const late = { headers: browser.headers };
    await browser.refresh(urlOf(1));
    await browser.refresh(urlOf(2));
    const reused = await refresh(late, 0);
    expect({ codes: codesOf(reused), cookies: namesSet(reused) }).toEqual({ codes: ['SESSION_REVOKED'], cookies: [] });
    await browser.signIn(urlOf(1), email);
    const refused = await refresh(late, 2);
    browser.take(refused);
    expect({ codes: codesOf(refused), cookies: namesSet(refused) }).toEqual({
      codes: ['SESSION_REVOKED'],
      cookies: [],
    });
    expect((await browser.ask(urlOf(2), ME)).data).toEqual({ me: { id } });
    expect(codesOf(await browser.refresh(urlOf(0)))).toEqual([]);
  });

  test('and one of which signs out: no answer on its way brings the session back', async () => {
    const { browser } = await signedIn();
    const [, ...refreshed] = await Promise.all([
      browser.ask(urlOf(0), 'mutation { signOut { position } }'),
      ...Array.from({ length: TABS }, (_, tab) => refresh({ headers: browser.headers }, tab)),
    ]);
    for (const answer of refreshed) browser.take(answer);
    for (const instance of INSTANCES) {
      const { data } = await browser.ask<{ me: object | null }>(urlOf(instance), ME);
      expect(data?.me ?? null).toBeNull();
      expect(codesOf(await browser.refresh(urlOf(instance)))).not.toEqual([]);
    }
  });
});

function fail(what: string): never {
  throw new Error(`it was refused: ${what}`);
}
