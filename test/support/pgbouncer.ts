import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../examples/gateways/running.ts';
import { untilSo } from './until.ts';

const run = promisify(execFile);
const APT_MS = 180_000;
/** The account it gives up being root for. */
const NOBODY = 65_534;
const PACKAGES = ['pgbouncer', 'libcares2', 'libc-ares2'];

export interface PgBouncer {
  /** The same database, through it. */
  through(url: string): string;
  stop(): Promise<void>;
}

/** A real PgBouncer in transaction mode, as its defaults are: it refuses every setting that a connection brings along. */
export async function startPgBouncer(serverUrl: string, { poolSize }: { poolSize: number }): Promise<PgBouncer> {
  const { program, libraries } = await find();
  const folder = await mkdtemp(join(tmpdir(), 'castellan-pgbouncer-'));
  await chmod(folder, 0o755);
  const { hostname, port: serverPort, username, password } = new URL(serverUrl);
  const port = await freePort();
  const settings = `[databases]
* = host=${hostname} port=${serverPort} user=${username} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${poolSize}
max_client_conn = 500
`;
  await writeFile(join(folder, 'pgbouncer.ini'), settings, { mode: 0o644 });
  const isRoot = process.getuid?.() === 0;
  let said = '';
  const child: ChildProcess = spawn(program, [join(folder, 'pgbouncer.ini')], {
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
    env: { LD_LIBRARY_PATH: libraries },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit').then(() => true);
  const isUp = async () => said.includes('process up') || child.exitCode !== null;
  await untilSo('PgBouncer is up', isUp);
  if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}: ${said}`);
  return {
    through(url) {
      const by = new URL(url);
      by.hostname = '127.0.0.1';
      by.port = String(port);
      return by.href;
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** The one on the PATH, or else Debian's, unpacked into a folder of ours: nothing is installed, and no service begins. */
async function find(): Promise<{ readonly program: string; readonly libraries: string }> {
  const installed = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'].find((path) =>
    existsSync(path),
  );
  if (installed !== undefined) return { program: installed, libraries: '' };
  const folder = join(tmpdir(), 'castellan-tools', 'pgbouncer');
  const program = join(folder, 'usr/sbin/pgbouncer');
  if (!existsSync(program)) await unpack(folder);
  const [architecture = ''] = await readdir(join(folder, 'usr/lib')).catch(() => []);
  return { program, libraries: join(folder, 'usr/lib', architecture) };
}

async function unpack(folder: string): Promise<void> {
  if (!existsSync('/etc/debian_version')) throw new Error('PgBouncer is not here. Install the package pgbouncer.');
  await mkdir(folder, { recursive: true });
  const partial = await mkdtemp(join(folder, 'partial-'));
  const options = { cwd: partial, timeout: APT_MS };
  const download = async (name: string) => run('apt-get', ['download', name], options).catch(() => null);
  if ((await download(PACKAGES[0] ?? '')) === null) {
    await run('apt-get', ['update'], options);
    await run('apt-get', ['download', PACKAGES[0] ?? ''], options);
  }
  // The library's name depends on the release.
  for (const name of PACKAGES.slice(1)) await download(name);
  for (const file of await readdir(partial)) await run('dpkg', ['-x', join(partial, file), folder], options);
  await rm(partial, { recursive: true });
}
