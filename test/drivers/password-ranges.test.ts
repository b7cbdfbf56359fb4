import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../src/config.ts';
import { BreachedPasswords, type PasswordRanges } from '../../src/domain/users/breached-passwords.ts';
import { openPasswordRanges } from '../../src/drivers/http/password-ranges.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { createTestClock } from '../support/castellan.ts';
import { digitsOf, type PasswordRangesServer, startPasswordRanges } from '../support/password-ranges.ts';
import { recordedLog } from '../support/recorded-log.ts';

const BREACHED = 'Zoë’s secret, told by others';
const { prefix, suffix } = digitsOf(BREACHED);

let server: PasswordRangesServer;

beforeAll(async () => {
  server = await startPasswordRanges(BREACHED);
});

afterEach(() => {
  server.answer = null;
  server.asked.length = 0;
});

afterAll(() => server.close());

const open = (deadlineMs?: number): PasswordRanges =>
  openPasswordRanges({ url: server.url, ...(deadlineMs !== undefined && { deadlineMs }) });

test('a range has the suffixes of breached passwords, and not what is padding', async () => {
  expect(await open().suffixes(prefix)).toEqual(new Set([suffix]));
  expect(await open().suffixes('00000')).toEqual(new Set());
  expect(server.asked).toMatchObject([
    { path: `/range/${prefix}`, headers: { 'add-padding': 'true' } },
    { path: '/range/00000' },
  ]);
});

test.each<readonly [string, PasswordRangesServer['answer']]>([
  ['nothing in time', () => {}],
  ['a part, and no end in time', (response) => void response.writeHead(200).write(`${suffix}:1\r\n`)],
  ['a failure', (response) => void response.writeHead(500).end(`${suffix}:1`)],
  ['somewhere else', (response) => void response.writeHead(302, { location: server.url }).end()],
  ['more than a range has', (response) => void response.writeHead(200).end('0'.repeat(300_000))],
  ['what is no range', (response) => void response.writeHead(200).end(`<html>\r\n${suffix}:1`)],
])('an answer that is %s is none', async (_, answer) => {
  server.answer = answer;
  await expect(open(200).suffixes(prefix)).rejects.toThrow();
});

test('five digits of the hash leave the process, of the password as it is hashed, and nothing else', async () => {
  const breached = new BreachedPasswords({ ranges: open(), clock: systemClock, logger: createLog('silent') });
  expect(await breached.has(BREACHED.normalize('NFD'))).toBe(true);
  expect(await breached.has(BREACHED.toLowerCase())).toBe(false);
  const told = JSON.stringify(server.asked);
  expect(server.asked.map(({ path }) => path)).toContain(`/range/${prefix}`);
  for (const more of [suffix, prefix + suffix, 'secret, told'])
    expect(told.toUpperCase()).not.toContain(more.toUpperCase());
});

test('without an answer nothing is known, which is counted, and logged once in a minute', async () => {
  const clock = createTestClock();
  const { logger, lines } = recordedLog();
  server.answer = (response) => void response.writeHead(503).end();
  const breached = new BreachedPasswords({ ranges: open(), clock, logger });
  for (const _ of [1, 2, 3]) expect(await breached.has(BREACHED)).toBe(false);
  expect([breached.unanswered, lines().length]).toEqual([3, 1]);
  expect(lines()[0]).toContain('answered with 503');
  clock.advance(60_000);
  await breached.has(BREACHED);
  expect([breached.unanswered, lines().length]).toEqual([4, 2]);
});

test('no more than 64 are asked about at once', async () => {
  let asked = 0;
  const go = Promise.withResolvers<ReadonlySet<string>>();
  const ranges = { suffixes: () => ((asked += 1), go.promise) };
  const breached = new BreachedPasswords({ ranges, clock: systemClock, logger: createLog('silent') });
  const all = Array.from({ length: 100 }, (_, n) => breached.has(`password ${n}`));
  go.resolve(new Set());
  await Promise.all(all);
  expect([asked, breached.unanswered]).toEqual([64, 36]);
  await breached.has('another');
  expect(asked).toBe(65);
});

test('BREACHED_PASSWORDS_URL is off, or asks over TLS or this machine; production asks unless it is off', () => {
  const given = (value: string | undefined) => readConfig({ BREACHED_PASSWORDS_URL: value }).breachedPasswordsUrl;
  for (const url of ['https://ranges.example.com/range/', 'http://127.0.0.1:8080/range', 'http://[::1]/range/']) {
    expect(given(url)).toBe(url);
  }
  expect([given(undefined), given('off')]).toEqual([null, null]);
  for (const wrong of [
    'http://ranges.example.com/range/',
    'https://user:secret@ranges.example.com/',
    'https://ranges.example.com/?range=',
    'ftp://127.0.0.1/range/',
    'on',
  ]) {
    expect(() => given(wrong)).toThrow(ConfigError);
  }
  expect(readConfig({ ...PRODUCTION }).breachedPasswordsUrl).toBe('https://api.pwnedpasswords.com/range/');
  expect(readConfig({ ...PRODUCTION, BREACHED_PASSWORDS_URL: 'off' }).breachedPasswordsUrl).toBeNull();
});

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://127.0.0.1/castellan',
  REDIS_URL: 'redis://127.0.0.1',
  KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
  ISSUER: 'https://castellan.example.com',
  AUDIENCE: 'example',
  TRUSTED_PROXIES: '10.0.0.1',
  METRICS_TOKEN: 'a token for whoever collects',
};
