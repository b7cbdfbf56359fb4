import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as poll } from 'node:timers/promises';
import { Client } from 'pg';
import { type EmbeddedServer, startEmbedded } from '../../src/drivers/postgres/embedded.ts';

const asRoot = process.getuid?.() === 0;
const settings = { fsync: 'off' };
let open: string;
let closed: string;
let dataDir: string;
const servers: EmbeddedServer[] = [];

beforeAll(async () => {
  open = await fs.mkdtemp(join(tmpdir(), 'castellan open '));
  await fs.chmod(open, 0o755);
  closed = await fs.mkdtemp(join(tmpdir(), 'castellan closed '));
  dataDir = join(open, 'data');
});

afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop('immediate')));
  for (const folder of [open, closed]) {
    for (const name of await fs.readdir(folder)) {
      await fs.rm(await fs.realpath(join(folder, name)), { recursive: true });
    }
    await fs.rm(folder, { recursive: true, force: true });
  }
});

async function start(folder = dataDir): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir: folder, settings });
  servers.push(server);
  return server;
}

async function ask(server: { url: string }, sql: string): Promise<unknown[][]> {
  const client = new Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

/** Another Castellan: a process which starts a server and stays. */
function another(folder: string): ChildProcess {
  const script = `
    const { startEmbedded } = await import(process.argv[1]);
    const server = await startEmbedded({ dataDir: process.argv[2], settings: { fsync: 'off' } });
    console.log(JSON.stringify({ url: server.url, pid: server.pid }));
  `;
  const module = new URL('../../src/drivers/postgres/embedded.ts', import.meta.url).href;
  return spawn(process.execPath, ['--input-type=module', '-e', script, module, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function firstLine(child: ChildProcess): Promise<{ url: string; pid: number }> {
  for await (const line of createInterface({ input: child.stdout! })) {
    const printed: { url: string; pid: number } = JSON.parse(line);
    return printed;
  }
  throw new Error('the other Castellan ended without a server');
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

async function kept(server: { url: string }): Promise<unknown> {
  return (await ask(server, 'select coalesce(max(n), 0) from kept'))[0]?.[0];
}

async function commandLine(pid: number): Promise<string> {
  return fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

test('starts in an empty folder whose path has a space, behind a password, on this machine only', async () => {
  const server = await start();
  expect(new URL(server.url).pathname).toBe('/castellan');
  const [row] = await ask(
    server,
    `select upper('élan'), current_setting('listen_addresses'), current_setting('unix_socket_directories'),
      current_setting('TimeZone'), current_setting('jit'), current_setting('fsync'), getdatabaseencoding()`,
  );
  expect(row).toEqual(['ÉLAN', '127.0.0.1', '', 'UTC', 'off', 'off', 'UTF8']);
  expect(await ask(server, 'select distinct auth_method from pg_hba_file_rules')).toEqual([['scram-sha-256']]);
  expect((await fs.stat(join(dataDir, 'password'))).mode & 0o777).toBe(0o600);

  const guess = new URL(server.url);
  guess.password = 'guess';
  await expect(ask({ url: guess.href }, 'select 1')).rejects.toMatchObject({ code: '28P01' });
});

test('keeps data and port over a stop and a start', async () => {
  const [first] = servers;
  await ask(first!, 'create table kept (n int)');
  await ask(first!, 'insert into kept values (1)');
  await Promise.all([first!.stop(), first!.stop()]);
  expect(await commandLine(first!.pid)).toBe('');

  const again = await start();
  expect(again.url).toBe(first!.url);
  expect(await kept(again)).toBe(1);
});

test('refuses a second owner, in this process or another, while the first lives', async () => {
  const first = servers.at(-1)!;
  const refusal = `(process ${process.pid}): stop it, or set DATABASE_URL`;
  await expect(start()).rejects.toThrow(refusal);
  expect(await kept(first)).toBe(1);
  await first.stop();

  const child = another(dataDir);
  const other = await firstLine(child);
  await expect(start()).rejects.toThrow(`(process ${child.pid}): stop it, or set DATABASE_URL`);
  expect(await kept(other)).toBe(1);
  await kill(child);
});

test('lets at most one of many at once own the folder, after an owner was killed', async () => {
  const outcomes = await Promise.allSettled([start(), start(), start(), start()]);
  const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  expect(winners.length).toBeLessThanOrEqual(1);
  await Promise.all(winners.map(({ value }) => value.stop()));
  await (await start()).stop();
});

test('recovers from a crash of the server, asked for or not', async () => {
  const crashed = await start();
  await ask(crashed, 'insert into kept values (2)');
  await crashed.stop('immediate');

  const killed = await start();
  expect(await kept(killed)).toBe(2);
  await ask(killed, 'insert into kept values (3)');
  process.kill(killed.pid, 'SIGKILL');
  await killed.stop();

  const again = await start();
  expect(await kept(again)).toBe(3);
  await again.stop();
});

test('ends the server that a killed Castellan left behind, and starts with its data', async () => {
  const child = another(dataDir);
  const orphan = await firstLine(child);
  await ask(orphan, 'insert into kept values (4)');
  await kill(child);
  expect(await commandLine(orphan.pid)).toContain('postgres');

  const server = await start();
  expect(server.pid).not.toBe(orphan.pid);
  expect(await commandLine(orphan.pid)).not.toContain('postgres');
  expect(await kept(server)).toBe(4);
  await server.stop();
});

test('takes neither an owner nor a server for alive because its process id is in use again', async () => {
  await fs.writeFile(join(dataDir, `owner.${process.pid}.1.00000000`), '');
  await fs.writeFile(join(dataDir, 'cluster', 'postmaster.pid'), `${process.pid}\n`);
  const server = await start();
  expect(await kept(server)).toBe(4);
  await server.stop();
});

test('says why a server does not start, and lets go of the folder', async () => {
  await expect(startEmbedded({ dataDir, settings: { shared_buffers: 'plenty' } })).rejects.toThrow(/shared_buffers/);
  const password = await fs.readFile(join(dataDir, 'password'), 'utf8');
  await fs.writeFile(join(dataDir, 'password'), 'forgotten');
  await expect(start()).rejects.toThrow(/password authentication failed/);
  await fs.writeFile(join(dataDir, 'password'), password);

  const server = await start();
  const port = Number(new URL(server.url).port);
  await expect(startEmbedded({ dataDir: join(open, 'taken'), port, settings })).rejects.toThrow(/already in use/);
  await server.stop();
});

test('stops within 8 s a server that hears nothing', async () => {
  const server = await start();
  process.kill(server.pid, 'SIGSTOP');
  const begun = performance.now();
  await server.stop('immediate');
  expect(performance.now() - begun).toBeLessThan(8000);
  expect(await commandLine(server.pid)).toBe('');
  const again = await start();
  expect(await kept(again)).toBe(4);
  await again.stop();
});

test('starts below a folder that only we can pass, though interrupted while the cluster was made', async () => {
  const folder = join(closed, 'data');
  const begun = async () => (await fs.readdir(folder).catch(() => [])).find((name) => name.startsWith('cluster.'));
  const isMade = () => existsSync(join(folder, 'cluster'));
  do {
    // It was made before it could be interrupted.
    await fs.rm(folder, { recursive: true, force: true });
    const child = another(folder);
    let partial = await begun();
    while (!isMade() && (partial === undefined || !existsSync(join(folder, partial, 'PG_VERSION')))) {
      await poll(5);
      partial = await begun();
    }
    await kill(child);
  } while (isMade());

  const server = await start(folder);
  expect(await ask(server, 'select 1')).toEqual([[1]]);
  expect(await begun()).toBeUndefined();
  const home = await fs.realpath(folder);
  expect(home.startsWith('/var/lib/castellan/')).toBe(asRoot);
  await server.stop();
  expect(await ask(await start(folder), 'select 1')).toEqual([[1]]);
});
