import { readdir, readFile } from 'node:fs/promises';

/** Name and nice value of every thread of this process. */
export async function threads(): Promise<readonly { readonly name: string; readonly nice: number }[]> {
  const ids = await readdir('/proc/self/task');
  const stats = await Promise.all(ids.map((id) => readFile(`/proc/self/task/${id}/stat`, 'utf8').catch(() => '')));
  return stats.flatMap((stat) => {
    const [, name, rest] = /\((.*)\) (.*)$/s.exec(stat) ?? [];
    return name === undefined || rest === undefined ? [] : [{ name, nice: Number(rest.split(' ')[16]) }];
  });
}
