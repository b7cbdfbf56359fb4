import type { CompiledRule } from './compiler.ts';
import { equalities, type Equality } from './equalities.ts';
import type { Attributes } from './matching.ts';
import { Template, type TemplateName, type TemplateValues } from './templates.ts';

/** A rule with its rank: the lower one decides. */
export interface RankedRule {
  readonly rank: number;
  readonly rule: CompiledRule;
}

/** So few are asked one after the other as fast as they are looked up. */
const scannedMax = 5;
const depthMax = 3;
/** A rule stands under each of its values: long lists would grow the index more than they narrow the search. */
const valuesMax = 32;
const branchMin = 4;
const repeatedMin = 8;

/**
 * Finds the rule that decides among thousands. Under the value that a rule demands of an attribute stand only the rules
 * that demand it; whatever is found is asked as in a scan, and the lowest rank wins, so that the answer is the scan's.
 */
export class RuleIndex {
  readonly first: number;
  readonly #scanned: readonly RankedRule[];
  readonly #branches: readonly Branch[];

  /** @param rules ascending by rank */
  constructor(rules: readonly RankedRule[], unbound: boolean, depth = 0) {
    this.first = rules[0]?.rank ?? Infinity;
    const small = rules.length <= scannedMax || depth === depthMax;
    const { scanned, branches } = small ? { scanned: rules, branches: [] } : divide(rules, unbound, depth);
    this.#scanned = scanned;
    this.#branches = branches;
  }

  /** The lowest rank of a rule that applies, or `before` when none below it does. */
  find(record: Attributes, principal: TemplateValues, field: string | undefined, before: number): number {
    let best = before;
    for (const { rank, rule } of this.#scanned) {
      if (rank >= best) break;
      if (!rule.applies(record, principal, field)) continue;
      best = rank;
      break;
    }
    for (const branch of this.#branches) {
      if (branch.first < best) best = branch.find(record, principal, field, best);
    }
    return best;
  }
}

class Branch {
  readonly first: number;
  readonly #attribute: string;
  readonly #values: ReadonlyMap<unknown, RuleIndex>;
  readonly #templates: readonly (readonly [TemplateName, RuleIndex])[];

  constructor(attribute: string, values: ReadonlyMap<unknown, RuleIndex>) {
    this.#attribute = attribute;
    this.#values = values;
    this.#templates = [...values].flatMap(([key, rules]) =>
      key instanceof Template ? [[key.name, rules] as const] : [],
    );
    this.first = Math.min(...[...values.values()].map(({ first }) => first));
  }

  find(record: Attributes, principal: TemplateValues, field: string | undefined, before: number): number {
    const value = record[this.#attribute];
    let best = before;
    if (Array.isArray(value)) {
      // Long lists may hold the same thing often, and looking it up once is enough.
      for (const item of value.length > repeatedMin ? new Set(value) : value)
        best = this.#values.get(item)?.find(record, principal, field, best) ?? best;
    } else {
      best = this.#values.get(value)?.find(record, principal, field, best) ?? best;
    }
    for (const [name, rules] of this.#templates) {
      const own = principal[name];
      if (own === null || (value !== own && !(Array.isArray(value) && value.includes(own)))) continue;
      best = rules.find(record, principal, field, best);
    }
    return best;
  }
}

/** Each rule under the attribute whose values it shares with the fewest others. */
function divide(rules: readonly RankedRule[], unbound: boolean, depth: number) {
  const limit = depth === 0 ? valuesMax : 1;
  const demands = rules.map(({ rule }) => equalities(rule, unbound).filter(({ values }) => values.length <= limit));
  const counts = new Map<string, Map<unknown, number>>();
  for (const { attribute, values } of demands.flat()) {
    const count = counts.get(attribute) ?? new Map<unknown, number>();
    counts.set(attribute, count);
    for (const value of values) count.set(value, (count.get(value) ?? 0) + 1);
  }
  const company = ({ attribute, values }: Equality) =>
    Math.max(...values.map((value) => counts.get(attribute)?.get(value) ?? 0));

  const rarer = (a: Equality, b: Equality) => (company(b) < company(a) ? b : a);
  const chosen = demands.map(([first, ...others]) => (first === undefined ? undefined : others.reduce(rarer, first)));
  const popular = Map.groupBy(chosen, (equality) => equality?.attribute);
  const scanned: RankedRule[] = [];
  const under = new Map<string, Map<unknown, RankedRule[]>>();
  for (const [index, ranked] of rules.entries()) {
    const equality = chosen[index];
    if (equality === undefined || (popular.get(equality.attribute)?.length ?? 0) < branchMin) {
      scanned.push(ranked);
      continue;
    }
    const values = under.get(equality.attribute) ?? new Map<unknown, RankedRule[]>();
    under.set(equality.attribute, values);
    for (const value of new Set(equality.values)) {
      const group = values.get(value);
      if (group === undefined) values.set(value, [ranked]);
      else group.push(ranked);
    }
  }
  const branches = [...under].map(
    ([attribute, values]) =>
      new Branch(
        attribute,
        new Map([...values].map(([value, group]) => [value, new RuleIndex(group, unbound, depth + 1)])),
      ),
  );
  return { scanned, branches };
}
