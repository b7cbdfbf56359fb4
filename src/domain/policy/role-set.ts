import {
  Ability as CaslAbility,
  type AbilityTuple,
  fieldPatternMatcher,
  type MongoQuery,
  type RawRule,
} from '@casl/ability';
import { type Binding, isUnbound, type RuleConditions } from './binding.ts';
import { type Bundle, roleClosure } from './bundle.ts';
import { templatesIn } from './conditions.ts';
import type { Decision } from '../principals/principal.ts';
import { toQuery } from './query.ts';
import type { Rule } from './rules.ts';
import type { Template, TemplateValues } from './templates.ts';

export interface GrantFacts {
  readonly role: string;
  /** A path, `acme/platform`: holds there and below. Null is everywhere. */
  readonly scope: string | null;
}

export interface CompiledRule {
  readonly action: string[];
  readonly subject: string[];
  readonly inverted: boolean;
  readonly fields?: string[];
  readonly conditions?: RuleConditions;
  readonly rule: Rule;
  readonly decision: Decision;
}

export type PlainRule = RawRule<[string, string], MongoQuery>;

/** What certain grants amount to, compiled once for everybody who holds them. */
export class RoleSet {
  readonly grants: readonly GrantFacts[];
  readonly binding: Binding;
  /** Later ones go first. Denies are last, so that none is overruled by an allow. */
  readonly rules: readonly CompiledRule[];
  readonly index: CaslAbility<AbilityTuple, RuleConditions>;

  constructor(bundle: Bundle, grants: readonly GrantFacts[], decisions: ReadonlyMap<Rule, Decision>, binding: Binding) {
    this.grants = grants;
    this.binding = binding;
    this.rules = compile(bundle, grants, decisions);
    this.index = new CaslAbility<AbilityTuple, RuleConditions>([...this.rules], {
      conditionsMatcher: binding.matcher,
      fieldMatcher: fieldPatternMatcher,
      detectSubjectType: typeOf,
    });
  }

  /** The rules with the principal written into them: plain CASL, for front ends and database filters. */
  plainRules(values: TemplateValues): PlainRule[] {
    return this.rules.flatMap(({ action, subject, inverted, fields, conditions, rule }) => {
      const unbound = conditions !== undefined && isUnbound(conditions, values);
      if (unbound && !inverted) return [];
      const where = unbound ? [] : (conditions?.where ?? []);
      const query = toQuery(where, conditions?.reach ?? null, (template: Template) => values[template.name]);
      return {
        action,
        subject,
        inverted,
        ...(fields !== undefined && { fields }),
        ...(Object.keys(query).length > 0 && { conditions: query }),
        ...(rule.reason !== null && { reason: rule.reason }),
      };
    });
  }
}

/** The type the server gave the record. Anything else CASL would go by, a client could have sent. */
export function typeOf(subject: object): string {
  const { __typename: type }: { __typename?: unknown } = subject;
  return typeof type === 'string' ? type : '';
}

function compile(
  bundle: Bundle,
  grants: readonly GrantFacts[],
  decisions: ReadonlyMap<Rule, Decision>,
): readonly CompiledRule[] {
  return [...reachOf(bundle, grants)]
    .flatMap(([name, reach]) =>
      (bundle.roles.get(name)?.rules ?? []).flatMap((rule) => {
        const decision = decisions.get(rule);
        return decision === undefined ? [] : compileRule(rule, reach, decision, bundle);
      }),
    )
    .toSorted(byPrecedence);
}

/** Where each role holds: the scopes of all grants that bring it, or null as soon as one of them is for everywhere. */
function reachOf(bundle: Bundle, grants: readonly GrantFacts[]): ReadonlyMap<string, readonly string[] | null> {
  const reaches = new Map<string, string[] | null>();
  for (const { role, scope } of grants) {
    for (const name of roleClosure(bundle, [role]).keys()) {
      const reach = reaches.get(name);
      if (scope === null) reaches.set(name, null);
      else if (reach === undefined) reaches.set(name, [scope]);
      else if (reach !== null && !reach.includes(scope)) reach.push(scope);
    }
  }
  return reaches;
}

/** One CASL rule for each way the rule is bound and each choice of actions among its subjects. */
function compileRule(
  rule: Rule,
  granted: readonly string[] | null,
  decision: Decision,
  bundle: Bundle,
): readonly CompiledRule[] {
  const groups = new Map<string, { action: string[]; subject: string[]; reach: readonly string[] | null }>();
  for (const { subject, actions } of rule.targets) {
    const bound = rule.within === 'grant' && bundle.subjects.get(subject)?.scoped === true;
    const reach = bound ? granted : null;
    const key = JSON.stringify([reach !== null, actions]);
    const group = groups.get(key) ?? { action: [...actions], subject: [], reach };
    group.subject.push(subject);
    groups.set(key, group);
  }
  const templates = [...new Set(templatesIn(rule.where).map(({ name }) => name))];
  return [...groups.values()].map(({ action, subject, reach }) => ({
    action,
    subject,
    inverted: rule.effect === 'deny',
    ...(rule.fields !== null && { fields: [...rule.fields] }),
    ...((rule.where.length > 0 || reach !== null) && {
      conditions: { effect: rule.effect, where: rule.where, templates, reach },
    }),
    rule,
    decision,
  }));
}

/** Denies last; before them, what costs nothing to check; among equals the first in the files decides. */
const byPrecedence = (a: CompiledRule, b: CompiledRule) =>
  Number(a.inverted) - Number(b.inverted) ||
  Number(a.conditions === undefined) - Number(b.conditions === undefined) ||
  compareText(b.rule.place.file, a.rule.place.file) ||
  b.rule.place.line - a.rule.place.line ||
  b.rule.place.column - a.rule.place.column;

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));
