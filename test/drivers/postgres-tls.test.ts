import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { type App, createApp } from '../../src/app.ts';
import { type EmbeddedServer, startEmbedded } from '../../src/drivers/postgres/embedded.ts';
import { migrate } from '../../src/drivers/postgres/migrate.ts';
import { createLog } from '../../src/kit/log.ts';
import { castellan, makeFolder, node, STARTS_MS } from '../cli/running.ts';
import { PASSWORD, post, redisUrl, testConfig } from '../support/castellan.ts';
import { type Certificate, createCertificate } from '../support/certificate.ts';
import { runOn } from '../support/database.ts';
import { dataOf } from '../support/second-factors.ts';
import { untilSo } from '../support/until.ts';

jest.setTimeout(STARTS_MS);

/** PostgreSQL's account, where we are root. */
const NOBODY = 65_534;

/** Whom certificates of tests are for, by their subject: a role of that name has no password. */
const CERTIFIED = 'castellan tests';
const clients = [ofUser(), ofUser()] as const;

let folder: Awaited<ReturnType<typeof makeFolder>>;
let server: EmbeddedServer;
/** Without a certificate authority that is trusted. */
let url: URL;

beforeAll(async () => {
  folder = await makeFolder();
  const files = await certify('localhost');
  await writeFile(join(folder.path, 'another.pem'), createCertificate().certificate);
  await trustClients(clients[0]);
  const hba = join(folder.path, 'hba.conf');
  await writeFile(hba, `hostssl all "${CERTIFIED}" 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 scram-sha-256\n`);
  const settings = {
    ssl: 'on',
    ssl_cert_file: files.cert,
    ssl_key_file: files.key,
    ssl_ca_file: join(folder.path, 'clients.pem'),
    hba_file: hba,
  };
  server = await startEmbedded({ dataDir: join(folder.path, 'data/postgres'), settings });
  url = new URL(server.url);
  url.hostname = 'localhost';
  url.searchParams.set('sslmode', 'verify-full');
});

afterAll(async () => {
  await server?.stop('immediate');
  await folder.remove();
});

/** Gives the server a certificate that vouches for itself, for when it reads it next. */
async function certify(host: string): Promise<{ readonly cert: string; readonly key: string }> {
  const { certificate, key } = createCertificate(host);
  const files = { cert: join(folder.path, 'server.pem'), key: join(folder.path, 'server.key') };
  await writeFile(files.cert, certificate);
  await writeFile(files.key, key, { mode: 0o600 });
  if (process.getuid?.() === 0) await chown(files.key, NOBODY, NOBODY);
  return files;
}

/** From when the server reads it next. */
async function trustClients({ certificate }: Certificate): Promise<void> {
  await writeFile(join(folder.path, 'clients.pem'), certificate);
}

function ofUser() {
  return createCertificate('localhost', { called: CERTIFIED });
}

/** Where {@link CERTIFIED} proves who it is with what these files have. */
async function certified({ certificate, key }: Certificate, name = 'client'): Promise<string> {
  const [cert, keyFile] = [join(folder.path, `${name}.pem`), join(folder.path, `${name}.key`)];
  await writeFile(cert, certificate);
  await writeFile(keyFile, key, { mode: 0o600 });
  const own = new URL(trusting('server.pem'));
  Object.assign(own, { username: CERTIFIED, password: '' });
  own.searchParams.set('sslcert', cert);
  own.searchParams.set('sslkey', keyFile);
  return own.href;
}

function trusting(file: string): string {
  const trusted = new URL(url);
  trusted.searchParams.set('sslrootcert', join(folder.path, file));
  return trusted.href;
}

