import type { BoundAbility } from './ability.ts';
import { type Bundle, whereText } from './bundle.ts';
import type { CompiledRule } from './compiler.ts';
import { type Cell, type Outcome, outcomeOf, PolicyChanges, type PolicyChange } from './diff-changes.ts';
import { Engine } from './engine.ts';
import { isUnbound } from './matching.ts';
import { type Population, Records } from './population.ts';
import { RuleGroup } from './rule-group.ts';
import { templateNames } from './templates.ts';

export type { PolicyChange } from './diff-changes.ts';
export type { Population } from './population.ts';

export interface PolicyDiff {
  readonly before: string;
  readonly after: string;
  readonly changes: readonly PolicyChange[];
}

interface Member {
  readonly label: string;
  readonly abilities: readonly [BoundAbility, BoundAbility];
}

/** A question about a record: an action on it, or on one field of it. */
type Field = string | null;

/**
 * Who gains or loses what between two policies, on these records: what asking both everything would find.
 *
 * Only where the rules of a set of roles differ are records asked about, and only those that a rule in which they
 * differ can match. What rules without templates say is the same for all who hold the roles; principals are asked
 * about one by one only for records that a rule with a template can match.
 */
export function diffPolicies(before: Bundle, after: Bundle, { principals, subjects }: Population): PolicyDiff {
  const engines = [new Engine(before), new Engine(after)] as const;
  const members = principals.map(({ label, facts, grants }) => ({
    label,
    abilities: [engines[0].ability(facts, grants), engines[1].ability(facts, grants)] as const,
  }));
  const changes = new PolicyChanges();
  for (const [type, list] of Map.groupBy(subjects, (subject) => subject.__typename)) {
    const comparison = new Comparison(engines, type, new Records(list), changes);
    for (const peers of Map.groupBy(members, alike).values()) comparison.compare(peers);
  }
  return { before: before.version, after: after.version, changes: changes.list() };
}

/** Those whose rules are the same, and who lack the same values. */
function alike({ abilities: [ability] }: Member): string {
  const lacking = templateNames.filter((name) => ability.principal[name] === null);
  return JSON.stringify([ability.roleSet.key, lacking]);
}

class Comparison {
  readonly #engines: readonly [Engine, Engine];
  readonly #type: string;
  readonly #records: Records;
  readonly #changes: PolicyChanges;
  readonly #actions: ReadonlySet<string>;
  /** Every field of the type in either policy, and null for the record as a whole. */
  readonly #fields: readonly Field[];
  /** Known to one of the policies only: the rules need not differ for the answers to. */
  readonly #halfKnown: readonly Field[];

  constructor(engines: readonly [Engine, Engine], type: string, records: Records, changes: PolicyChanges) {
    this.#engines = engines;
    this.#type = type;
    this.#records = records;
    this.#changes = changes;
    const known = engines.map(({ bundle }) => bundle.subjects.get(type));
    this.#actions = new Set(known.flatMap((subject) => [...(subject?.actions ?? [])]));
    const fields = new Set(known.flatMap((subject) => [...(subject?.attributes.keys() ?? [])]));
    this.#halfKnown = [...fields].filter((field) => !known.every((subject) => subject?.attributes.has(field) === true));
    this.#fields = [null, ...[...fields].toSorted()];
  }

