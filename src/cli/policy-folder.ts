import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Bundle } from '../domain/policy/bundle.ts';
import { parseBundle, type PolicyFile } from '../domain/policy/parse.ts';
import { PolicyError, type PolicyProblem } from '../domain/policy/problems.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { count, wrap } from './policy-text.ts';
import { Misuse, type Report } from './report.ts';

/** The policy files of a folder that must have some. */
export async function filesOf(folder: string): Promise<readonly PolicyFile[]> {
  if (!(await isFolder(folder))) throw new Misuse(`there is no folder ${resolve(folder)}`);
  const files = await readPolicyFiles(folder);
  if (files.length === 0) throw new Misuse(`there are no .yaml files in ${resolve(folder)}`);
  return files;
}

export async function bundleOf(folder: string): Promise<Bundle> {
  return parseBundle(await filesOf(folder));
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