test('every connection is encrypted, and signing in, lists and revocations work over it', async () => {
  const config = testConfig(trusting('server.pem'), undefined);
  const apps: App[] = [];
  try {
    const app = await createApp(config, { logger: createLog('silent'), poolMax: 5 });
    apps.push(app);
    const signIn = `mutation ($input: SignInInput!) {
      signIn(input: $input) { ... on SignedIn { accessToken session { id } } }
    }`;
    const input = { email: config.adminEmail ?? '', password: PASSWORD };
    const answer = await post<{ signIn: { accessToken: string; session: { id: string } } }>(app.url, signIn, { input });
    const { accessToken, session } = dataOf(answer).signIn;
    const headers = { authorization: `Bearer ${accessToken}` };
    dataOf(await post(app.url, '{ me { id } users(first: 5) { edges { node { id } } } }', {}, headers));
    const revoke = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
    const revoked = await post(app.url, revoke, { id: session.id }, headers);
    expect(dataOf(revoked)).toEqual({ revokeSession: { receipt: { enforced: true } } });

    const { rows } = await app.database.pool.query<{ ssl: boolean }>(
      `select distinct s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid)
       where a.application_name like 'castellan%'`,
    );
    expect(rows).toEqual([{ ssl: true }]);
  } finally {
    for (const app of apps) await app.close();
  }
});

test.each([
  ['a certificate of somebody else', () => trusting('another.pem')],
  ['a certificate that nobody vouches for here', () => url.href],
])('%s is refused by a start, castellan migrate and castellan doctor, in one line', async (_, makeUrl) => {
  const env = { DATABASE_URL: makeUrl(), PORT: '0', REDIS_URL: redisUrl() };
  const [start, migrate, doctor] = await Promise.all([
    node(['src/main.ts'], env).ended,
    castellan(['migrate'], env),
    castellan(['doctor'], env),
  ]);
  const line = /^(DATABASE_URL cannot be used: its certificate is not signed by .*)$/m;
  expect([start.code, migrate.code, doctor.code]).toEqual([1, 1, 1]);
  expect(start.stderr.trim().split('\n')).toHaveLength(1);
  for (const said of [start.stderr, migrate.stderr, doctor.stdout]) expect(said).toMatch(line);
});

test('a certificate is as good as a password, and one that takes its place is used by the next connections', async () => {
  await runOn(server.url, `create role "${CERTIFIED}" login`);
  await migrate(server.url, { grantTo: CERTIFIED });
  const end = (): Promise<void> =>
    runOn(server.url, `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${CERTIFIED}'`);
  const [first, second] = clients;
  const app = await createApp(testConfig(await certified(first), undefined), {
    logger: createLog('silent'),
    poolMax: 3,
  });
  const answers = async (): Promise<boolean> => {
    const input = { email: app.firstAdministrator?.email ?? 'admin@castellan.local', password: PASSWORD };
    const signIn = 'mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }';
    return (await post(app.url, signIn, { input })).errors.length === 0;
  };
  try {
    expect(await answers()).toBe(true);
    await trustClients(second);
    await certified(second);
    await runOn(server.url, 'select pg_reload_conf()');
    await untilSo('the second certificate is good', async () => {
      await end();
      return answers();
    });
    const refused = await Promise.all([certified(first, 'old'), certified(ofUser(), 'another')]);
    for (const each of [...refused, withoutCertificate(refused[0])])
      await expect(runOn(each, 'select 1')).rejects.toThrow();
  } finally {
    await app.close();
  }
});

function withoutCertificate(url: string): string {
  const bare = new URL(url);
  bare.searchParams.delete('sslcert');
  bare.searchParams.delete('sslkey');
  return bare.href;
}

test('a server without TLS, and one whose certificate is for another name, are refused', async () => {
  const plain = new URL(process.env['TEST_POSTGRES_URL'] ?? '');
  plain.searchParams.set('sslmode', 'verify-full');
  const examined = async (databaseUrl: string) => {
    const { code, stdout } = await castellan(['doctor'], { DATABASE_URL: databaseUrl, REDIS_URL: redisUrl() });
    return [code, /^DATABASE_URL cannot.*$/m.exec(stdout)?.[0]];
  };
  expect(await examined(plain.href)).toEqual([
    1,
    'DATABASE_URL cannot be used: it has no TLS, which sslmode asks for.',
  ]);

  await certify('elsewhere.example.com');
  await runOn(server.url, 'select pg_reload_conf()');
  const refused = [
    1,
    'DATABASE_URL cannot be used: its certificate is for another host (ERR_TLS_CERT_ALTNAME_INVALID).',
  ];
  // It is read again in its own time.
  await untilSo('the certificate is another one', async () => {
    const found = await examined(trusting('server.pem'));
    return String(found) === String(refused);
  });
});
