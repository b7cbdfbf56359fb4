import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { freePort, run } from '../examples/gateways/running.ts';
import { openMailOutbox } from '../src/drivers/files/mail-outbox.ts';
import { startEmbedded } from '../src/drivers/postgres/embedded.ts';
import { systemClock } from '../src/kit/clock.ts';
import { PASSWORD, redisUrl, startCastellans, type Castellans } from './support/castellan.ts';
import { createCertificate } from './support/certificate.ts';
import { createDatabase, runOn } from './support/database.ts';

const ROOT = new URL('../', import.meta.url);

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

/** The shell commands of a page, in order. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(new URL(page, ROOT), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

test('the commands of the quick start do what it says', async () => {
  const [start = '', ...rest] = commandsOf('docs/quick-start.md');
  expect(start).toContain('npm start');
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = rest.join('\n').replaceAll(':4001', `:${port}`).replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', `${script}\nwait`], { cwd: ROOT, timeout: 15_000 });
  const answers = stdout.trim().split('\n');

  expect(answers.some((line) => line.includes('"administrator"'))).toBe(true);
  expect(answers.filter((line) => line.includes('viewerCan')).map((line) => line.includes('"allowed":true'))).toEqual([
    true,
    false,
    true,
  ]);
  const dark = answers.findIndex((line) => line.includes('AccessEnded') || line.includes("code: 'SESSION_REVOKED'"));
  const receipt = answers.findIndex((line) => line.includes('revokeSession'));
  expect(dark).toBeGreaterThan(-1);
  expect(answers[receipt]).toContain('"enforced":true');
  expect(stdout).toContain('closed with 4401');
  expect(answers.at(-1)).toContain('SESSION_REVOKED');
});

test('the commands about second factors do what the page says', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = commandsOf('docs/second-factors.md')
    .join('\n')
    .replaceAll(':4001', `:${port}`)
    .replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const [, enabled, refused, wrong, verified, used, stepped, disabled, signedIn, ...required] = stdout
    .trim()
    .split(/\n+/);

  expect(enabled).toBe('{"data":{"me":{"mfaEnabled":true}}}');
  expect(refused).toContain('"code":"UNAUTHENTICATED"');
  expect(wrong).toContain('This code is wrong');
  expect(verified).toMatch(/"accessToken":"[^"]+","session":\{"aal":2\}/);
  expect(used).toContain('This challenge is not valid');
  expect(stepped).toBe('2');
  expect(disabled).toBe('{"data":{"disableTotp":{"receipt":{"enforced":true}}}}');
  expect(signedIn).toContain('"accessToken"');
  const [applied, granted, caught, enrolled, previewed, people] = required;
  expect(applied).toBe('{"data":{"applyPolicy":{"receipt":{"enforced":true}}}}');
  expect(granted).toBe('{"data":{"grantRole":{"receipt":{"enforced":true}}}}');
  expect(caught).toContain('"code":"MFA_REQUIRED","reason":"enrollment","level":2');
  expect(enrolled).toMatch(/"accessToken":"[^"]+","recoveryCodes":\["[^\]]+"\],"session":\{"aal":2\}/);
  expect(previewed).toContain('{"role":"administrator","required":true}');
  expect(previewed).toContain('{"role":"member","required":true}');
  expect(people).toContain('{"node":{"email":"mona@example.com","mfaEnabled":true}}');
});

test('the commands about permissions do what the page says', async () => {
  const blocks = commandsOf('docs/permissions.md').filter((block) => !block.includes('examples/browser'));
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = blocks.join('\n').replaceAll(':4001', `:${port}`).replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const answers = stdout.trim().split('\n');
  const having = (word: string) => answers.filter((line) => line.includes(word));

  expect(having('"createScope":{"scope"')).toHaveLength(4);
  expect(having('"dave":{')).toEqual(['{"data":{"dave":{"allowed":true},"erin":{"allowed":false}}}']);
  expect(having('"explain"')[0]).toMatch(
    /"allowed":true,"rule":\{"rule":"[^"]*users\.yaml:\d+","inheritance":\["support"\]/,
  );
  expect(having('"viewerCan":')).toEqual([
    '{"data":{"viewerCan":{"allowed":false}}}',
    '{"data":{"viewerCan":{"allowed":false}}}',
  ]);
  expect(having('"errors"').map((line) => /"code":"(\w+)"/.exec(line)?.[1])).toEqual(['FORBIDDEN', 'SESSION_REVOKED']);
  expect(having('"enforced"').filter((line) => !line.includes('"enforced":true'))).toEqual([]);
  expect(having('"role":{')[0]).toContain('"inherits":[{"name":"auditor"},{"name":"support"}]');
  expect(having('"users"')[1]).toContain('{"node":{"name":"sam","roles":[{"name":"member"},{"name":"lead"}]}}');
  expect(having('"permissionAnalytics"')[0]).toContain('"completeUntil"');
  expect(having('"history"')[0]).toContain('"inForce":true');
});

test('the commands about sessions do what the page says', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = commandsOf('docs/sessions.md')
    .join('\n')
    .replaceAll(':4001', `:${port}`)
    .replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const answers = stdout.trim().split('\n');
  const having = (word: string) => answers.filter((line) => line.includes(word));

  expect(having('"me":{"id"')).toHaveLength(2);
  expect(having('"device":{"kind":"mobile","browser":"Chrome","os":"Android"},"client":"shop"')).toHaveLength(1);
  expect(having('renameSession')).toEqual([
    '{"data":{"renameSession":{"session":{"label":"my phone","device":{"kind":"mobile"}}}}}',
  ]);
  expect(having('"label":"my phone","address":"127.0.0.1"')).toHaveLength(1);
  expect(having('revokeSessions')[0]).toMatch(/"sessionIds":\["sess_\w+"\],"more":false,"receipt":\{"enforced":true\}/);
  expect(having('"sessions":{"edges"')[0]).toContain('"current":true');
  expect(having('revokeOtherSessions')[0]).toContain('"enforced":true');
  expect(having('signOut')[0]).toContain('"enforced":true');
  expect(answers.filter((line) => line === '200')).toHaveLength(1);
  expect(having('"errors"').map((line) => /"code":"(\w+)"/.exec(line)?.[1])).toEqual([
    'SESSION_REVOKED',
    'SESSION_REVOKED',
    'SESSION_REVOKED',
  ]);
});

test('the commands about API keys do what the page says', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = commandsOf('docs/api-keys.md')
    .join('\n')
    .replaceAll(':4001', `:${port}`)
    .replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 60_000 });
  const [
    granted,
    users,
    lacking,
    old,
    fresh,
    versions,
    used,
    found,
    revoked,
    refused,
    unused,
    ending,
    left,
    isKey,
    again,
    active,
    inactive,
  ] = stdout.trim().split(/\n+/);

  expect(granted).toBe('{"data":{"grantRole":{"receipt":{"enforced":true}}}}');
  expect(users).toContain('"email":"');
  expect(lacking).toContain('"allowed":false,"reason":"This API key does not have the permission session:read."');
  expect([old, fresh]).toEqual(['1', '1']);
  expect(versions).toContain('"versions":[{"number":2,"safeToRetire":false},{"number":1,"safeToRetire":false}]');
  expect(used).toContain('"apiKeyUsage":{"admitted":4,"limited":0,"failed":0,"operations":[{');
  expect(found).toContain('"node":{"name":"of the pipeline","owner":{"name":"deployment"}}');
  expect(revoked).toBe('{"data":{"revokeApiKey":{"receipt":{"enforced":true}}}}');
  expect(refused).toContain('"code":"SESSION_REVOKED"');
  expect(unused).toBe('{"data":{"apiKeys":{"edges":[]}}}');
  expect(ending).toBe('{"data":{"apiKeys":{"edges":[]}}}');
  expect(left).toContain('{"data":{"apiKeys":{"edges":[');
  expect(isKey).toBe('a key: true');
  expect(again).toBe(granted);
  expect(JSON.parse(active ?? '')).toMatchObject({ active: true, token_type: 'Bearer', sub: expect.any(String) });
  expect(inactive).toBe('{"active":false}');
});

test('the commands about the audit log do what the page says', async () => {
  const { url = '', services } = castellans.apps[0] ?? {};
  const script = commandsOf('docs/audit.md').join('\n').replaceAll('a password for trying it', PASSWORD);
  const [before = '', after = ''] = script
    .replaceAll(':4001', `:${new URL(url).port}`)
    .split(/(?=^bin\/castellan\.js audit verify)/m);
  const env = {
    ...process.env,
    DATABASE_URL: castellans.config.databaseUrl?.reveal(),
    KEY_ENCRYPTION_KEY: castellans.config.keyEncryptionKeys?.[0]?.reveal(),
  };
  const bash = async (text: string) =>
    (await promisify(execFile)('bash', ['-euc', text], { cwd: ROOT, timeout: 60_000, env })).stdout.trim().split(/\n+/);
  const [disabled, who, enabled, key, denied, denials, gave, session, made, revoked, today, ...then] =
    await bash(before);

  expect(disabled).toBe('{"data":{"disableUser":{"receipt":{"enforced":true}}}}');
  expect(who).toMatch(
    /"sessionId":"sess_\w+","address":"127.0.0.1","operation":"Offboard","outcome":"done","before":\{"status":"active"\},"after":\{"status":"disabled"\}/,
  );
  expect(enabled).toBe('{"data":{"enableUser":{"receipt":{"enforced":true}}}}');
  expect(key).toContain('{"node":{"action":"user.enable","subjectType":"User","subjectId":"user_');
  expect(denied).toContain('NOT_FOUND');
  expect(denials).toContain(
    '{"node":{"action":"role.delete","subjectId":"role_00000000000000000000000000","code":"NOT_FOUND"}}',
  );
  expect(gave).toMatch(
    /"sessionId":"sess_\w+","address":"127.0.0.1","after":\{"role":"auditor","scope":null,"roleId":"role_\w+","grantId":"grant_\w+","expiresAt":null\}/,
  );
  expect(session).toContain('"action":"role.grant"');
  expect(made?.match(/"subjectId"/g)?.length).toBeGreaterThanOrEqual(2);
  expect(revoked).toContain('"enforced":true');
  expect(today).toContain('"role":{"name":"administrator"},"scope":null');
  expect(then).toEqual([expect.stringMatching(/^user_\w+ everywhere since \S+Z by system$/)]);
  await services?.auditChainer.chain();
  // Denials of the minute before may be told meanwhile.
  const [whole, told, line = '', event = ''] = (await bash(after)).filter((each) => !each.includes('not chained yet'));
  expect([whole, told]).toEqual([
    expect.stringMatching(/^The audit log is whole: \d+ entries in \d+ batches, places 1 to \d+\.$/),
    expect.stringMatching(/^Without --heads/),
  ]);
  expect(JSON.parse(line)).toMatchObject({ seq: expect.any(Number), action: expect.any(String) });
  expect(JSON.parse(event)).toMatchObject({ class_uid: 6003, status_id: expect.any(Number) });
}, 60_000);

test('the commands about users do what the page says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'castellan-docs-'));
  const open = await startCastellans(1, {
    settings: { signUp: 'open' },
    mailer: openMailOutbox({ folder, from: 'castellan@example.com', clock: systemClock }),
  });
  try {
    const { port } = new URL(open.apps[0]?.url ?? '');
    const script = commandsOf('docs/users.md')
      .join('\n')
      .replaceAll(':4001', `:${port}`)
      .replaceAll('.castellan/mail', folder)
      .replaceAll('a password for trying it', PASSWORD);
    const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 60_000 });
    const answers = stdout.trim().split('\n');
    const having = (word: string) => answers.filter((line) => line.includes(word));

    expect(having('"updateUser"')).toEqual([
      '{"data":{"updateUser":{"user":{"name":"Olga","metadata":{"floor":3,"team":"blue"}},"receipt":{"enforced":true}}}}',
    ]);
    expect(having('"users"')[0]).toContain('"name":"Olga","email":"olga@example.com","emailVerified":true');
    expect(having('email_not_verified')).toHaveLength(1);
    expect(having('"me":{')).toEqual([
      '{"data":{"me":{"email":"pia@example.com","emailVerified":true,"roles":[{"name":"member"}]}}}',
    ]);
    expect(having('easy to guess')).toHaveLength(1);
    expect(having('"changePassword"')[0]).toContain('"sessions":[]');
    expect(having('"resetPassword":{')).toEqual(['{"data":{"resetPassword":{"receipt":{"enforced":true}}}}']);
    expect(having('This token is not valid any more')).toHaveLength(1);
    expect(having('SESSION_REVOKED')).toHaveLength(1);
    expect(having('"code":"UNAUTHENTICATED"').filter((line) => line.includes('or the password is wrong'))).toHaveLength(
      5,
    );
    expect(having('RATE_LIMITED')).toHaveLength(1);
    expect(having('"signIn":{"__typename":"SignedIn"}')).toHaveLength(1);
    expect(having('"unlockUser"')).toHaveLength(1);
    expect(having('"deviceToken"')).toHaveLength(1);
    expect(having('"status"').map((line) => /"status":"(\w+)"/.exec(line)?.[1])).toEqual(['disabled', 'active']);
    expect(having('"deleteUser"')[0]).toContain('"enforced":true');
    expect(having('{"data":{"user":null}}')).toHaveLength(1);
    expect(having('"importUsers"')[0]).toMatch(/"name":"quinn".*"code":"CONFLICT","field":"email".*"enforced":true/);
    for (const bulk of ['"revokeRoles"', '"disableUsers"']) {
      expect(having(bulk)[0]).toMatch(/"refusal":null\}\],"receipt":\{"enforced":true/);
    }
  } finally {
    await open.close();
    await rm(folder, { recursive: true });
  }
}, 60_000);

test('the commands about maintenance do what the page says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'castellan-docs-'));
  const database = await createDatabase();
  const restored = `restored_${database.url.slice(-16)}`;
  const restoredUrl = new URL(`/${restored}`, database.url).href;
  await symlink(join(import.meta.dirname, '../bin/castellan.js'), join(folder, 'castellan'));
  await provideTools(folder, database.url);
  try {
    const port = await freePort();
    const script = commandsOf('docs/maintenance.md')
      .join('\n')
      .replaceAll('4001', String(port))
      .replaceAll('castellan_restored', restored)
      .replaceAll('castellan.dump', join(folder, 'castellan.dump'));
    const env = {
      PATH: `${folder}:${process.env['PATH']}`,
      HOME: folder,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl(),
      KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
    };
    const options = { cwd: ROOT, timeout: 120_000, env };
    const { stdout } = await promisify(execFile)('bash', ['-euc', script], options);
    const having = (word: string) => stdout.split('\n').filter((line) => line.includes(word));

    expect(having('"status":"ok"')).toHaveLength(1);
    expect(having('Closing')).toHaveLength(1);
    expect(having('Up to date')).toHaveLength(1);
    expect(having('UPDATE 1')).toHaveLength(1);
    expect(having('DELETE 0')).toHaveLength(1);
    expect(having('Nothing is wrong with these settings.')).toHaveLength(1);
    expect(having(`/${restored}`)[0]).toContain('DATABASE_URL');
    expect(having('audit_entries')[0]).toMatch(/ (kB|MB)/);
    expect(having('entries')).not.toEqual([]);
    expect(having('admin@castellan.local can sign in again.')).toHaveLength(1);
    expect(having('ada@example.com is an administrator.')).toHaveLength(1);
    expect(having('shown this once')).toHaveLength(3);
    expect(having('1 signing keys')).toHaveLength(2);
    const { rows } = await asking(restoredUrl, 'select sealed_private_jwk as sealed from signing_keys');
    expect(rows).toEqual([{ sealed: expect.stringMatching(/^[\w-]{8}\.chacha20-poly1305\./) }]);
  } finally {
    await runOn(database.url, `drop database if exists ${restored} with (force)`);
    await database.drop();
    await rm(folder, { recursive: true });
  }
}, 150_000);

test('the commands of a start in production make all that it takes from nothing, and a role that may do no more than an instance', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'castellan-docs-'));
  await chmod(folder, 0o755);
  // That of the tests keeps nothing over a crash, which production refuses.
  const postgres = await startEmbedded({ dataDir: join(folder, 'postgres') });
  const { certificate, key } = createCertificate();
  await writeFile(join(folder, 'tls.crt'), certificate);
  await writeFile(join(folder, 'tls.key'), key);
  await symlink(join(import.meta.dirname, '../bin/castellan.js'), join(folder, 'castellan'));
  try {
    const sections = readFileSync(new URL('docs/operating.md', ROOT), 'utf8').split(/^(?=## )/m);
    const section = sections.find((each) => each.startsWith('## In production, from nothing')) ?? '';
    const script = [...section.matchAll(/^```sh\n(.*?)^```$/gms)]
      .map(([, block = '']) => block)
      .join('\n')
      .replaceAll('/etc/castellan', folder)
      .replaceAll('127.0.0.1:5432', new URL(postgres.url).host)
      .replaceAll('redis://:secret@127.0.0.1:6379', redisUrl())
      .replaceAll(':4001', ':$PORT');
    const env = {
      PATH: `${folder}:${process.env['PATH']}`,
      HOME: folder,
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      POSTGRES_URL: postgres.url,
      PORT: String(await freePort()),
      DRAIN_SECONDS: '0',
      BREACHED_PASSWORDS_URL: 'off',
    };
    const options = { cwd: ROOT, timeout: 80_000, env };
    const { stdout } = await promisify(execFile)('bash', ['-euc', `${script}\nkill $!\nwait`], options);
    expect(stdout).toContain('CREATE ROLE');
    expect(stdout).toContain('  grant select, insert, update (seq) on table audit_entries to castellan_app');
    expect(stdout).toContain('Nothing is wrong with these settings.');
    expect(stdout).toContain('"status":"ok"');
    expect(stdout).toContain('There is no administrator yet: castellan admin create <email> makes one.');
    expect(stdout).toMatch(/ada@example\.com is an administrator\.\n {2}The password, shown this once: /);
    const instance = new URL('/castellan_db', postgres.url);
    Object.assign(instance, { username: 'castellan_app', password: 'another secret' });
    await asking(instance.href, 'select * from users');
    await expect(asking(instance.href, 'truncate users')).rejects.toThrow('permission denied');
  } finally {
    await postgres.stop();
    await rm(folder, { recursive: true });
  }
}, 90_000);

async function asking(url: string, text: string): Promise<{ readonly rows: readonly unknown[] }> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await client.query(text);
  } finally {
    await client.end();
  }
}

/** PostgreSQL's own programs where they are new enough for the server, and stand-ins for them where they are not. */
async function provideTools(folder: string, url: string): Promise<void> {
  const { stdout } = await promisify(execFile)('pg_dump', ['--version']).catch(() => ({ stdout: '' }));
  const newest = Number(/ (\d+)/.exec(stdout)?.[1] ?? 0);
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query<{ major: number }>(
    `select current_setting('server_version_num')::int / 10000 as major`,
  );
  await client.end();
  if (newest >= (rows[0]?.major ?? Infinity)) return;
  const tools = join(import.meta.dirname, 'support/pg-tools.ts');
  for (const tool of ['pg_dump', 'pg_restore']) {
    await writeFile(join(folder, tool), `#!/bin/sh\nexec '${process.execPath}' '${tools}' ${tool} "$@"\n`, {
      mode: 0o755,
    });
  }
}
test('the commands about monitoring do what the page says', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = [...commandsOf('docs/monitoring.md'), ...commandsOf('docs/security.md')]
    .join('\n')
    .replaceAll(':4001', `:${port}`)
    .replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const [health, instances, ready, ...metrics] = stdout.trim().split(/\n+/);

  expect(health).toContain('{"status":"ok","problems":[],"missingMigrations":[]');
  expect(instances).toMatch(/"current":true,"version":"[\d.]+","state":"active"/);
  expect(ready).toBe('{"status":"ok","checks":{"authority":true,"pool":true,"policy":true,"migrations":true}}');
  expect(metrics.pop()).toMatch(/^\{"data":\{"securityEvents":\{"edges":\[/);
  expect(metrics.join('\n')).toMatch(/castellan_operations_total\{kind="query",outcome="ok"\} [1-9]/);
});

test('the commands of the runbook name what keeps an instance from answering, and nothing of one that is well but its figures', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = commandsOf('docs/runbook.md').join('\n').replaceAll(':4001', `:${port}`);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const [ready, ...figures] = stdout.trim().split(/\n+/);
  expect(ready).toContain('"status":"ok"');
  const names = figures.map((line) => line.replace(/[ {].*/, '')).toSorted((a, b) => a.localeCompare(b));
  // On one machine both clocks may be the same, to the millisecond.
  expect(names.filter((name) => name !== 'castellan_clock_ahead_seconds')).toEqual([
    'castellan_build_info',
    'castellan_lease_margin_seconds',
  ]);
});

test('the commands about analytics do what the page says', async () => {
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = commandsOf('docs/analytics.md')
    .join('\n')
    .replaceAll(':4001', `:${port}`)
    .replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 30_000 });
  const [authentication, activity, hours, factors, people, asked] = stdout.trim().split(/\n+/);

  expect(authentication).toMatch(/^\{"data":\{"authenticationAnalytics":\{"succeeded":\d+,"failed":\d+,/);
  expect(authentication?.match(/"start"/g)?.length).toBeGreaterThanOrEqual(24);
  expect(hours).toMatch(/"outcomes":\[/);
  expect(factors).toMatch(/\{"kind":"sign_in","outcome":"succeeded","count":[1-9]/);
  expect(people).toContain('{"node":{"email":"admin@castellan.local","mfaEnabled":');
  expect(asked).toMatch(/"operations":\[\{"kind":"\w+","field":"\w+","succeeded":\d+/);
  expect(activity).toMatch(/^\{"data":\{"activityAnalytics":\{"active":[1-9]\d*,"buckets":\[\{"start"/);
});

test('the commands about supergraphs do what the page says, on the example that it starts', async () => {
  const [start, ...blocks] = commandsOf('docs/supergraph.md');
  expect(start).toBe('npm run example\n');
  const [gateway, castellan, documents] = [await freePort(), await freePort(), await freePort()].map(String);
  const example = await run({
    command: process.execPath,
    args: [join(import.meta.dirname, '../examples/run.ts')],
    cwd: join(import.meta.dirname, '..'),
    env: { PORT: gateway ?? '', CASTELLAN_PORT: castellan ?? '', DOCUMENTS_PORT: documents ?? '' },
    url: `http://127.0.0.1:${gateway}`,
    ready: '/readiness',
    prints: 'And end it',
    readyMs: 120_000,
  });
  try {
    const folder = await mkdtemp(join(tmpdir(), 'castellan-docs-'));
    const script = blocks
      .join('\n')
      .replaceAll(':4000', `:${gateway}`)
      .replaceAll(':4001', `:${castellan}`)
      .replaceAll(':4002', `:${documents}`)
      .replaceAll('/tmp/', `${folder}/`);
    const { stdout } = await promisify(execFile)('bash', ['-euc', script], { cwd: ROOT, timeout: 60_000 });
    await rm(folder, { recursive: true });
    const answers = stdout.trim().split('\n');
    const having = (word: string) => answers.filter((line) => line.includes(word));

    expect(having('"me":{"name":"Edith"')[0]).toMatch(/"documents":\[{"title":"Plans",.*"Old plans".*"Corrections"/);
    expect(stdout).not.toContain('"Diary"');
    expect(having('"renameDocument"')[0]).toContain('"title":"Our plans"');
    expect(having('An archived document stays as it is.')).toHaveLength(2);
    expect(having('NOT_FOUND')).toHaveLength(1);
    expect(having('"code":"SESSION_REVOKED"')).toHaveLength(2);
    expect(having('event: complete')).toHaveLength(1);
    expect(having('"enforced":true')).toHaveLength(3);
    expect(having('"grantRole":{"receipt":{"enforced":true}}')).toHaveLength(2);
    expect(answers.at(-1)).toBe('1');
    expect(having('0 answered otherwise, 0 rules decide no case')).toHaveLength(1);
    expect(having('"viewerCanMany":[{"allowed":true')[0]).toContain('{"allowed":false');

    // What a start prints can be pasted as well.
    const printed = example.output().slice(example.output().indexOf('Sign in as Edith'));
    const lines = printed.split('\n').filter((line) => line.startsWith('  '));
    const pasted = lines.join('\n').replace(/ &$/m, ' &\n  sleep 1');
    const answered = await promisify(execFile)('bash', ['-euc', `${pasted}\nwait`], { cwd: ROOT, timeout: 60_000 });
    expect(answered.stdout).toContain('"me":{"name":"Edith","documents":[{"title":"Corrections"}]}');
    expect(answered.stdout).toMatch(/"AccessEnded","code":"SESSION_REVOKED"/);
  } finally {
    await example.stop();
  }
}, 240_000);
