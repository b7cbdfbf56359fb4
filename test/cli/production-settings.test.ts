import { describe, expect, test } from '@jest/globals';
import { policyForEverybody } from '../../src/cli/policy-for-everybody.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { TIMING } from '../../src/domain/authority/timing.ts';
import { policiesWith } from './policies-with.ts';
import { node } from './running.ts';

/** What is good for production. */
const GOOD = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://castellan:secret@db.example.com/castellan?sslmode=verify-full',
  REDIS_URL: 'rediss://:secret@redis.example.com',
  KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
  ISSUER: 'https://castellan.example.com',
  AUDIENCE: 'example',
  METRICS_TOKEN: 'a token for whoever collects',
  TRUSTED_PROXIES: '10.0.0.1',
  SECURITY_WEBHOOK_SECRET: `whsec_${'c2VjcmV0'.repeat(4)}`,
};

const WITHOUT_TLS = 'postgres://castellan:secret@db.example.com/castellan';

const REFUSED: readonly (readonly [what: string, variable: string, value: string | undefined])[] = [
  ['the embedded database', 'DATABASE_URL', undefined],
  ['the cache of one process', 'REDIS_URL', undefined],
  ['no key for keys', 'KEY_ENCRYPTION_KEY', undefined],
  ['a short key for keys', 'KEY_ENCRYPTION_KEY', 'x'.repeat(31)],
  ['no issuer', 'ISSUER', undefined],
  ['an issuer without https', 'ISSUER', 'http://castellan.example.com'],
  ['no audience', 'AUDIENCE', undefined],
  ['the first administrator that everybody knows', 'ADMIN_EMAIL', 'admin@castellan.local'],
  ['any origin', 'ALLOWED_ORIGINS', '*'],
  ['origins below a domain', 'ALLOWED_ORIGINS', 'https://*.example.com'],
  ['an origin without https', 'ALLOWED_ORIGINS', 'https://a.example.com,http://b.example.com'],
  ['everybody as a proxy', 'TRUSTED_PROXIES', '0.0.0.0/0'],
  ['everybody as a proxy, version 6', 'TRUSTED_PROXIES', '::/0'],
  ['everybody as a proxy, in two halves', 'TRUSTED_PROXIES', '0.0.0.0/1,128.0.0.0/1'],
  ['a proxy anywhere in the world, version 6', 'TRUSTED_PROXIES', '2000::/3'],
  ['PostgreSQL without TLS', 'DATABASE_URL', WITHOUT_TLS],
  ['PostgreSQL with TLS if it likes', 'DATABASE_URL', `${WITHOUT_TLS}?sslmode=prefer`],
  ['PostgreSQL with TLS to anybody', 'DATABASE_URL', `${WITHOUT_TLS}?sslmode=no-verify`],
  ['PostgreSQL without TLS elsewhere, by a parameter', 'DATABASE_URL', 'postgres://localhost/c?host=db.example.com'],
  ['PostgreSQL without TLS at a name like an address', 'DATABASE_URL', 'postgres://127.example.com/c'],
  ['Redis without TLS', 'REDIS_URL', 'redis://:secret@redis.example.com'],
  ['Redis without a password', 'REDIS_URL', 'rediss://redis.example.com'],
  ['a cluster without TLS', 'REDIS_URL', 'redis://:secret@127.0.0.1:7000,redis://:secret@redis.example.com'],
  ['sentinels without TLS', 'REDIS_URL', 'redis+sentinel://:secret@redis.example.com/main'],
  ['introspection for everybody', 'INTROSPECTION', 'on'],
  ['the explorer', 'EXPLORER', 'on'],
  ['debug logging', 'LOG_LEVEL', 'debug'],
  ['tracing', 'LOG_LEVEL', 'trace'],
  ['hashes that take less memory than they should', 'ARGON2_MEMORY_KIB', '19455'],
  ['hashes that take fewer passes than they should', 'ARGON2_PASSES', '1'],
  ['numbers for everybody', 'METRICS_TOKEN', undefined],
  ['gateways anywhere below a domain', 'CALLBACK_ORIGINS', 'https://*.example.com'],
  ['a webhook without https', 'SECURITY_WEBHOOK_URL', 'http://alerts.example.com'],
  ['a sink without https, in capitals', 'AUDIT_SINK_URL', 'HTTP://logs.example.com'],
  ['a webhook without https that only looks like this machine', 'SECURITY_WEBHOOK_URL', 'http://localhost.example.com'],
  ['traces without https', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'http://collector.example.com:4318'],
  ['a gateway without https', 'CALLBACK_ORIGINS', 'http://router.example.com'],
];

