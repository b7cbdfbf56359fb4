import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { checkOutPrevious, NoPrevious } from './previous.ts';

/** Which version `npm run test:versions` takes for the one before. */

let folder: string;
let root: string;
const commits: Record<string, string> = {};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan-previous-'));
  root = join(folder, 'project');
  await mkdir(join(root, 'migrations'), { recursive: true });
  await git(root, 'init', '--quiet', '--initial-branch=main');
  await commit('package-lock.json', 'of now');
  await commit('migrations/0001-first.ts');
  await commit('source.ts', 'one');
  await git(root, 'checkout', '--quiet', '-b', 'work');
  await commit('unfinished.ts');
  await commit('migrations/0002-second.ts');
  await git(root, 'checkout', '--quiet', 'main');
  await commit('source.ts', 'two');
  await git(root, ...AUTHOR, 'merge', '--quiet', '--no-ff', '--no-edit', 'work');
  await commit('source.ts', 'three');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const AUTHOR = ['-c', 'user.name=alice', '-c', 'user.email=alice@example.com', '-c', 'commit.gpgsign=false'];

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)('git', [...args], { cwd })).stdout.trim();
}

async function commit(path: string, text = path): Promise<void> {
  await writeFile(join(root, path), text);
  await git(root, 'add', '.');
  await git(root, ...AUTHOR, 'commit', '--quiet', '-m', text);
  commits[text] = await git(root, 'rev-parse', 'HEAD');
}

test('it is the one that the newest migration was merged into, in a folder that is gone afterwards', async () => {
  const previous = await checkOutPrevious(root, join(folder, 'merged'));
  expect(previous.commit).toBe(commits['two']);
  expect(existsSync(join(previous.folder, 'migrations/0001-first.ts'))).toBe(true);
  expect(existsSync(join(previous.folder, 'migrations/0002-second.ts'))).toBe(false);
  expect(await readlink(join(previous.folder, 'node_modules'))).toBe(join(root, 'node_modules'));
  await previous.remove();
  expect(existsSync(previous.folder)).toBe(false);
  expect((await git(root, 'worktree', 'list')).split('\n')).toHaveLength(1);
});

test('it is the last commit while the newest migration is not committed, or the one that is named', async () => {
  await writeFile(join(root, 'migrations/0003-third.ts'), '');
  const last = await checkOutPrevious(root, join(folder, 'last'));
  await last.remove();
  await rm(join(root, 'migrations/0003-third.ts'));
  const named = await checkOutPrevious(root, join(folder, 'named'), 'work~1');
  await named.remove();
  expect([last.commit, named.commit]).toEqual([commits['three'], commits['unfinished.ts']]);
});

test('where there is none, it says why and what helps', async () => {
  const shallow = join(folder, 'shallow');
  await git(folder, 'clone', '--quiet', '--depth', '1', `file://${root}`, shallow);
  const nowhere = join(folder, 'nowhere');
  await mkdir(join(nowhere, 'migrations'), { recursive: true });
  const into = join(folder, 'none');
  await expect(checkOutPrevious(root, into, 'v9')).rejects.toThrow(
    'There is no version v9 here: PREVIOUS must be a commit, branch or tag that is in this clone',
  );
  await expect(checkOutPrevious(shallow, into)).rejects.toThrow(
    'this clone is shallow, and has it not: git fetch --unshallow',
  );
  await expect(checkOutPrevious(nowhere, into)).rejects.toThrow('this is no clone of it');
  await expect(checkOutPrevious(root, into, '--help')).rejects.toThrow(NoPrevious);
  expect(existsSync(into)).toBe(false);
});
