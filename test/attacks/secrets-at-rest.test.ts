import { hash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { Keys } from '../../src/kit/secret.ts';
import { accountsOn, type SignIn } from '../support/accounts.ts';
import { Browser } from '../support/browser.ts';
import { ByteSearch, formsOf } from '../support/byte-search.ts';
import { createTestClock, redisUrl, startCastellans, type Answer, type Castellans } from '../support/castellan.ts';
import { dataOf, REGENERATE, secondFactors } from '../support/second-factors.ts';
import { addUser } from '../support/people.ts';

/** After a thousand uses of all that Castellan hands out or is handed: what its databases keep of it is of no use to a thief. */

const USES = 1_000;
const PEOPLE = 10;
const ME = '{ me { id } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

interface Person {
  readonly email: string;
  password: string;
}

const clock = createTestClock();
const search = new ByteSearch();
/** How often each kind of credential was used. */
const uses: Record<string, number> = {};
const dumps: string[] = [];
let castellans: Castellans;
let redis: Redis;
let turn = 0;

beforeAll(async () => {
  redis = new Redis(redisUrl());
  const settings = { signUp: 'open' as const, accountRequestsPerAddress: USES, sessionsPerUser: USES };
  castellans = await startCastellans(3, { clock, settings });
});

afterAll(async () => {
  redis.disconnect();
  await castellans?.close();
});

const instance = (): number => (turn += 1) % 3;
const urlOf = (n: number): string => castellans.apps[n]?.url ?? '';
const newPassword = (): string => handed('password', `${randomBytes(16).toString('base64url')} as a password`);

function used(kind: string): void {
  uses[kind] = (uses[kind] ?? 0) + 1;
}

/** The parts of a secret that nobody may find; ids in it are no secret. */
const SECRET_PARTS: Readonly<Record<string, (secret: string) => readonly (string | Buffer)[]>> = {
  password: (secret) => [secret],
  'access token': (token) => token.split('.').slice(1),
  'refresh token': (token) => [token.split('.')[3] ?? '', token.split('.').at(-1) ?? ''],
  'account token': (token) => [token.split('.')[2] ?? '', token.split('.').at(-1) ?? ''],
  challenge: (token) => token.split('.').slice(-1),
  'device token': (token) => token.split('.').slice(-1),
  'CSRF token': (token) => token.split('.').slice(-1),
  'TOTP seed': (seed) => [seed, seed.toLowerCase(), bytesOf(seed)],
  'recovery code': (code) => [
    code,
    code.replaceAll('-', ''),
    code.toUpperCase(),
    code.replaceAll('-', '').toUpperCase(),
  ],
  'private key': (d) => [d],
  'key encryption key': (secret) => [secret],
};
const IN_BASE64URL = new Set([
  'access token',
  'refresh token',
  'account token',
  'challenge',
  'device token',
  'CSRF token',
]);

/** Notes a secret, so that it is looked for. */
function handed(kind: string, secret: string): string {
  const parts = SECRET_PARTS[kind]?.(secret) ?? [];
  for (const part of parts) {
    search.add(kind, part);
    if (typeof part === 'string' && (IN_BASE64URL.has(kind) || kind === 'private key')) {
      search.add(kind, Buffer.from(part, 'base64url'));
    }
  }
  return secret;
}

/** What a secret in base32 stands for. */
function bytesOf(seed: string): Buffer {
  const bits = Array.from(seed, (symbol) => BASE32.indexOf(symbol).toString(2).padStart(5, '0')).join('');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

/** Every row of every table, and every key of Redis with its value. */
async function dump(): Promise<void> {
  const tables = await castellans.rows<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  for (const { name } of tables) {
    const rows = await castellans.rows<{ text: string }>(`select t::text as text from ${name} t`);
    dumps.push(`${name}\n${rows.map(({ text }) => text).join('\n')}`);
  }
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    // It may have run out since.
    if (type === 'none') continue;
    dumps.push(`${key}\n${await textOf(key, type)}`);
  }
}

async function textOf(key: string, type: string): Promise<string> {
  if (type === 'string') return (await redis.getBuffer(key))?.toString('latin1') ?? '';
  if (type === 'hash') return JSON.stringify(await redis.hgetall(key));
  if (type === 'set') return JSON.stringify(await redis.smembers(key));
  throw new TypeError(`${key} is a ${type}, which is not searched yet`);
}

/** So many at a time, until all are done. */
async function times(count: number, work: (n: number) => Promise<void>, atOnce = 6): Promise<void> {
  const queue = Array.from({ length: count }, (_, n) => n).values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const n of queue) await work(n);
    }),
  );
}