describe('AC-79: production does not start with', () => {
  test.each(REFUSED)('%s', (_, variable, value) => {
    expect(problemsOf({ ...GOOD, [variable]: value })).toEqual([variable]);
  });

  test.each([
    ['neither TLS nor a proxy that ends it', { TRUSTED_PROXIES: undefined }, 'TLS_CERTIFICATE_FILE'],
    ['a list of no proxies', { TRUSTED_PROXIES: ' , ' }, 'TLS_CERTIFICATE_FILE'],
    ['a certificate without its key', { TLS_CERTIFICATE_FILE: '/tls.crt' }, 'TLS_CERTIFICATE_FILE'],
    ['a key without its certificate', { TLS_KEY_FILE: '/tls.key' }, 'TLS_KEY_FILE'],
  ])('%s', (_, given, named) => {
    expect(problemsOf({ ...GOOD, ...given })).toEqual([named]);
  });
});

describe('AC-79: nor with a policy that', () => {
  test.each([
    ['allows everybody everything', '  anonymous:\n    allow: [{ action: manage, subject: all }]\n', 'anonymous'],
    ['does so by what a role inherits', '  guest: { inherits: [administrator] }\n', 'guest'],
    [
      'denies one thing of it',
      '  public:\n    inherits: [administrator]\n    deny: [{ action: read, subject: Role }]\n',
      'public',
    ],
    ['gives it to every new user', '  member: { inherits: [administrator] }\n', 'member'],
  ])('%s', async (_, roles, name) => {
    await using policies = await policiesWith(roles);
    const [message, ...more] = await policyForEverybody(policies.path);
    expect(more).toEqual([]);
    expect(message).toContain(`must not give everything to everybody in production: the role "${name}", which `);
    expect(message).toMatch(/ allows every action on every subject \(policies\/(open|roles)\.yaml:\d+\)$/);
  });

  test.each([
    ['allows everybody something', '  guest:\n    allow: [{ action: read, subject: all }]\n'],
    [
      'allows everything under a condition',
      "  guest:\n    allow: [{ action: manage, subject: all, where: { id: '${principal.id}' } }]\n",
    ],
    ['allows it to those who are given it', '  owner: { inherits: [administrator] }\n'],
    ['has other problems, which are told otherwise', '  anonymous: { inherits: [nobody] }\n'],
  ])('but it does with one that %s', async (_, roles) => {
    await using policies = await policiesWith(roles);
    expect(await policyForEverybody(policies.path)).toEqual([]);
  });
});

test('AC-79: all of them are named at once, by a start and by castellan doctor', async () => {
  await using policies = await policiesWith('  anonymous: { inherits: [administrator] }\n');
  const wrong = Object.fromEntries(REFUSED.map(([, variable, value]) => [variable, value ?? '']));
  const variables = [...new Set([...REFUSED.map(([, variable]) => variable), 'POLICIES_DIR'])];
  const given = { ...wrong, NODE_ENV: 'production', POLICIES_DIR: policies.path, BREACHED_PASSWORDS_URL: 'off' };
  const start = await node(['src/main.ts'], given).ended;
  expect([start.code, start.stdout]).toEqual([1, '']);
  const doctor = await node(['bin/castellan.js', 'doctor'], given).ended;
  expect(doctor.code).toBe(1);
  for (const variable of variables) {
    expect(start.stderr).toMatch(new RegExp(`^  ${variable} (must|is required)`, 'm'));
    expect(doctor.stdout).toMatch(new RegExp(`^${variable} (must|is required)`, 'm'));
  }
}, 30_000);

test.each([
  ['as they should be', {}],
  ['PostgreSQL and Redis on the same machine', { DATABASE_URL: 'postgres://[::1]/c', REDIS_URL: 'redis://127.0.0.1' }],
  ['PostgreSQL by a socket in a folder', { DATABASE_URL: 'postgres:///c?host=/var/run/postgresql' }],
  ['TLS of its own', { TRUSTED_PROXIES: undefined, TLS_CERTIFICATE_FILE: '/tls.crt', TLS_KEY_FILE: '/tls.key' }],
  ['a collector on the same machine', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }],
  ['receivers on the same machine', { AUDIT_SINK_URL: 'http://[::1]', SECURITY_WEBHOOK_URL: 'http://localhost' }],
  ['proxies of one’s own', { TRUSTED_PROXIES: '10.0.0.0/8,fd00::/32,192.0.2.1' }],
])('it starts with %s', (_, given) => {
  expect(problemsOf({ ...GOOD, ...given })).toEqual([]);
});

test('AC-79: what nobody can set is within what would be refused', () => {
  const config = readConfig(GOOD);
  expect(config.accessTokenSeconds).toBeLessThanOrEqual(300);
  expect(config.refreshGraceSeconds).toBeLessThanOrEqual(60);
  expect(config.limits.bodyBytes).toBeLessThanOrEqual(10 * 1_024 * 1_024);
  expect(TIMING.leaseMs).toBeLessThanOrEqual(config.limits.queryMs);
  expect(TIMING.pollMs).toBeLessThan(TIMING.leaseMs / 2);
  expect(config.limits.documents.introspection).toBe(false);
});

function problemsOf(env: Record<string, string | undefined>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return [...new Set(error.problems.map(({ variable }) => variable))];
    throw error;
  }
}
