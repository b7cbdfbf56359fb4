import type { Bundle } from './bundle.ts';
import { demandCases } from './cases.ts';
import { type Condition, isSeveral, type Single, type Test } from './conditions.ts';
import type { PolicyFile } from './document.ts';
import { parseBundle } from './parse.ts';
import type { ParseCache } from './parse-cache.ts';
import { PolicyError, type PolicyProblem } from './problems.ts';
import { Template } from './templates.ts';

/** Files that somebody wants in force, and decision tables that they must answer as they say. */
export interface Proposal {
  readonly files: readonly PolicyFile[];
  readonly cases: readonly PolicyFile[];
}

/** What they come to as plain data, or every problem of the first of the two that has any. */
export type Checked =
  | { readonly bundle: Bundle }
  | { readonly wrong: keyof Proposal; readonly problems: readonly PolicyProblem[] };

export function checked({ files, cases }: Proposal, cache: ParseCache): Checked {
  let wrong: keyof Proposal = 'files';
  try {
    const bundle = parseBundle(files, cache);
    wrong = 'cases';
    demandCases(bundle, cases);
    return { bundle };
  } catch (error) {
    if (error instanceof PolicyError) return { wrong, problems: error.problems };
    throw error;
  }
}

/** The bundle again, of a copy that came from another thread: templates have lost their class. */
export function revived(copy: Bundle): Bundle {
  const roles = [...copy.roles].map(([name, role]) => {
    const rules = role.rules.map((rule) => ({ ...rule, where: rule.where.map(revivedTest<Condition>) }));
    return [name, { ...role, rules }] as const;
  });
  return { ...copy, roles: new Map(roles) };
}

function revivedTest<T extends Test>(test: T): T {
  const { operand } = test;
  return { ...test, operand: isSeveral(operand) ? operand.map(revivedItem) : revivedSingle(operand) };
}

function revivedItem(item: Single | Test): Single | Test {
  return isTestCopy(item) ? revivedTest(item) : revivedSingle(item);
}

function isTestCopy(item: Single | Test): item is Test {
  return typeof item === 'object' && item !== null && 'operator' in item;
}

function revivedSingle(single: Single): Single {
  return typeof single === 'object' && single !== null ? new Template(single.name) : single;
}
