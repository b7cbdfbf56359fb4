import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Bundle } from '../domain/policy/bundle.ts';
import { runCases } from '../domain/policy/cases.ts';
import { parseBundle, type PolicyFile } from '../domain/policy/parse.ts';
import { PolicyError, type PolicyProblem } from '../domain/policy/problems.ts';
import { readPolicyFiles } from '../drivers/files/policies.ts';
import { Misuse, type Report } from './report.ts';

/** `castellan policy check`: can these files be put in force? */
export async function checkPolicy(folder: string): Promise<Report> {
  const files = await filesOf(folder);
  return reportProblems(() => {
    const { version, roles, subjects, warnings } = parseBundle(files);
    const rules = [...roles.values()].reduce((sum, role) => sum + role.rules.length, 0);
    const counts = { files: files.length, subjects: subjects.size, roles: roles.size, rules };
    const summary = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
    return {
      ok: true,
      lines: [...told(warnings, 'warning: '), `${summary.join(', ')}: no problems. Policy version ${version}.`],
      facts: { policyVersion: version, ...counts, warnings, problems: [] },
    };
  });
}

/** `castellan policy test`: do they decide as their decision tables say, and does every rule decide something? */
export async function testPolicy(folder: string): Promise<Report> {
  const files = await filesOf(folder);
  const caseFiles = await caseFilesOf(folder);
  return reportProblems(() => reportCases(parseBundle(files), caseFiles));
}

function reportCases(bundle: Bundle, caseFiles: readonly PolicyFile[]): Report {
  const { passed, asked, failures, untried } = runCases(bundle, caseFiles);
  const counts = `${asked} asked, ${failures.length} answered otherwise, ${untried.length} rules decide no case`;
  return {
    ok: passed,
    lines: [...told(failures), ...told(untried), `${caseFiles.length} files of cases: ${counts}.`],
    facts: { policyVersion: bundle.version, asked, failures, untried, problems: [] },
  };
}

function reportProblems(report: () => Report): Report {
  try {
    return report();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const { problems, message } = error;
    return { ok: false, lines: [message, count(problems.length, 'problem')], facts: { problems } };
  }
}

async function filesOf(folder: string): Promise<readonly PolicyFile[]> {
  if (!(await isFolder(folder))) throw new Misuse(`there is no folder ${resolve(folder)}`);
  const files = await readPolicyFiles(folder);
  if (files.length === 0) throw new Misuse(`there are no .yaml files in ${resolve(folder)}`);
  return files;
}

/** Without any the rules are untried, and the report says so. */
async function caseFilesOf(folder: string): Promise<readonly PolicyFile[]> {
  const cases = join(folder, 'cases');
  if (!(await isFolder(cases))) return [];
  const files = await readPolicyFiles(cases);
  return files.map(({ path, text }) => ({ path: `${basename(resolve(folder))}/${path}`, text }));
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** As `file:line:column message (hint)`, which editors follow. */
function told(problems: readonly PolicyProblem[], prefix = ''): readonly string[] {
  return problems.map((problem) => `${prefix}${new PolicyError([problem]).message}`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}.`;
}
