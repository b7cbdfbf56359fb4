import type { Decision } from '../principals/principal.ts';
import { type Bundle, roleClosure } from './bundle.ts';
import { templatesIn } from './conditions.ts';
import { isEverywhere } from './everywhere.ts';
import { type Attributes, type Check, compile, matchesInCasl, type RuleConditions } from './matching.ts';
import type { Effect, Rule } from './rules.ts';
import type { TemplateValues } from './templates.ts';

export interface GrantFacts {
  readonly role: string;
  /** A path, `acme/platform`: holds there and below. Null is everywhere. */
  readonly scope: string | null;
  /** Only what the role denies holds. */
  readonly dormant?: boolean;
}

/** One CASL rule, templates still in it. */
export class CompiledRule {
  readonly action: readonly string[];
  readonly subject: readonly string[];
  readonly inverted: boolean;
  readonly fields: readonly string[] | undefined;
  readonly conditions: RuleConditions | undefined;
  readonly rule: Rule;
  readonly decision: Decision;
  readonly #check: Check | undefined;

  constructor(parts: {
    action: readonly string[];
    subject: readonly string[];
    conditions: RuleConditions | undefined;
    rule: Rule;
    decision: Decision;
  }) {
    this.action = parts.action;
    this.subject = parts.subject;
    this.inverted = parts.rule.effect === 'deny';
    this.fields = parts.rule.fields ?? undefined;
    this.conditions = parts.conditions;
    this.rule = parts.rule;
    this.decision = parts.decision;
    this.#check = parts.conditions === undefined ? undefined : compile(parts.conditions);
  }

  /** Asked about no field in particular, CASL looks for any that is allowed, and passes denied ones over. */
  speaksOf(field: string | undefined): boolean {
    if (this.fields === undefined) return true;
    return field === undefined ? !this.inverted : this.fields.includes(field);
  }

  /** For records whose attributes are plain. */
  applies(record: Attributes, principal: TemplateValues, field: string | undefined): boolean {
    return this.speaksOf(field) && (this.#check === undefined || this.#check(record, principal));
  }

  /** For all others. */
  appliesInCasl(record: Attributes, principal: TemplateValues, field: string | undefined): boolean {
    return this.speaksOf(field) && (this.conditions === undefined || matchesInCasl(this.conditions, record, principal));
  }
}

/** Turns the rules of roles into those of whoever holds them. */
export class Compiler {
  readonly bundle: Bundle;
  readonly #decisions: ReadonlyMap<Rule, Decision>;
  /** Rules that hold everywhere are the same for all who hold them. */
  readonly #unbounded = new Map<Rule, readonly CompiledRule[]>();

  constructor(bundle: Bundle, decisions: ReadonlyMap<Rule, Decision>) {
    this.bundle = bundle;
    this.#decisions = decisions;
  }

  /** Later ones go first. Denies are last, so that none is overruled by an allow. */
  compile(grants: readonly GrantFacts[]): readonly CompiledRule[] {
    const awake = grants.filter(({ dormant }) => dormant !== true);
    const rules =
      awake.length === grants.length
        ? this.#rulesOf(grants)
        : [...this.#rulesOf(awake, 'allow'), ...this.#rulesOf(grants, 'deny')];
    return rules.toSorted(byPrecedence);
  }

  #rulesOf(grants: readonly GrantFacts[], effect?: Effect): readonly CompiledRule[] {
    return [...this.#reaches(grants)].flatMap(([name, reach]) =>
      (this.bundle.roles.get(name)?.rules ?? [])
        .filter((rule) => effect === undefined || rule.effect === effect)
        .flatMap((rule) => this.#rule(rule, reach)),
    );
  }

  /** Where each role holds: the scopes of all grants that bring it, or null as soon as one of them is for everywhere. */
  #reaches(grants: readonly GrantFacts[]): ReadonlyMap<string, readonly string[] | null> {
    const reaches = new Map<string, string[] | null>();
    for (const { role, scope } of grants) {
      for (const name of roleClosure(this.bundle, [role]).keys()) {
        const reach = reaches.get(name);
        if (scope === null) reaches.set(name, null);
        else if (reach === undefined) reaches.set(name, [scope]);
        else if (reach !== null && !reach.includes(scope)) reach.push(scope);
      }
    }
    return reaches;
  }

  #rule(rule: Rule, granted: readonly string[] | null): readonly CompiledRule[] {
    const { effect, within, targets } = rule;
    const bounded =
      granted !== null &&
      ((within === 'grant' && targets.some(({ subject }) => this.#isScoped(subject))) ||
        (effect === 'allow' &&
          targets.some(({ subject, actions }) => actions.some((each) => isEverywhere(each, subject)))));
    if (bounded) return this.#compileRule(rule, granted);
    const known = this.#unbounded.get(rule);
    if (known !== undefined) return known;
    const compiled = this.#compileRule(rule, null);
    this.#unbounded.set(rule, compiled);
    return compiled;
  }

  #isScoped(subject: string): boolean {
    return this.bundle.subjects.get(subject)?.scoped === true;
  }

  /** One CASL rule for each way the rule is bound and each choice of actions among its subjects. */
  #compileRule(rule: Rule, granted: readonly string[] | null): readonly CompiledRule[] {
    const decision = this.#decisions.get(rule);
    if (decision === undefined) return [];
    const groups = new Map<string, { action: readonly string[]; subject: string[]; reach: readonly string[] | null }>();
    for (const { subject, actions } of rule.targets) {
      const isHere = granted === null || rule.effect === 'deny';
      const action = isHere ? actions : actions.filter((each) => !isEverywhere(each, subject));
      if (action.length === 0) continue;
      const reach = rule.within === 'grant' && this.#isScoped(subject) ? granted : null;
      const key = JSON.stringify([reach !== null, action]);
      const group = groups.get(key) ?? { action, subject: [], reach };
      group.subject.push(subject);
      groups.set(key, group);
    }
    const { effect, where } = rule;
    const templates = [...new Set(templatesIn(where).map(({ name }) => name))];
    return [...groups.values()].map(({ action, subject, reach }) => {
      const conditions = where.length > 0 || reach !== null ? { effect, where, templates, reach } : undefined;
      return new CompiledRule({ action, subject, conditions, rule, decision });
    });
  }
}

/** Denies last; before them, what costs nothing to check; among equals the first in the files decides. */
const byPrecedence = (a: CompiledRule, b: CompiledRule) =>
  Number(a.inverted) - Number(b.inverted) ||
  Number(a.conditions === undefined) - Number(b.conditions === undefined) ||
  compareText(b.rule.place.file, a.rule.place.file) ||
  b.rule.place.line - a.rule.place.line ||
  b.rule.place.column - a.rule.place.column;

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));
