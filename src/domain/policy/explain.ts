import { type MongoQuery, mongoQueryMatcher } from '@casl/ability';
import type { Decision, SubjectRecord } from '../principals/principal.ts';
import { type Bundle, type Closure, inheritancePath } from './bundle.ts';
import { type Condition, templatesIn } from './conditions.ts';
import type { Need } from './needs.ts';
import { label } from './problems.ts';
import { toQuery } from './query.ts';
import type { CompiledRule } from './compiler.ts';
import { isUnbound } from './matching.ts';
import { typeOf } from './role-set.ts';
import type { Effect } from './rules.ts';
import type { Template, TemplateValues } from './templates.ts';

export interface ExplainedCondition {
  /** The attribute; `scopes` for the scope of the grant, `field` for the fields of the rule. */
  readonly attribute: string;
  readonly operator: string;
  readonly expected: unknown;
  readonly actual: unknown;
  readonly holds: boolean;
  readonly note?: string;
}

export interface ExplainedRule {
  /** `policies/users.yaml:12` */
  readonly rule: string;
  readonly file: string;
  readonly line: number;
  readonly effect: Effect;
  /** The role the rule stands in, and how the granted role came to it. */
  readonly role: string;
  readonly inheritance: readonly string[];
  readonly reason: string | null;
  readonly matches: boolean;
  readonly conditions: readonly ExplainedCondition[];
}

export interface Explanation {
  readonly decision: Decision;
  readonly rule: ExplainedRule | null;
  /** Where nothing allowed it: the allow with the fewest conditions that do not hold. */
  readonly nearestMiss: ExplainedRule | null;
  /**
   * For a denial: all that would have to be different for it to be allowed, and as little as was found. Null when it is
   * allowed, and where no role could allow it.
   */
  readonly needs: readonly Need[] | null;
  /** Where not even a near miss is held: the roles that could allow it. */
  readonly roles: readonly string[];
}

interface Question {
  readonly needs: readonly Need[] | null;
  readonly rules: readonly CompiledRule[];
  readonly principal: TemplateValues;
  readonly bundle: Bundle;
  readonly closure: Closure;
  readonly decision: Decision;
  readonly action: string;
  readonly subject: SubjectRecord;
  readonly field: string | null;
}

export function explain(question: Question): Explanation {
  const { bundle, decision, needs, action, subject } = question;
  const type = typeof subject === 'object' && subject !== null ? typeOf(subject) : '';
  const applicable = question.rules.filter((rule) => rule.action.includes(action) && rule.subject.includes(type));
  // In the order in which CASL asks them.
  const explained = applicable.toReversed().map((rule) => explainRule(rule, question));
  if (decision.rule !== null) {
    return { decision, rule: explained.find(({ matches }) => matches) ?? null, nearestMiss: null, needs, roles: [] };
  }

  const misses = explained.filter(({ effect }) => effect === 'allow').toSorted((a, b) => missing(a) - missing(b));
  const roles = [...bundle.roles.values()].filter(({ rules }) =>
    rules.some(
      ({ effect, targets }) =>
        effect === 'allow' && targets.some((target) => target.subject === type && target.actions.includes(action)),
    ),
  );
  return {
    decision,
    rule: null,
    nearestMiss: misses[0] ?? null,
    needs,
    roles: misses.length === 0 ? roles.map(({ name }) => name) : [],
  };
}

const missing = ({ conditions }: ExplainedRule) => conditions.filter(({ holds }) => !holds).length;

function explainRule(compiled: CompiledRule, { principal, closure, subject, field }: Question): ExplainedRule {
  const { rule, conditions: compiledConditions } = compiled;
  const unbound = compiledConditions !== undefined && isUnbound(compiledConditions, principal);
  const conditions = [
    ...rule.where.map((condition) => explainCondition(condition, subject, principal, rule.effect, unbound)),
    ...explainReach(compiledConditions?.reach ?? null, subject),
    ...explainField(rule.fields, field, rule.effect),
  ];
  const { file, line } = rule.place;
  return {
    rule: label(rule.place),
    file,
    line,
    effect: rule.effect,
    role: rule.role,
    inheritance: inheritancePath(closure, rule.role),
    reason: rule.reason,
    matches: conditions.every(({ holds }) => holds),
    conditions,
  };
}

function explainCondition(
  condition: Condition,
  subject: SubjectRecord,
  principal: TemplateValues,
  effect: Effect,
  unbound: boolean,
): ExplainedCondition {
  const { attribute, operator } = condition;
  const actual = valueOf(subject, attribute);
  const missing = templatesIn([condition]).find(({ name }) => principal[name] === null);
  const resolve = (template: Template) => principal[template.name] ?? template.toString();
  const query = toQuery([condition], null, resolve);
  const expected = Object.values(Object(query[attribute]))[0];
  if (!unbound) return { attribute, operator, expected, actual, holds: holds(query, subject) };

  // One template without a value settles the whole rule, whatever its other conditions say.
  const consequence = effect === 'deny' ? 'the deny matches everything' : 'the allow matches nothing';
  const note =
    missing === undefined ? `not asked: ${consequence}` : `the principal has no ${missing.name}: ${consequence}`;
  return { attribute, operator, expected, actual, holds: effect === 'deny', note };
}

function explainReach(reach: readonly string[] | null, subject: SubjectRecord): readonly ExplainedCondition[] {
  if (reach === null) return [];
  const expected = [...reach];
  const note = 'the scope of the grant';
  const query = toQuery([], reach, (template) => template);
  return [
    {
      attribute: 'scopes',
      operator: 'in',
      expected,
      actual: valueOf(subject, 'scopes'),
      holds: holds(query, subject),
      note,
    },
  ];
}

function explainField(
  fields: readonly string[] | null,
  field: string | null,
  effect: Effect,
): readonly ExplainedCondition[] {
  if (fields === null) return [];
  // Asked about no field in particular, CASL looks for any that is allowed, and passes denied ones over.
  const holds = field === null ? effect === 'allow' : fields.includes(field);
  return [{ attribute: 'field', operator: 'in', expected: [...fields], actual: field, holds }];
}

function holds(query: MongoQuery, subject: SubjectRecord): boolean {
  try {
    return mongoQueryMatcher(query)({ ...subject });
  } catch {
    return false; // such a record is denied as a whole
  }
}

const valueOf = (subject: SubjectRecord, attribute: string): unknown =>
  Object.entries(subject).find(([name]) => name === attribute)?.[1];
