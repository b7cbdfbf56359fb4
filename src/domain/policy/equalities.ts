import type { CompiledRule } from './compiler.ts';
import { isSeveral, type Single, type Test } from './conditions.ts';
import { Template, type TemplateName } from './templates.ts';

export interface Equality {
  readonly attribute: string;
  /** One of these is demanded. Templates are one object for each name. */
  readonly values: readonly unknown[];
}

/** What a record must equal, or the rule does not apply. `unbound`: the principal may lack what a deny speaks of. */
export function equalities({ inverted, conditions }: CompiledRule, unbound: boolean): readonly Equality[] {
  if (conditions === undefined) return [];
  const { where, templates, reach } = conditions;
  const reached = reach === null ? [] : [{ attribute: 'scopes', values: reach }];
  // Without a value for a template, a deny denies whatever its scope reaches.
  if (unbound && inverted && templates.length > 0) return reached;
  const demanded = where.flatMap(({ attribute, operator, operand }): Equality[] => {
    if (operator === 'eq' && operand !== null && !isSeveral(operand)) return [{ attribute, values: [keyOf(operand)] }];
    if (operator !== 'in' || !isSeveral(operand)) return [];
    return [{ attribute, values: operand.map(keyOf) }];
  });
  return [...reached, ...demanded];
}

const templateKeys = new Map<TemplateName, Template>();

function keyOf(single: Single | Test): unknown {
  if (!(single instanceof Template)) return single;
  const known = templateKeys.get(single.name) ?? single;
  templateKeys.set(single.name, known);
  return known;
}
