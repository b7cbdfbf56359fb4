import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** Where Chromium is: the one that CHROMIUM names, or on the PATH, or else Debian's, installed where that is possible. */
export function findChromium() {
  const found = process.env.CHROMIUM || onPath();
  if (found) return found;
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version'))
    throw new Error('There is no chromium on the PATH. Install it, or set CHROMIUM to one.');
  const apt = (...args) =>
    execFileSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=60', ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 300_000,
    });
  apt('update');
  apt('install', '-y', '--no-install-recommends', 'chromium');
  const installed = onPath();
  if (installed === undefined) throw new Error('chromium was installed, but is not on the PATH.');
  return installed;
}

function onPath() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
