import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSION_MS = 10_000;
const APT_MS = 180_000;

/** Makes sure that `redis-server` can be run, installing it where that is possible. Throws saying what to do. */
export async function installRedis(say: (line: string) => void): Promise<void> {
  if ((await version()) !== null) return;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(
      `redis-server is not on the PATH. Install it (${advice()}), or set REDIS_URL to a server for tests.`,
    );
  }
  say('redis-server is not on the PATH: installing it with apt-get');
  try {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', 'redis-server');
  } catch (cause) {
    throw new Error('apt-get could not install redis-server. Install it, or set REDIS_URL to a server for tests.', {
      cause,
    });
  }
  if ((await version()) !== null) return;
  throw new Error('redis-server was installed, but is not on the PATH. Add its folder to the PATH.');
}

async function version(): Promise<string | null> {
  try {
    return (await run('redis-server', ['--version'], { timeout: VERSION_MS })).stdout;
  } catch {
    return null;
  }
}

function advice(): string {
  if (process.platform === 'darwin') return 'brew install redis';
  return existsSync('/etc/debian_version') ? 'sudo apt-get install redis-server' : 'package redis';
}

async function apt(...args: readonly string[]): Promise<void> {
  // Another apt may be at work, and a question would wait for ever.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['-o', 'DPkg::Lock::Timeout=60', ...args], {
    env,
    timeout: APT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
}