const accounts = accountsOn(() => castellans);

async function signIn({ email, password }: Person, deviceToken?: string): Promise<SignIn['signIn']> {
  const input = { email, password, ...(deviceToken !== undefined && { deviceToken }) };
  const { signIn: signedIn } = dataOf(await accounts.signIn(input, { instance: instance() }));
  used('password');
  if (deviceToken !== undefined) used('device token');
  if (signedIn.__typename === 'MfaRequired') handed('challenge', signedIn.challengeToken);
  if (signedIn.__typename !== 'SignedIn') return signedIn;
  handed('access token', signedIn.accessToken);
  handed('refresh token', signedIn.refreshToken);
  handed('device token', signedIn.deviceToken);
  return signedIn;
}

async function useTokens(person: Person, refreshes: number): Promise<void> {
  let { refreshToken, deviceToken } = await signIn(person);
  ({ refreshToken } = await signIn(person, deviceToken));
  for (let n = 0; n < refreshes; n += 1) {
    const { refreshSession } = dataOf(
      await castellans.ask<{ refreshSession: { accessToken: string; refreshToken: string } }>(REFRESH, {
        variables: { token: refreshToken },
        instance: instance(),
      }),
    );
    used('refresh token');
    refreshToken = handed('refresh token', refreshSession.refreshToken);
    handed('access token', refreshSession.accessToken);
    dataOf(await castellans.ask(ME, { token: refreshSession.accessToken, instance: instance() }));
    used('access token');
  }
  const form = new URLSearchParams({ token: refreshToken });
  await fetch(`${urlOf(instance())}/oauth/revoke`, { method: 'POST', body: form });
  used('refresh token');
}

async function useCookies({ email, password }: Person, refreshes: number): Promise<void> {
  const browser = new Browser();
  const noted = (answer: Answer): void => {
    expect(answer.errors).toEqual([]);
    handed('access token', browser.cookieOf('__Host-castellan') ?? '');
    handed('refresh token', browser.cookieOf('__Host-castellan-refresh') ?? '');
  };
  noted(await browser.signIn(urlOf(instance()), email, password));
  used('password');
  handed('CSRF token', browser.csrfToken);
  handed('device token', browser.cookieOf('__Host-castellan-device') ?? '');
  for (let n = 0; n < refreshes; n += 1) {
    noted(await browser.refresh(urlOf(instance())));
    dataOf(await browser.ask(urlOf(instance()), ME));
    used('cookie');
    used('CSRF token');
  }
}

/** With an app from now on, and a recovery code used; one challenge stays open. */
async function useSecondFactors(person: Person): Promise<void> {
  const phone = secondFactors(castellans, clock, person.password);
  const { accessToken: token } = await signIn(person);
  const { secret } = dataOf(await phone.begin(token)).beginTotpEnrollment;
  handed('TOTP seed', secret);
  const { recoveryCodes } = dataOf(await phone.confirm(token, await phone.nextCode(secret))).confirmTotpEnrollment;
  used('TOTP seed');
  for (const code of recoveryCodes) handed('recovery code', code);
  const finish = async (code: string, kind: string): Promise<void> => {
    const { challengeToken } = await signIn(person);
    const { verifyMfa } = dataOf(await phone.verify(challengeToken, code, instance()));
    used('challenge');
    used(kind);
    handed('access token', verifyMfa.accessToken);
    handed('refresh token', verifyMfa.refreshToken);
  };
  await finish(await phone.nextCode(secret), 'TOTP seed');
  await finish(recoveryCodes[0] ?? '', 'recovery code');
  await finish(recoveryCodes[1] ?? '', 'recovery code');
  const { accessToken } = dataOf(
    await phone.verify((await signIn(person)).challengeToken, await phone.nextCode(secret)),
  ).verifyMfa;
  const again = await phone.change<{ regenerateRecoveryCodes: { recoveryCodes: readonly string[] } }>(
    REGENERATE,
    await phone.nextCode(secret),
    accessToken,
  );
  used('TOTP seed');
  for (const code of dataOf(again).regenerateRecoveryCodes.recoveryCodes) handed('recovery code', code);
  await signIn(person);
}

