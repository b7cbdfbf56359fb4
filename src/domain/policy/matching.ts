import { mongoQueryMatcher } from '@casl/ability';
import { type Condition, isSeveral, isTest, type Single, type Test } from './conditions.ts';
import { toQuery } from './query.ts';
import type { Effect } from './rules.ts';
import { Template, type TemplateName, type TemplateValues } from './templates.ts';

/** The conditions of a rule with its templates still in them, for all principals of the same roles. */
export interface RuleConditions {
  readonly effect: Effect;
  readonly where: readonly Condition[];
  readonly templates: readonly TemplateName[];
  /** The scopes within which the rule holds; null is everywhere. */
  readonly reach: readonly string[] | null;
}

export type Attributes = Readonly<Record<string, unknown>>;
/** Asked only of records whose attributes are all plain. */
export type Check = (record: Attributes, principal: TemplateValues) => boolean;
type ValueCheck = (value: unknown, principal: TemplateValues) => boolean;

/** Whether there is a template the principal has no value for. */
export function isUnbound({ templates }: RuleConditions, principal: TemplateValues): boolean {
  for (const name of templates) if (principal[name] === null) return true;
  return false;
}

/**
 * Texts, numbers, booleans, nothing, and lists of these: what a record should hold, and where {@link compile} and CASL
 * agree. Comparing anything else may run its code, or throw.
 */
export function isPlain(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isPlainSingle);
  return isPlainSingle(value);
}

const isPlainSingle = (value: unknown) =>
  value === null || (typeof value !== 'object' && typeof value !== 'symbol' && typeof value !== 'function');

/** What CASL itself says, of any record whatsoever. Slow. */
export function matchesInCasl(conditions: RuleConditions, record: Attributes, principal: TemplateValues): boolean {
  const { effect, where, reach } = conditions;
  const unbound = isUnbound(conditions, principal);
  if (unbound && effect === 'allow') return false;
  const query = toQuery(unbound ? [] : where, reach, ({ name }) => principal[name]);
  return mongoQueryMatcher(query)(record);
}

/** The same for plain records, at a fraction of the cost. */
export function compile({ effect, where, templates, reach }: RuleConditions): Check {
  const reaches = reach === null ? null : valueCheck({ operator: 'in', operand: reach });
  const inReach: Check = (record, principal) => reaches === null || reaches(record['scopes'], principal);
  const checks = [...where.map(conditionCheck), ...(reaches === null ? [] : [inReach])];
  const all = conjunction(checks);
  const [only, ...others] = templates;
  if (only === undefined) return all;

  // Without a value there is nothing to compare with: an allow must not grow by it, nor a deny shrink.
  const without: Check = effect === 'deny' ? inReach : () => false;
  if (others.length === 0) {
    return (record, principal) => (principal[only] === null ? without(record, principal) : all(record, principal));
  }
  return (record, principal) =>
    templates.some((name) => principal[name] === null) ? without(record, principal) : all(record, principal);
}

function conjunction(checks: readonly Check[]): Check {
  const [first, second] = checks;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (checks.length === 2) return (record, principal) => first(record, principal) && second(record, principal);
  return (record, principal) => {
    for (const check of checks) if (!check(record, principal)) return false;
    return true;
  };
}

/** Null and presence are asked of the record: to CASL what is undefined is there, and is not null. */
function conditionCheck(condition: Condition): Check {
  const { attribute, operator, operand } = condition;
  if (operator === 'exists') return (record) => Object.hasOwn(record, attribute) === operand;
  if (operand === null) {
    const isNull = (record: Attributes) => {
      const value = record[attribute];
      return value === null || !Object.hasOwn(record, attribute) || (Array.isArray(value) && value.includes(null));
    };
    return operator === 'eq' ? isNull : (record) => !isNull(record);
  }
  const check = valueCheck(condition);
  return (record, principal) => check(record[attribute], principal);
}

function valueCheck(test: Test): ValueCheck {
  const { operator, operand } = test;
  if (operator === 'ne') return negated(valueCheck({ operator: 'eq', operand }));
  if (operator === 'nin') return negated(valueCheck({ operator: 'in', operand }));
  if (operator === 'eq' && !isSeveral(operand)) return equality(operand);
  if (operator === 'in' && isSeveral(operand)) return membership(singles(operand));
  if (operator === 'size') return (value) => Array.isArray(value) && value.length === operand;
  if (operator === 'all' && isSeveral(operand)) {
    const required = singles(operand);
    return (value, principal) =>
      Array.isArray(value) && required.every((single) => value.includes(resolved(single, principal)));
  }
  if (operator === 'elemMatch' && isSeveral(operand)) {
    const checks = operand.filter(isTest).map(valueCheck);
    return (value, principal) =>
      Array.isArray(value) && value.some((item) => checks.every((check) => check(item, principal)));
  }
  return order(test);
}

const negated =
  (check: ValueCheck): ValueCheck =>
  (value, principal) =>
    !check(value, principal);

const resolved = (single: Single, principal: TemplateValues) =>
  single instanceof Template ? principal[single.name] : single;

const singles = (operand: readonly (Single | Test)[]): readonly Single[] =>
  operand.filter((item): item is Single => !isTest(item));

/** A list equals whatever it contains. */
function equality(operand: Single): ValueCheck {
  if (operand instanceof Template) {
    const { name } = operand;
    return (value, principal) => value === principal[name] || (Array.isArray(value) && value.includes(principal[name]));
  }
  return (value) => value === operand || (Array.isArray(value) && value.includes(operand));
}

function membership(operands: readonly Single[]): ValueCheck {
  const templates = operands.filter((single) => single instanceof Template).map(({ name }) => name);
  const literals = new Set<unknown>(operands.filter((single) => !(single instanceof Template)));
  const isAmong: ValueCheck = (value, principal) =>
    literals.has(value) || templates.some((name) => principal[name] === value);
  return (value, principal) =>
    Array.isArray(value) ? value.some((item) => isAmong(item, principal)) : isAmong(value, principal);
}

function order({ operator, operand }: Test): ValueCheck {
  const compares = (value: unknown) => isInOrder(value, operator, operand);
  return (value) => (Array.isArray(value) ? value.some(compares) : compares(value));
}

/** As in CASL: what is neither the same nor greater is less, nothing included. */
export function isInOrder(value: unknown, operator: Test['operator'], operand: unknown): boolean {
  if (value === operand) return operator === 'gte' || operator === 'lte';
  // JavaScript orders any two values, TypeScript only numbers.
  const isGreater = (value as number) > (operand as number);
  return isGreater === (operator === 'gt' || operator === 'gte');
}
