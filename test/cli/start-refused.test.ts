import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createCertificate } from '../support/certificate.ts';
import { createDatabase } from '../support/database.ts';
import { castellan, makeFolder, node, processesOf, type Running, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

/** `npm start`, without npm. */
function start(env: NodeJS.ProcessEnv = {}): Running {
  return node(['src/main.ts'], { CASTELLAN_DIR: join(folder.path, 'data'), PORT: '0', LOG_LEVEL: 'warn', ...env });
}

test('says that the port is taken, and leaves nothing running', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const { code, stdout, stderr } = await start({ PORT: `${port}` }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toBe(`Port ${port} is taken. Stop what uses it, or choose another: PORT=4002 npm start\n`);
  expect(processesOf(folder.path)).toEqual([]);
  taken.close();
});

test('the example says which port is taken, before it starts anything', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const { code, stdout, stderr } = await node(['examples/run.ts'], {
    PORT: '0',
    CASTELLAN_PORT: '0',
    DOCUMENTS_PORT: `${port}`,
  }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toBe(
    `Port ${port} cannot be used. Stop what uses it, or choose another: DOCUMENTS_PORT=${port + 10} npm run example\n`,
  );
  taken.close();
});

test('a first start that finds its port taken does not use up the one-time password', async () => {
  const database = await createDatabase();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  expect((await start({ DATABASE_URL: database.url, PORT: `${port}` }).ended).code).toBe(1);
  taken.close();

  const second = start({ DATABASE_URL: database.url });
  const printed = await second.printed('"{ me {');
  expect(printed).toContain('shown this once');
  expect((await second.end('SIGTERM')).code).toBe(0);
  await database.drop();
});

test('names every wrong setting at once, tells no value, and does not start', async () => {
  const { code, stdout, stderr } = await start({
    NODE_ENV: 'production',
    DATABASE_URL: 'mysql://castellan:hunter2@localhost/castellan',
    KEY_ENCRYPTION_KEY: 'hunter2',
    ADMIN_PASSWORD: 'hunter2',
    ISSUER: 'http://castellan.example',
    PORT: 'hunter2',
    SIGN_UP: 'open',
    MAIL_FROM: 'hunter2',
    ACCOUNT_URL: 'hunter2',
    ARGON2_MEMORY_KIB: '4096',
    ARGON2_PASSES: '1',
  }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  for (const variable of [
    'DATABASE_URL',
    'REDIS_URL',
    'KEY_ENCRYPTION_KEY',
    'ADMIN_PASSWORD',
    'ISSUER',
    'AUDIENCE',
    'PORT',
    'SMTP_URL',
    'MAIL_FROM',
    'ACCOUNT_URL',
    'ARGON2_MEMORY_KIB',
    'ARGON2_PASSES',
  ]) {
    expect(stderr).toMatch(new RegExp(`^  ${variable} (must|is required)`, 'm'));
  }
  expect(stderr).not.toContain('hunter2');
});

test('says that ADMIN_PASSWORD is easy to guess, without it, and does not start', async () => {
  const database = await createDatabase();
  const env = { DATABASE_URL: database.url, ADMIN_PASSWORD: 'administrator123' };
  const { code, stderr } = await start(env).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ {2}ADMIN_PASSWORD cannot be used\. This password is easy to guess/m);
  expect(stderr).not.toContain(env.ADMIN_PASSWORD);
  await database.drop();
});

test('names the documents of TRUSTED_DOCUMENTS that cannot be answered, and does not start; so says castellan doctor', async () => {
  const path = join(folder.path, 'documents.json');
  await writeFile(path, JSON.stringify({ 'me-1': '{ me { id } }', 'me-2': '{ me { nothing } }' }));
  const env = { TRUSTED_DOCUMENTS: path, CASTELLAN_DIR: join(folder.path, 'data') };
  const [started, doctor] = await Promise.all([start(env).ended, castellan(['doctor'], env)]);
  expect([started.code, started.stdout, doctor.code]).toEqual([1, '', 1]);
  const words = 'TRUSTED_DOCUMENTS lists documents that could never be answered:\n    document (me-2): Cannot query';
  expect(started.stderr).toContain(`  ${words}`);
  expect(doctor.stdout).toContain(words);
  for (const said of [started.stderr, doctor.stdout]) expect(said).not.toContain('me-1');
  expect(processesOf(folder.path)).toEqual([]);
});

test('says that the certificate has ended, and does not start; so says castellan doctor', async () => {
  const { certificate, key } = createCertificate('localhost', { fromMs: -7_200_000, untilMs: -3_600_000 });
  const files = { TLS_CERTIFICATE_FILE: join(folder.path, 'tls.crt'), TLS_KEY_FILE: join(folder.path, 'tls.key') };
  await writeFile(files.TLS_CERTIFICATE_FILE, certificate);
  await writeFile(files.TLS_KEY_FILE, key);
  const [started, doctor] = await Promise.all([start(files).ended, castellan(['doctor'], files)]);
  expect([started.code, started.stdout, doctor.code]).toEqual([1, '', 1]);
  const words = 'TLS_CERTIFICATE_FILE must name a certificate that is good now: this one ended at ';
  expect(started.stderr).toContain(`\n  ${words}`);
  expect(doctor.stdout).toContain(`\n${words}`);
  expect(processesOf(folder.path)).toEqual([]);
});

test.each([
  ['http://redis.example', 'must start with redis://, rediss://, redis+sentinel:// or rediss+sentinel://'],
  ['redis://:hunter2@h/x', 'must be of the form redis'],
  ['redis://:hunter2@h:1,h:2', 'must be of the form redis'],
  ['redis://:hunter2@h,', 'must name every server as host or host:port'],
  ['redis://:hunter2@h:1,rediss://:hunter2@h:2', 'must not mix redis:// and rediss://'],
  ['redis://:hunter2@h:1,redis://h:2', 'must have the same user and password in every URL'],
  ['redis://:hunter2@h:1/0,redis://:hunter2@h:2/1', 'must not name a database'],
  ['redis://:hunter2%@h', 'must have what is special in a name or password percent-encoded'],
  ['redis+sentinel://:hunter2@h:1,h:2', 'must name the master that the sentinels watch'],
  ['redis+sentinel://:hunter2@h:1,,h:2/main', 'must name every server as host or host:port'],
  ['redis+sentinel://:hunter2@h:1:2/main', 'must name every server as host or host:port'],
  ['redis+sentinel://:hunter2@h/main/one', 'must be of the form redis[s]+sentinel://'],
  ['redis+sentinel://h/main?password=hunter2', 'must have no other query than ?sentinelPassword='],
])('refuses REDIS_URL %p in a few words that do not repeat it', async (url, words) => {
  const { code, stdout, stderr } = await start({ REDIS_URL: url }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(`\n  REDIS_URL ${words}`);
  expect(stderr).not.toContain('hunter2');
});

test('where no policy is in force yet, says where a file of it is broken, and does not start', async () => {
  const fresh = await makeFolder();
  const policies = join(fresh.path, 'policies');
  await mkdir(policies);
  await writeFile(join(policies, 'roles.yaml'), 'roles:\n  member:\n    alow: []\n');
  const { code, stdout, stderr } = await start({
    CASTELLAN_DIR: join(fresh.path, 'data'),
    POLICIES_DIR: policies,
  }).ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(/^policies\/roles\.yaml:3:5 .+\(.+\)$/m);
  expect(processesOf(fresh.path)).toEqual([]);
  await fresh.remove();
});

test('says in one line that the database cannot be reached, without its password, when it has asked for long enough', async () => {
  const env = {
    DATABASE_URL: 'postgres://castellan:hunter2@127.0.0.1:1/castellan',
    DATABASE_WAIT_SECONDS: '1',
    POLICIES_DIR: 'policies',
  };
  const { code, stderr } = await start(env).ended;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'DATABASE_URL cannot be used: nothing listens there (ECONNREFUSED, 127.0.0.1:1).\n',
  });
});