async function useMails(people: readonly Person[]): Promise<void> {
  const newcomers: Person[] = people.map((_, n) => ({ email: `new.${n}@example.com`, password: newPassword() }));
  await Promise.all(
    newcomers.map(async ({ email, password }) =>
      dataOf(await accounts.signUp({ email, name: 'new', password }, instance())),
    ),
  );
  await Promise.all(people.map(async ({ email }) => dataOf(await accounts.requestReset(email, instance()))));
  // While the mails are on their way.
  await dump();
  const tokens = await Promise.all([...newcomers, ...people].map(({ email }) => accounts.tokenFor(email)));
  for (const token of tokens) handed('account token', token);
  await dump();
  for (const [n, person] of people.entries()) {
    dataOf(await accounts.verify(tokens[n] ?? '', instance()));
    person.password = newPassword();
    dataOf(await accounts.reset(tokens[n + people.length] ?? '', person.password, instance()));
    used('account token');
    used('account token');
  }
  // These stay unused.
  await Promise.all(people.map(async ({ email }) => dataOf(await accounts.requestReset(email, instance()))));
  for (const { email } of people) handed('account token', await accounts.tokenFor(email));
}

async function changePassword(person: Person): Promise<void> {
  const { accessToken } = await signIn(person);
  const next = newPassword();
  dataOf(await accounts.change(accessToken, person.password, next, instance()));
  used('password');
  person.password = next;
}

async function noteKeys(): Promise<void> {
  const keys = new Keys(castellans.config.keyEncryptionKeys ?? []);
  for (const secret of castellans.config.keyEncryptionKeys ?? []) handed('key encryption key', secret.reveal());
  const rows = await castellans.rows<{ kid: string; sealed: string }>(
    'select kid, sealed_private_jwk as sealed from signing_keys',
  );
  for (const { kid, sealed } of rows) {
    handed('private key', (JSON.parse(keys.open('signing-keys', sealed, kid) ?? '') as { d: string }).d);
  }
}

test(`after ${USES} uses neither PostgreSQL nor Redis holds any secret that was handed out, however it is written`, async () => {
  const app = castellans.apps[0] ?? fail('there are three');
  const people = await Promise.all(
    Array.from({ length: PEOPLE }, async (_, n): Promise<Person> => {
      const person = { email: `person.${n}@example.com`, password: newPassword() };
      await addUser(app, { ...person, name: 'person', roles: ['member'] });
      return person;
    }),
  );
  await times(PEOPLE, (n) => useTokens(people[n] ?? fail('ten'), 26));
  await times(PEOPLE, (n) => useCookies(people[n] ?? fail('ten'), 8));
  await times(PEOPLE, (n) => changePassword(people[n] ?? fail('ten')));
  await useMails(people);
  for (const person of people.slice(0, 5)) await useSecondFactors(person);
  await times(PEOPLE - 5, (n) => useTokens(people[n + 5] ?? fail('ten'), 16));
  await noteKeys();
  await dump();

  expect(Object.keys(uses).toSorted()).toEqual(
    Object.keys(SECRET_PARTS)
      .filter((kind) => kind !== 'private key' && kind !== 'key encryption key')
      .concat('cookie')
      .toSorted(),
  );
  expect(Object.values(uses).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(USES);
  expect(search.count).toBeGreaterThan(USES);
  expect(dumps.flatMap((text) => search.find(text))).toEqual([]);
}, 120_000);

test('what was searched is what there is, and a secret in any form would have been found', async () => {
  const person = { email: 'last@example.com', password: newPassword() };
  const id = await addUser(castellans.apps[0] ?? fail('there are three'), {
    ...person,
    name: 'last',
    roles: ['member'],
  });
  const { accessToken, refreshToken } = await signIn(person);
  dataOf(await castellans.ask(ME, { token: accessToken }));
  dumps.length = 0;
  await dump();
  const everything = dumps.join('\n');
  for (const kept of [person.email, hash('sha256', refreshToken, 'base64url'), `castellan:standing:{${id}}`]) {
    expect(everything).toContain(kept);
  }
  for (const part of SECRET_PARTS['refresh token']?.(refreshToken) ?? []) {
    const forms = [part, Buffer.from(String(part), 'base64url')].flatMap((each) => formsOf(each));
    for (const form of forms) expect(search.find(`some ${form} text`)).not.toEqual([]);
    for (const before of ['', 'a', 'ab']) {
      const long = Buffer.from(`${before}${String(part)} and more`);
      for (const encoding of ['base64', 'base64url', 'hex'] as const) {
        expect(search.find(long.toString(encoding))).not.toEqual([]);
      }
    }
  }
});

function fail(what: string): never {
  throw new TypeError(what);
}
