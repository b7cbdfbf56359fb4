import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { redisUrl } from '../support/castellan.ts';
import { createDatabase, runOn, type TestDatabase } from '../support/database.ts';
import { policiesWith } from './policies-with.ts';
import { castellan, node, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

/** What is good for production, but for the server of the tests, which runs with fsync off. */
function production(databaseUrl: string): NodeJS.ProcessEnv {
  return {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl(),
    KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
    ISSUER: 'https://castellan.example.com',
    AUDIENCE: 'example',
    METRICS_TOKEN: 'a token for whoever collects',
    TRUSTED_PROXIES: '10.0.0.1',
    // Nobody listens there, and nobody outside is asked.
    BREACHED_PASSWORDS_URL: 'http://127.0.0.1:1/range/',
    PORT: '0',
  };
}

const saying = (setting: string): string => `DATABASE_URL must name a server that has ${setting} on in production`;

test('AC-79: a start in production asks PostgreSQL, and names what a crash would take back, beside what the policy must not say; so does castellan doctor', async () => {
  const { pathname } = new URL(database.url);
  await runOn(database.url, `alter database "${pathname.slice(1)}" set synchronous_commit = off`);
  await using policies = await policiesWith('  everybody: { inherits: [administrator] }\n');
  const env = { ...production(database.url), POLICIES_DIR: policies.path };
  const [start, doctor] = await Promise.all([node(['src/main.ts'], env).ended, castellan(['doctor'], env)]);
  expect([start.code, start.stdout, doctor.code]).toEqual([1, '', 1]);
  for (const setting of ['fsync', 'synchronous_commit']) {
    expect(start.stderr).toContain(`  ${saying(setting)}`);
    expect(doctor.stdout).toContain(`\n${saying(setting)}`);
  }
  for (const said of [start.stderr, doctor.stdout]) expect(said).toMatch(/POLICIES_DIR must not .*"everybody"/);
  expect(start.stderr).not.toContain(new URL(database.url).password);
});

test('one that is on is not named, and development takes both as they are', async () => {
  const other = await createDatabase();
  const { DATABASE_URL, REDIS_URL } = production(other.url);
  const [asProduction, asDevelopment] = await Promise.all([
    castellan(['doctor'], production(other.url)),
    castellan(['doctor'], { DATABASE_URL, REDIS_URL }),
  ]);
  expect(asProduction.stdout).toContain(saying('fsync'));
  expect(asProduction.stdout).not.toContain(saying('synchronous_commit'));
  expect(asDevelopment).toMatchObject({ code: 0, stdout: expect.stringContaining('Nothing is wrong') });
  // What production starts with is a warning.
  const warning =
    /^warning: POLICIES_DIR has roles that give others their rights and ask for no second factor: (.*)\./m;
  expect([asProduction, asDevelopment].map(({ stdout }) => warning.exec(stdout)?.[1])).toEqual([
    'administrator',
    undefined,
  ]);
  // And it shows what production makes of what is not set.
  expect(asProduction.stdout).toMatch(/^ADMIN_EMAIL +none: castellan admin create makes one \(default\)$/m);
  expect(asProduction.stdout).toMatch(/^warning: BREACHED_PASSWORDS_URL does not answer as it should/m);
  await other.drop();
});

test('a server that takes connections and never answers is given up, by a start and by castellan migrate', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const env = {
    DATABASE_URL: `postgres://castellan:hunter2@127.0.0.1:${port}/castellan`,
    DATABASE_WAIT_SECONDS: '0',
    PORT: '0',
  };
  const ends = await Promise.all([node(['src/main.ts'], env).ended, castellan(['migrate'], env)]);
  for (const { code, stderr } of ends) {
    expect({ code, stderr }).toEqual({ code: 1, stderr: 'DATABASE_URL cannot be used: it does not answer.\n' });
  }
  silent.close();
});
