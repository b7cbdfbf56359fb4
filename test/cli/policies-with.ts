import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, ROOT } from './running.ts';

/** Policy files in a folder of their own, beside those of the project. */
export async function policiesWith(roles: string) {
  const folder = await makeFolder();
  const path = join(folder.path, 'policies');
  await cp(join(ROOT, 'policies'), path, { recursive: true });
  await writeFile(join(path, 'open.yaml'), `roles:\n${roles}`);
  return { path, [Symbol.asyncDispose]: () => folder.remove() };
}
