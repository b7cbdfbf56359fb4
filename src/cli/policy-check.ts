import type { PolicyFile } from '../domain/policy/parse.ts';
import { parseBundle } from '../domain/policy/parse.ts';
import { demandUtf8, filesOf, reportProblems, told } from './policy-folder.ts';
import { count } from './policy-text.ts';
import type { Report } from './report.ts';

/** `castellan policy check`: can these files be put in force? */
export async function checkPolicy(folder: string): Promise<Report> {
  return checkFiles(await filesOf(folder));
}

export function checkFiles(files: readonly PolicyFile[]): Promise<Report> {
  return reportProblems(() => {
    const { version, roles, subjects, warnings } = parseBundle(demandUtf8(files));
    const rules = [...roles.values()].reduce((sum, role) => sum + role.rules.length, 0);
    const counts = { files: files.length, subjects: subjects.size, roles: roles.size, rules };
    const summary = Object.entries(counts).map(([what, number]) => count(number, what.slice(0, -1)));
    return {
      ok: true,
      lines: [...told(warnings, 'warning: '), `${summary.join(', ')}: no problems. Policy version ${version}.`],
      facts: { policyVersion: version, ...counts, warnings, problems: [] },
    };
  });
}
