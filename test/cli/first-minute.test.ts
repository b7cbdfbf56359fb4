import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { startEmbedded } from '../../src/drivers/postgres/embedded.ts';
import { createDatabase, runOn } from '../support/database.ts';
import { castellan, makeFolder, node, processesOf, type Running, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;
let running: Running | undefined;
let password = '';

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(async () => {
  // Killed, it would leave its PostgreSQL running.
  await running?.end('SIGTERM');
  await folder.remove();
});

/** `npm start`, without npm. */
function start(env: NodeJS.ProcessEnv = {}): Running {
  return node(['src/main.ts'], { CASTELLAN_DIR: join(folder.path, 'data'), PORT: '0', LOG_LEVEL: 'warn', ...env });
}

async function shell(command: string): Promise<unknown> {
  return JSON.parse((await promisify(execFile)('bash', ['-c', command])).stdout);
}

/** The two requests that a start prints, run in a shell as a newcomer would. */
async function signInAsPrinted(printed: string, oneTimePassword: string): Promise<unknown> {
  const [signIn = '', me = ''] = printed.split('\n').filter((line) => line.trim().startsWith('curl '));
  const answer = await shell(signIn.replace('<password>', oneTimePassword));
  const { accessToken } = (answer as { data: { signIn: { accessToken: string } } }).data.signIn;
  return shell(me.replace('<accessToken>', accessToken));
}

const isAdministrator = {
  data: {
    me: { id: expect.stringMatching(/^user_/), email: 'admin@castellan.local', roles: [{ name: 'administrator' }] },
  },
};

test('on nothing at all it starts, and the requests it prints work as they are', async () => {
  running = start();
  const printed = await running.printed('Then ask who you are');
  await running.printed('"{ me {');
  expect(printed).toContain('The first administrator is admin@castellan.local.');
  password = /shown this once: (\S+)/.exec(printed)?.[1] ?? '';
  expect(password).toHaveLength(24);
  expect(await signInAsPrinted(running.stdout, password)).toEqual(isAdministrator);
});

test('SIGTERM ends it and its PostgreSQL', async () => {
  expect(processesOf(folder.path)).not.toEqual([]);
  const { code, stdout, stderr, tookMs } = await running!.end('SIGTERM');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/Closing …\n$/);
  expect(tookMs).toBeLessThan(10_000);
  expect(processesOf(folder.path)).toEqual([]);
});

test('the second start knows the administrator and prints no password', async () => {
  running = start();
  await running.printed('"{ me {');
  expect(running.stdout).not.toMatch(/shown this once|first administrator/);
  expect(running.stdout).toContain('castellan admin recover admin@castellan.local gives another.');
  expect(await signInAsPrinted(running.stdout, password)).toEqual(isAdministrator);
});

test('a start in development gives another once the first has ended, and changes nothing else; no other password ends', async () => {
  await running!.end('SIGTERM');
  const postgres = await startEmbedded({ dataDir: join(folder.path, 'data/postgres') });
  await runOn(
    postgres.url,
    `update passwords set changed_at = changed_at - interval '1 day', initial_at = initial_at - interval '1 day'`,
  );
  await postgres.stop();
  running = start();
  await running.printed('"{ me {');
  expect(running.stdout).toContain('The first password of admin@castellan.local had ended, and there is another.');
  const renewed = /shown this once: (\S+)/.exec(running.stdout)?.[1] ?? '';
  expect(renewed).not.toBe(password);
  password = renewed;
  expect(await signInAsPrinted(running.stdout, password)).toEqual(isAdministrator);
});

test('killed, it recovers at the next start', async () => {
  const { signal } = await running!.end('SIGKILL');
  expect(signal).toBe('SIGKILL');
  running = start();
  await running.printed('"{ me {');
  expect(await signInAsPrinted(running.stdout, password)).toEqual(isAdministrator);
  expect((await running.end('SIGINT')).code).toBe(0);
  expect(processesOf(folder.path)).toEqual([]);
});

test('while it is stopped, its audit log can be verified with no setting, which makes nothing where there is none', async () => {
  const env = { CASTELLAN_DIR: join(folder.path, 'data') };
  const verified = await castellan(['audit', 'verify'], env);
  expect(verified).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/^The audit log is whole: [1-9]/),
  });
  expect(processesOf(folder.path)).toEqual([]);

  const nowhere = join(folder.path, 'nowhere');
  for (const command of ['verify', 'export']) {
    expect(await castellan(['audit', command], { CASTELLAN_DIR: nowhere })).toMatchObject({
      code: 2,
      stderr: 'DATABASE_URL must name the database that has the audit log\n',
    });
  }
  expect(existsSync(nowhere)).toBe(false);
});

test('castellan start is the same, and with --json says where it is in one line', async () => {
  const database = await createDatabase();
  const started = node(['bin/castellan.js', 'start', '--json'], {
    DATABASE_URL: database.url,
    PORT: '0',
    CASTELLAN_DIR: folder.path,
  });
  const { url, firstAdministrator } = JSON.parse(await started.printed('\n')) as Record<string, unknown>;
  expect(firstAdministrator).toEqual({
    email: 'admin@castellan.local',
    oneTimePassword: expect.any(String),
    renewed: false,
  });
  expect(
    (await fetch(`${String(url)}?query={__typename}`, { headers: { 'apollo-require-preflight': '1' } })).status,
  ).toBe(200);
  expect((await started.end('SIGTERM')).code).toBe(0);

  expect(await castellan(['migrate', '--json'], { DATABASE_URL: database.url })).toMatchObject({
    code: 0,
    stdout: '{"ok":true,"database":"the database of DATABASE_URL"}\n',
  });
  await database.drop();
});
