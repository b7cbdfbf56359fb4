import type { SubjectRecord } from '../principals/principal.ts';
import type { CompiledRule, GrantFacts } from './compiler.ts';
import { equalities } from './equalities.ts';
import { type Attributes, isPlain, isUnbound } from './matching.ts';
import { type PrincipalFacts, Template, type TemplateValues } from './templates.ts';

/** Those and that for which two policies are compared. */
export interface Population {
  readonly principals: readonly {
    /** Names the principal in the answer; one for each. */
    readonly label: string;
    readonly facts: PrincipalFacts;
    readonly grants: readonly GrantFacts[];
  }[];
  /** Each id once among the records of a type. */
  readonly subjects: readonly SubjectRecord[];
}

type NumberedRecords = ReadonlySet<number>;
const nothing: NumberedRecords = new Set();

/** The records of one type, found by what they hold. */
export class Records {
  readonly list: readonly (SubjectRecord & Attributes)[];
  /** Records that cannot be found by what they hold. */
  readonly odd: NumberedRecords;
  readonly #all: NumberedRecords;
  readonly #byAttribute = new Map<string, ReadonlyMap<unknown, NumberedRecords>>();

  constructor(list: readonly SubjectRecord[]) {
    this.list = list.map((record) => record as SubjectRecord & Attributes); // read by the names of attributes
    this.#all = new Set(list.keys());
    this.odd = new Set([...list.keys()].filter((at) => !Object.values(list[at] ?? {}).every(isPlain)));
  }

  /** At least those that the rule can match: by the equality that leaves the fewest, or all of them. */
  matchable(rule: CompiledRule, principal: TemplateValues): readonly NumberedRecords[] {
    const unbound = rule.conditions !== undefined && isUnbound(rule.conditions, principal);
    if (unbound && !rule.inverted) return [];
    const found = equalities(rule, unbound).map(({ attribute, values }) => {
      const holding = this.#holding(attribute);
      return values.map((value) => holding.get(value instanceof Template ? principal[value.name] : value) ?? nothing);
    });
    const size = (sets: readonly NumberedRecords[]) => sets.reduce((sum, set) => sum + set.size, 0);
    return found.toSorted((a, b) => size(a) - size(b))[0] ?? [this.#all];
  }

  #holding(attribute: string): ReadonlyMap<unknown, NumberedRecords> {
    const known = this.#byAttribute.get(attribute);
    if (known !== undefined) return known;
    const holding = new Map<unknown, Set<number>>();
    for (const [at, record] of this.list.entries()) {
      const value = record[attribute];
      for (const item of Array.isArray(value) ? value : [value]) {
        const set = holding.get(item) ?? new Set();
        holding.set(item, set.add(at));
      }
    }
    this.#byAttribute.set(attribute, holding);
    return holding;
  }
}
