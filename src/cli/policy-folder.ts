import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Bundle } from '../domain/policy/bundle.ts';
import { parseBundle, type PolicyFile } from '../domain/policy/parse.ts';
import { PolicyError, type PolicyProblem, Problems } from '../domain/policy/problems.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { count, wrap } from './policy-text.ts';
import { Misuse, type Report } from './report.ts';

/** What stands for bytes that are no UTF-8. */
const LOST = '\uFFFD';

/** The policy files of a folder that must have some. */
export async function filesOf(folder: string): Promise<readonly PolicyFile[]> {
  if (!(await isFolder(folder))) throw new Misuse(`there is no folder ${resolve(folder)}`);
  const files = await readPolicyFiles(folder);
  if (files.length === 0) throw new Misuse(`there are no .yaml files in ${resolve(folder)}`);
  return files;
}

export async function bundleOf(folder: string): Promise<Bundle> {
  return parseBundle(demandUtf8(await filesOf(folder)));
}

/**
 * The same files. Of one that is not in UTF-8 some characters are lost, and a rule that compares with them would not hold.
 * @throws {PolicyError} with the first such place of each
 */
export function demandUtf8(files: readonly PolicyFile[]): readonly PolicyFile[] {
  const problems = new Problems();
  for (const { path, text } of files) {
    const at = text.indexOf(LOST);
    if (at < 0) continue;
    const before = text.slice(0, at).split('\n');
    const place = { file: path, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    problems.add(place, 'this file is not in UTF-8', 'save it as UTF-8');
  }
  problems.raise();
  return files;
}

/** The report, or the one of the problems that the policy files have. */
export async function reportProblems(report: () => Report | Promise<Report>): Promise<Report> {
  try {
    return await report();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const { problems } = error;
    return { ok: false, lines: [...told(problems), `${count(problems.length, 'problem')}.`], facts: { problems } };
  }
}

/** As `file:line:column message (hint)`, which editors follow. */
export function told(problems: readonly PolicyProblem[], prefix = ''): readonly string[] {
  return problems.flatMap((problem) => wrap(`${prefix}${new PolicyError([problem]).message}`));
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
