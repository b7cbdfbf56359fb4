import { buildMongoQueryMatcher, type ConditionsMatcher, mongoQueryMatcher } from '@casl/ability';
import type { Condition } from './conditions.ts';
import { toQuery } from './query.ts';
import type { Effect } from './rules.ts';
import { Template, type TemplateName, type TemplateValues } from './templates.ts';

/** The conditions of a compiled rule, with its templates still in them: one for all principals of the same roles. */
export interface RuleConditions {
  readonly effect: Effect;
  readonly where: readonly Condition[];
  readonly templates: readonly TemplateName[];
  /** The scopes within which the rule holds; null is everywhere. */
  readonly reach: readonly string[] | null;
}

/** Whether there is a template the principal has no value for. */
export const isUnbound = ({ templates }: RuleConditions, values: TemplateValues): boolean =>
  templates.some((name) => values[name] === null);

/**
 * Who a decision is being made about. Rules are compiled once and shared; the principal is put here before they are
 * asked. That is safe because deciding is synchronous: nobody else can ask in between.
 */
export class Binding {
  values: TemplateValues;
  readonly matcher: ConditionsMatcher<RuleConditions>;

  constructor(nobody: TemplateValues) {
    this.values = nobody;
    const compare = (a: unknown, b: unknown) => order(this.#resolve(a), this.#resolve(b));
    const bound = buildMongoQueryMatcher({}, {}, { compare });
    this.matcher = (conditions) => {
      const { effect, where, templates, reach } = conditions;
      if (templates.length === 0) return mongoQueryMatcher(toQuery(where, reach, (template) => template));
      const matches = bound(toQuery(where, reach, (template) => template));
      const reaches = mongoQueryMatcher(toQuery([], reach, (template) => template));
      // Without a value there is nothing to compare with: an allow must not grow by it, nor a deny shrink.
      return (object) => {
        if (isUnbound(conditions, this.values)) return effect === 'deny' && reaches(object);
        return matches(object);
      };
    };
  }

  #resolve(value: unknown): unknown {
    return value instanceof Template ? this.values[value.name] : value;
  }
}

/** The order CASL's own matcher uses, so that both decide alike on whatever a record holds. */
function order(a: unknown, b: unknown): -1 | 0 | 1 {
  const left = primitive(a);
  const right = primitive(b);
  if (left === right) return 0;
  return isGreater(left, right) ? 1 : -1;
}

// oxlint-disable-next-line typescript/no-explicit-any -- JavaScript orders any two values, TypeScript does not.
const isGreater = (a: any, b: any): boolean => a > b;

function primitive(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.getTime();
  return 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value;
}
