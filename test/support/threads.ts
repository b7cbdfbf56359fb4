import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as poll } from 'node:timers/promises';

/** Name and nice value of every thread of this process. */
export async function threads(): Promise<readonly { readonly name: string; readonly nice: number }[]> {
  const ids = await readdir('/proc/self/task');
  const stats = await Promise.all(ids.map((id) => readFile(`/proc/self/task/${id}/stat`, 'utf8').catch(() => '')));
  return stats.flatMap((stat) => {
    const [, name, rest] = /\((.*)\) (.*)$/s.exec(stat) ?? [];
    return name === undefined || rest === undefined ? [] : [{ name, nice: Number(rest.split(' ')[16]) }];
  });
}

/** Those that rest end by themselves after ten seconds: whoever was told to end is gone well before. */
const GONE_MS = 5_000;

/** Rejects when threads that hash are still there: that they have ended is told a little before the system has none of them any more. */
export async function untilNoneHashes(): Promise<void> {
  const givesUpAt = performance.now() + GONE_MS;
  while ((await threads()).some(({ name }) => name === 'argon2')) {
    if (performance.now() > givesUpAt) throw new Error('there are threads that hash');
    await poll(20);
  }
}
