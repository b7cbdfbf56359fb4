import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PROCESS_MS = 300_000;

/** What a script of `processes/` prints as JSON, run in a process of its own in which the garbage collector can be called. */
export async function inFreshProcess<T>(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  const script = join(import.meta.dirname, '..', 'processes', name);
  const running = promisify(execFile)(process.execPath, ['--expose-gc', script, ...args], {
    timeout: PROCESS_MS,
    env: { PATH: process.env['PATH'], ...env },
  });
  const farewell = () => void running.child.kill();
  process.once('exit', farewell);
  try {
    return JSON.parse((await running).stdout) as T;
  } catch (cause) {
    const { killed, stderr } = cause as { killed?: boolean; stderr?: string };
    const why = killed === true ? `it took longer than ${PROCESS_MS / 1_000} s` : (stderr ?? '').slice(0, 1_000);
    throw new Error(`${script} has failed: ${why}`, { cause });
  } finally {
    process.off('exit', farewell);
  }
}
