import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const PEERS = join(import.meta.dirname, '..', 'peers');
const INSTALL_MS = 180_000;

const run = promisify(execFile);

/** Installs the libraries that Castellan is measured against, unless they are there. Throws saying what to do. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  // npm writes it when everything else is in place.
  if (existsSync(join(PEERS, 'node_modules', '.package-lock.json'))) return;
  say('installing the libraries to compare with: npm ci --prefix bench/peers');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
  try {
    await run('npm', ['ci', ...flags], { cwd: PEERS, timeout: INSTALL_MS, maxBuffer: 16 * 1024 * 1024 });
  } catch (cause) {
    throw new Error(
      `the libraries to compare with could not be installed: ${saidBy(cause)}\n` +
        'See that npm reaches its registry and run `npm ci --prefix bench/peers`, or name the benches to run without decide-peers.',
      { cause },
    );
  }
}

/** Says what the caller expects of it: the root knows no types of these. */
export async function importPeer<Module>(name: string): Promise<Module> {
  const path = createRequire(join(PEERS, 'package.json')).resolve(name);
  return (await import(pathToFileURL(path).href)) as Module;
}

function saidBy(cause: unknown): string {
  const { killed, stderr, message } = cause as { killed?: boolean; stderr?: string; message?: string };
  if (killed === true) return `npm took longer than ${INSTALL_MS / 1_000} s`;
  return stderr?.trim() || (message ?? String(cause));
}
