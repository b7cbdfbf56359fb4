import type { Bundle } from './bundle.ts';
import { parseCases, type PolicyCase } from './case-files.ts';
import type { PolicyFile } from './document.ts';
import { Engine } from './engine.ts';
import { label, PolicyError, type PolicyProblem, Problems, PROBLEMS_MAX } from './problems.ts';
import type { Rule } from './rules.ts';

export interface CaseReport {
  /** Nothing failed and every rule decided something. */
  readonly passed: boolean;
  /** Questions that were asked. */
  readonly asked: number;
  readonly failures: readonly PolicyProblem[];
  /** Rules that decide no case: nobody would notice if they changed. */
  readonly untried: readonly PolicyProblem[];
}

/**
 * Asks a bundle everything its decision tables ask.
 * @throws {PolicyError} when a table cannot be used, with every problem of every table
 */
export function runCases(bundle: Bundle, files: readonly PolicyFile[]): CaseReport {
  const problems = new Problems(PROBLEMS_MAX);
  const cases = files.flatMap((file) => parseCases(file, bundle, problems));
  problems.raise();

  const engine = new Engine(bundle);
  const failures = new Problems();
  const tried = new Set<Rule>();
  let asked = 0;
  for (const each of cases) asked += ask(each, engine, tried, failures);

  const untried = new Problems();
  for (const rule of [...bundle.roles.values()].flatMap(({ rules }) => rules)) {
    if (!tried.has(rule)) untried.add(rule.place, `this rule of the role ${rule.role} decides no case`);
  }
  const passed = failures.list.length === 0 && untried.list.length === 0;
  return { passed, asked, failures: failures.list, untried: untried.list };
}

/** @throws {PolicyError} when a table cannot be used, or a case is answered otherwise than it says */
export function demandCases(bundle: Bundle, files: readonly PolicyFile[]): void {
  const { failures } = runCases(bundle, files);
  if (failures.length > 0) throw new PolicyError(failures);
}

function ask(each: PolicyCase, engine: Engine, tried: Set<Rule>, failures: Problems): number {
  const { place, principal, actions, subject, fields, expect } = each;
  const ability = engine.ability(principal.facts, principal.grants);
  for (const action of actions) {
    for (const field of fields) {
      const decision = engine.decide(ability, action, subject, field);
      const rule = engine.ruleOf(decision);
      if (rule !== null) tried.add(rule);
      if (decision.allowed === (expect === 'allow')) continue;
      const what = field === undefined ? action : `${action} ${field}`;
      const by = rule === null ? decision.reason : `${decision.reason} ${label(rule.place)}`;
      failures.add(
        place,
        `${principal.facts.id} is ${decision.allowed ? 'allowed' : 'denied'} ${what} of ${subject.id}, and should not be`,
        by,
      );
    }
  }
  return actions.length * fields.length;
}
