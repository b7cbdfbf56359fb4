import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import type { PolicyFile } from '../../domain/policy/parse.ts';

/**
 * The policy files of a folder, without its `cases/`, in the order of their paths. Problems name them as `policies/users.yaml`. What
 * begins with a dot is left out: editors keep copies there, and Kubernetes what the names in a mounted folder stand for.
 */
export async function readPolicyFiles(folder: string): Promise<readonly PolicyFile[]> {
  const root = resolve(folder);
  const names = await readdir(root, { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'there is no such folder' : 'it cannot be read';
    throw new Error(`POLICIES_DIR ${root}: ${why} (${error.code})`);
  });
  const paths = names
    .filter((name) => /\.ya?ml$/i.test(name) && !/^cases[/\\]/.test(name) && !/(?:^|[/\\])\./.test(name))
    .toSorted()
    .map((name) => join(root, name));
  const files = await Promise.all(
    paths.map(async (path) => {
      const text = await textOf(path);
      return text === null ? [] : [{ path: join(basename(root), relative(root, path)).replaceAll('\\', '/'), text }];
    }),
  );
  return files.flat();
}

/** Null of a folder, whatever its name ends with. */
function textOf(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EISDIR') return null;
    const why = error.code === 'ENOENT' ? 'is not there, or a link to nothing' : 'cannot be read';
    throw new Error(`The policy file ${path} ${why} (${error.code})`, { cause: error.code });
  });
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