  compare(peers: readonly Member[]): void {
    for (const action of this.#actions) this.#compareAction(peers, action);
  }

  #compareAction(peers: readonly Member[], action: string): void {
    const [first] = peers;
    if (first === undefined) return;
    const [before, after] = first.abilities.map(({ roleSet }) => roleSet.group(this.#type, action)?.rules ?? []);
    if (before === undefined || after === undefined) return;
    const differing = difference(before, after);
    const fields = this.#fields.filter(
      (field) => this.#halfKnown.includes(field) || differing.some((rule) => rule.speaksOf(field ?? undefined)),
    );
    if (fields.length === 0) return;

    const [principal] = first.abilities;
    const isPersonal = ({ conditions }: CompiledRule) =>
      conditions !== undefined && conditions.templates.length > 0 && !isUnbound(conditions, principal);
    const impersonal = [before, after].map((rules) => new RuleGroup(rules.filter((rule) => !isPersonal(rule))));
    const usual = this.#usual(
      impersonal,
      differing.filter((rule) => !isPersonal(rule)),
      fields,
      principal,
    );
    const shared = this.#changes.shared(this.#cell(action), usual, this.#records);
    const personal = [...before, ...after].filter(isPersonal);
    for (const member of peers) {
      shared.add(member.label);
      for (const at of this.#personalRecords(personal, member)) {
        const record = this.#records.list[at];
        if (record === undefined) continue;
        const outcome = outcomeOf(fields, (side, field) => this.#decide(side, member, action, record, field));
        shared.correct(member.label, at, record.id, outcome);
      }
    }
  }

  /** What changes for everybody alike, by the number of the record. */
  #usual(
    groups: readonly RuleGroup[],
    differing: readonly CompiledRule[],
    fields: readonly Field[],
    principal: BoundAbility,
  ): ReadonlyMap<number, Outcome> {
    const everything = fields.some((field) => this.#halfKnown.includes(field));
    const numbers = everything
      ? this.#records.list.keys()
      : new Set(differing.flatMap((rule) => this.#records.matchable(rule, principal).flatMap((set) => [...set])));
    const usual = new Map<number, Outcome>();
    for (const at of numbers) {
      const record = this.#records.list[at];
      if (record === undefined || this.#records.odd.has(at)) continue;
      const outcome = outcomeOf(fields, (side, field) => {
        if (field !== null && !this.#isField(side, field)) return false;
        return groups[side]?.find(record, principal, field ?? undefined)?.decision.allowed === true;
      });
      if (outcome !== null) usual.set(at, outcome);
    }
    return usual;
  }

  #personalRecords(personal: readonly CompiledRule[], { abilities: [principal] }: Member): Iterable<number> {
    const sets = personal.flatMap((rule) => this.#records.matchable(rule, principal));
    const { odd } = this.#records;
    const [only] = sets;
    if (odd.size === 0 && sets.length < 2) return only ?? [];
    return new Set([...odd, ...sets.flatMap((set) => [...set])]);
  }

  #decide(
    side: 0 | 1,
    { abilities }: Member,
    action: string,
    record: { __typename: string; id: string },
    field: Field,
  ) {
    return this.#engines[side].decide(abilities[side], action, record, field ?? undefined).allowed;
  }

  #isField(side: 0 | 1, field: string): boolean {
    return this.#engines[side].bundle.subjects.get(this.#type)?.attributes.has(field) === true;
  }

  #cell(action: string): Cell {
    return { subject: this.#type, action, fieldCount: this.#fields.length };
  }
}

/** The rules that only one of them has. */
function difference(before: readonly CompiledRule[], after: readonly CompiledRule[]): readonly CompiledRule[] {
  const texts = [before, after].map((rules) => new Set(rules.map(textOf)));
  const only = (rules: readonly CompiledRule[], other: ReadonlySet<string> | undefined) =>
    rules.filter((rule) => other?.has(textOf(rule)) !== true);
  return [...only(before, texts[1]), ...only(after, texts[0])];
}

const texts = new WeakMap<CompiledRule, string>();

/** What decides; neither the reason nor the place. */
function textOf(compiled: CompiledRule): string {
  const known = texts.get(compiled);
  if (known !== undefined) return known;
  const { rule, conditions } = compiled;
  const reach = conditions?.reach?.toSorted() ?? null;
  const text = JSON.stringify([rule.effect, rule.fields?.toSorted() ?? null, whereText(rule.where), reach]);
  texts.set(compiled, text);
  return text;
}
