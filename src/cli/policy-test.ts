import { runCases } from '../domain/policy/cases.ts';
import { readCaseFiles } from '../drivers/files/policies.ts';
import { bundleOf, demandUtf8, reportProblems, told } from './policy-folder.ts';
import { count, wrap } from './policy-text.ts';
import type { Report } from './report.ts';

/** `castellan policy test`: do they decide as their decision tables say, and does every rule decide something? */
export function testPolicy(folder: string): Promise<Report> {
  return reportProblems(async () => {
    const bundle = await bundleOf(folder);
    const caseFiles = demandUtf8(await readCaseFiles(folder));
    const { passed, asked, failures, untried } = runCases(bundle, caseFiles);
    const counts = `${asked} asked, ${failures.length} answered otherwise, ${count(untried.length, 'rule')} ${untried.length === 1 ? 'decides' : 'decide'} no case`;
    const advice = caseFiles.length === 0 ? wrap(`There are no cases: write some into ${folder}/cases/*.yaml.`) : [];
    return {
      ok: passed,
      lines: [
        ...told(failures),
        ...told(untried),
        ...advice,
        `${count(caseFiles.length, 'file')} of cases: ${counts}.`,
      ],
      facts: { policyVersion: bundle.version, asked, failures, untried, problems: [] },
    };
  });
}
