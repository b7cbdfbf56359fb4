import type { CompiledRule } from './compiler.ts';
import { isSeveral, isTest, type Single, type Test } from './conditions.ts';
import { ALL, and, ELEMENT, type Filter, type FilterValue, NONE, not, or } from './filter.ts';
import { isUnbound } from './matching.ts';
import { Template, type TemplateValues } from './templates.ts';

/**
 * What is true of exactly the records that these rules allow to this principal, each as a decision about it would say:
 * whatever an allow says and no deny does. Without a field, of those of which it allows any field.
 *
 * @param rules all rules about one action on one type of subject
 */
export function filterOf(rules: readonly CompiledRule[], principal: TemplateValues, field: string | undefined): Filter {
  const speaking = rules.filter((rule) => rule.speaksOf(field));
  const denied = or(speaking.filter(({ inverted }) => inverted).map((rule) => ruleFilter(rule, principal)));
  const allowed = or(speaking.filter(({ inverted }) => !inverted).map((rule) => ruleFilter(rule, principal)));
  return and([allowed, not(denied)]);
}

function ruleFilter({ conditions }: CompiledRule, principal: TemplateValues): Filter {
  if (conditions === undefined) return ALL;
  const { effect, where, reach } = conditions;
  // Without a value there is nothing to compare with: an allow must not grow by it, nor a deny shrink.
  const unbound = isUnbound(conditions, principal);
  if (unbound && effect === 'allow') return NONE;
  const tests = unbound ? [] : where.map((condition) => testFilter(condition.attribute, condition, principal));
  const within: readonly Filter[] = reach === null ? [] : [{ kind: 'among', attribute: 'scopes', values: reach }];
  return and([...tests, ...within]);
}

function testFilter(attribute: string, { operator, operand }: Test, principal: TemplateValues): Filter {
  if (operator === 'ne') return not(testFilter(attribute, { operator: 'eq', operand }, principal));
  if (operator === 'nin') return not(testFilter(attribute, { operator: 'in', operand }, principal));
  if (operator === 'exists') {
    return operand === true ? { kind: 'present', attribute } : not({ kind: 'present', attribute });
  }
  if (isSeveral(operand)) {
    if (operator === 'in') return { kind: 'among', attribute, values: valuesOf(operand, principal) };
    if (operator === 'all') return { kind: 'contains', attribute, values: valuesOf(operand, principal) };
    if (operator === 'elemMatch') {
      const filter = and(operand.filter(isTest).map((test) => testFilter(ELEMENT, test, principal)));
      return { kind: 'some', attribute, filter };
    }
    throw inexpressible(operator, 'a list');
  }
  const value = valueOf(operand, principal);
  if (operator === 'eq') return { kind: 'equals', attribute, value };
  if (operator === 'size' && typeof value === 'number') return { kind: 'size', attribute, size: value };
  if (value === null || operator === 'size' || operator === 'in' || operator === 'all' || operator === 'elemMatch') {
    throw inexpressible(operator, String(value));
  }
  return { kind: 'order', attribute, operator, value };
}

const valueOf = (single: Single, principal: TemplateValues): FilterValue | null =>
  single instanceof Template ? principal[single.name] : single;

function valuesOf(operand: readonly (Single | Test)[], principal: TemplateValues): readonly FilterValue[] {
  return operand.map((item) => {
    const value = isTest(item) ? null : valueOf(item, principal);
    if (value === null) throw inexpressible('a list of values', 'null');
    return value;
  });
}

/** No policy that was read says it. */
const inexpressible = (operator: string, operand: string) => new TypeError(`${operator} does not go with ${operand}`);
