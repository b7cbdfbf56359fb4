import { execFile } from 'node:child_process';
import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const OUTPUT_MAX = 64 * 1024 * 1024;
const INSTALL_MS = 600_000;

/** The version before this one, as it was committed. */
export interface Previous {
  readonly commit: string;
  /** A folder of its own that has it, with what it depends on. */
  readonly folder: string;
  remove(): Promise<void>;
}

/** That there is none to be had, and what helps. */
export class NoPrevious extends Error {
  override readonly name = 'NoPrevious';
}

/**
 * Checks the version before this one out into a folder that is not there yet. Throws {@link NoPrevious}.
 *
 * @param root where this version is
 * @param ref which one it is; without it, the one that the newest migration was added to
 */
export async function checkOutPrevious(root: string, folder: string, ref?: string): Promise<Previous> {
  const commit = await (ref === undefined ? commitBeforeNewestMigration(root) : commitOf(root, ref));
  // A run that was killed may have left its place in git's list, though not its folder.
  await git(root, 'worktree', 'add', '--quiet', '--force', '--detach', folder, commit);
  const remove = async (): Promise<void> => {
    await git(root, 'worktree', 'remove', '--force', folder);
  };
  try {
    await provideDependencies(root, folder);
    return { commit, folder, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function commitBeforeNewestMigration(root: string): Promise<string> {
  const head = await commitOf(root, 'HEAD');
  const newest = (await readdir(join(root, 'migrations')))
    .filter((name) => name.endsWith('.ts'))
    .toSorted()
    .at(-1);
  const path = `migrations/${newest}`;
  // Along first parents: what was merged with it was never a version by itself.
  const added = await git(root, 'log', '--first-parent', '-m', '--diff-filter=A', '--format=%H', '-1', '--', path);
  // It is of nobody's version yet.
  if (added === '') return head;
  return commitOf(root, `${added}^`);
}

async function commitOf(root: string, ref: string): Promise<string> {
  try {
    return await git(root, 'rev-parse', '--quiet', '--verify', '--end-of-options', `${ref}^{commit}`);
  } catch (error) {
    const isShallow = await git(root, 'rev-parse', '--is-shallow-repository').catch(() => null);
    if (isShallow === null) {
      throw new NoPrevious('The version before this one is taken from git, and this is no clone of it.', {
        cause: error,
      });
    }
    const help =
      isShallow === 'true'
        ? 'this clone is shallow, and has it not: git fetch --unshallow'
        : 'PREVIOUS must be a commit, branch or tag that is in this clone (git fetch --tags)';
    throw new NoPrevious(`There is no version ${ref} here: ${help}.`, { cause: error });
  }
}

/** Those of this checkout, where they are the same. */
async function provideDependencies(root: string, folder: string): Promise<void> {
  const [own, its] = await Promise.all(
    [root, folder].map((each) => readFile(join(each, 'package-lock.json'), 'utf8').catch(() => null)),
  );
  if (own === its) return symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, timeout: INSTALL_MS, maxBuffer: OUTPUT_MAX });
}

async function git(root: string, ...args: readonly string[]): Promise<string> {
  return (await run('git', [...args], { cwd: root, maxBuffer: OUTPUT_MAX })).stdout.trim();
}
