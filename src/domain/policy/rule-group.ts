import type { CompiledRule } from './compiler.ts';
import { type Attributes, isPlain } from './matching.ts';
import { RuleIndex } from './rule-index.ts';
import type { TemplateName, TemplateValues } from './templates.ts';

/** From here on looking rules up costs less than asking each. */
const indexedMin = 12;

/** The rules about one action on one type of subject, in the order in which they decide. */
export class RuleGroup {
  readonly rules: readonly CompiledRule[];
  /** The first rule when it decides whatever the record is, and whichever field is asked about. */
  readonly #certain: CompiledRule | null;
  readonly #attributes: readonly string[];
  /** What a principal needs a value of, so that no deny matches for the lack of it. */
  readonly #denyTemplates: readonly TemplateName[];
  #index: RuleIndex | undefined;
  #unboundIndex: RuleIndex | undefined;

  constructor(rules: readonly CompiledRule[]) {
    this.rules = rules;
    const [first] = rules;
    this.#certain = first?.conditions === undefined && first?.fields === undefined ? (first ?? null) : null;
    const conditions = rules.flatMap((rule) => rule.conditions ?? []);
    this.#attributes = [
      ...new Set([
        ...conditions.flatMap(({ where }) => where.map(({ attribute }) => attribute)),
        ...(conditions.some(({ reach }) => reach !== null) ? ['scopes'] : []),
      ]),
    ];
    const denies = conditions.filter(({ effect }) => effect === 'deny');
    this.#denyTemplates = [...new Set(denies.flatMap(({ templates }) => templates))];
  }

  /**
   * The rule that decides; null when none applies.
   * @throws whatever comparing throws, for records that hold what cannot be compared
   */
  find(record: Attributes, principal: TemplateValues, field: string | undefined): CompiledRule | null {
    if (this.#certain !== null) return this.#certain;
    if (!this.#isPlain(record)) return this.rules.find((rule) => rule.appliesInCasl(record, principal, field)) ?? null;
    if (this.rules.length >= indexedMin) return this.#lookUp(record, principal, field);
    for (const rule of this.rules) if (rule.applies(record, principal, field)) return rule;
    return null;
  }

  #isPlain(record: Attributes): boolean {
    // CASL reads through lists, so that a list would answer for its elements.
    if (Array.isArray(record)) return false;
    for (const attribute of this.#attributes) if (!isPlain(record[attribute])) return false;
    return true;
  }

  #lookUp(record: Attributes, principal: TemplateValues, field: string | undefined): CompiledRule | null {
    const rank = this.#indexFor(principal).find(record, principal, field, Infinity);
    return this.rules[rank] ?? null;
  }

  #indexFor(principal: TemplateValues): RuleIndex {
    const unbound = this.#denyTemplates.some((name) => principal[name] === null);
    if (unbound) return (this.#unboundIndex ??= this.#buildIndex(true));
    return (this.#index ??= this.#buildIndex(false));
  }

  #buildIndex(unbound: boolean): RuleIndex {
    return new RuleIndex(
      this.rules.map((rule, rank) => ({ rule, rank })),
      unbound,
    );
  }
}