test('a secret that is there is never replaced: where it cannot be read, or is cut short, it does not start', async () => {
  const dir = join(folder.path, 'kept');
  const key = join(dir, 'key-encryption-key');
  const database = await createDatabase();
  const env = { DATABASE_URL: database.url, CASTELLAN_DIR: dir };
  await mkdir(dir);
  await writeFile(key, 'cut short\n');
  const short = await start(env).ended;
  expect({ code: short.code, stderr: short.stderr }).toEqual({
    code: 1,
    stderr: `${key} should have the secret that all is sealed under, and is cut short: put back what it had, or remove it where nothing is sealed yet\n`,
  });
  expect(await readFile(key, 'utf8')).toBe('cut short\n');
  // Stands for a file of somebody else, which root could read.
  await rm(key);
  await mkdir(key);
  const unread = await start(env).ended;
  expect({ code: unread.code, stderr: unread.stderr }).toEqual({
    code: 1,
    stderr: `${key} has the secret that all is sealed under, and cannot be read (EISDIR): let who runs Castellan read it\n`,
  });
  await database.drop();
});

test('says in one line which folder or address of this machine cannot be used', async () => {
  const file = join(folder.path, 'a file');
  await writeFile(file, '');
  const [below, elsewhere] = await Promise.all([
    start({ CASTELLAN_DIR: join(file, 'below') }).ended,
    start({ HOST: 'no.such.host.invalid' }).ended,
  ]);
  expect({ code: below.code, stderr: below.stderr }).toEqual({
    code: 1,
    stderr: `${file}/below cannot be used: what should be a folder is a file (ENOTDIR, mkdir).\n`,
  });
  expect({ code: elsewhere.code, stderr: elsewhere.stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/\n {2}HOST must be an address of this machine, and is none \(\w+\)\n$/),
  });
});

test('says of which user the password is wrong, where the owner of the tables is another one', async () => {
  const database = await createDatabase();
  const owner = new URL(database.url);
  owner.password = 'wrong';
  const env = { DATABASE_URL: database.url, MIGRATION_DATABASE_URL: owner.href };
  const { code, stderr } = await start(env).ended;
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: 'MIGRATION_DATABASE_URL cannot be used: it refuses the user or the password (28P01).\n',
  });
  await database.drop();
});

test('told to leave while the database answers nobody, it does not wait for it, and has failed in nothing', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const env = {
    DATABASE_URL: `postgres://castellan:hunter2@127.0.0.1:${port}/castellan`,
    DATABASE_WAIT_SECONDS: '600',
  };
  const starting = start({ ...env, LOG_LEVEL: 'silent' });
  await once(silent, 'connection');
  expect(await starting.end('SIGTERM')).toMatchObject({ code: 0, stdout: '', stderr: '' });
  silent.close();
});
