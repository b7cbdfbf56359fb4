/** Installs what the page imports: its dependencies, and castellan as it is packed. Run it again after a change. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDER = import.meta.dirname;
const ROOT = join(FOLDER, '../..');

export function install() {
  const run = (cwd, file, ...args) => execFileSync(file, args, { cwd, encoding: 'utf8', timeout: 180_000 });
  run(FOLDER, 'npm', 'ci', '--ignore-scripts');
  run(ROOT, 'npm', 'run', 'build');
  const temporary = mkdtempSync(join(tmpdir(), 'castellan-example-'));
  try {
    const [{ filename }] = JSON.parse(run(ROOT, 'npm', 'pack', '--json', '--pack-destination', temporary));
    const installed = join(FOLDER, 'node_modules', 'castellan');
    mkdirSync(installed, { recursive: true });
    run(temporary, 'tar', '-xzf', filename, '-C', installed, '--strip-components=1');
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) install();
