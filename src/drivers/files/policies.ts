import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import type { PolicyFile } from '../../domain/policy/parse.ts';

/** The policy files of a folder, without its `cases/`, in the order of their paths. Problems name them as `policies/users.yaml`. */
export async function readPolicyFiles(folder: string): Promise<readonly PolicyFile[]> {
  const root = resolve(folder);
  const names = await readdir(root, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'there is no such folder' : 'it cannot be read';
    throw new Error(`POLICIES_DIR ${root}: ${why} (${error.code})`);
  });
  const paths = names
    .filter((name) => /\.ya?ml$/.test(name) && !/^cases[/\\]/.test(name))
    .toSorted()
    .map((name) => join(root, name));
  return Promise.all(
    paths.map(async (path) => ({
      path: join(basename(root), relative(root, path)).replaceAll('\\', '/'),
      text: await readFile(path, 'utf8'),
    })),
  );
}

/** The decision tables beside them, named as `policies/cases/users.yaml`; there may be none. */
export async function readCaseFiles(folder: string): Promise<readonly PolicyFile[]> {
  const cases = join(folder, 'cases');
  const there = await stat(cases).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!there) return [];
  const files = await readPolicyFiles(cases);
  return files.map(({ path, text }) => ({ path: `${basename(resolve(folder))}/${path}`, text }));
}
