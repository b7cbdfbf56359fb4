import type { PopulationMember } from '../store.ts';
import type { Bundle } from './bundle.ts';
import { factsOf } from './principal-facts.ts';
import { isSeveral, isTest, type Condition } from './conditions.ts';
import { makeRecord } from './record.ts';
import type { Rule } from './rules.ts';
import { Template, templateValues, type TemplateValues } from './templates.ts';
import { scopeAttributeOf, type SubjectType } from './vocabulary.ts';

type Sample = NonNullable<ReturnType<typeof sampleOf>>;

/** Scopes that records of nobody in particular are imagined in; a population with more is compared in the first ones. */
const SCOPES_MAX = 50;

/**
 * Records that stand for those of other subgraphs, which nobody here has: one with nothing but its type, and for each rule
 * one that its equalities are about, for everybody one of their own where the rule compares with the principal. Each comes
 * without a scope and in the scopes that roles are held at.
 */
export function sampleRecords(
  bundles: readonly Bundle[],
  types: ReadonlySet<string>,
  everybody: readonly Pick<PopulationMember, 'record' | 'grants'>[],
): readonly Sample[] {
  const samples = new Map<string, Sample>();
  const add = (sample: Sample | null): void => {
    if (sample !== null) samples.set(JSON.stringify([sample.__typename, sample.id]), sample);
  };
  const people = everybody.map(({ record, grants }) => ({
    values: templateValues(factsOf(record)),
    scopes: grants.flatMap(({ scope: held }) => held ?? []),
  }));
  const nobody = { values: null, scopes: [...new Set(people.flatMap(({ scopes }) => scopes))].slice(0, SCOPES_MAX) };

  for (const bundle of bundles) {
    for (const type of bundle.subjects.values()) {
      if (!types.has(type.name)) continue;
      const scopeAttribute = scopeAttributeOf(type);
      for (const where of [[], ...rulesAbout(bundle, type).map((rule) => rule.where)]) {
        const isPersonal = where.some(({ operand }) => operand instanceof Template);
        for (const { values, scopes } of isPersonal ? people : [nobody]) {
          const attributes = demanded(where, values);
          add(sampleOf(type, attributes));
          if (scopeAttribute === undefined) continue;
          for (const scope of scopes) add(sampleOf(type, { [scopeAttribute]: scope, ...attributes }));
        }
      }
    }
  }
  return [...samples.values()];
}

function rulesAbout({ roles }: Bundle, { name }: SubjectType): readonly Rule[] {
  return [...roles.values()].flatMap(({ rules }) =>
    rules.filter(({ targets }) => targets.some(({ subject }) => subject === name)),
  );
}

/** The values that the equalities of a rule ask for. */
function demanded(where: readonly Condition[], person: TemplateValues | null): Record<string, unknown> {
  const values = where.flatMap(({ attribute, operator, operand }): [string, unknown][] => {
    const [single] = isSeveral(operand) ? operand : [operand];
    if (attribute === 'id' || attribute === 'scopes' || single === undefined || isTest(single)) return [];
    const value = single instanceof Template ? (person?.[single.name] ?? null) : single;
    if (operator === 'eq' || operator === 'in') return [[attribute, value]];
    return operator === 'all' ? [[attribute, [value]]] : [];
  });
  return Object.fromEntries(values);
}

/** Its id says what it is, since that is what readers see of it. */
function sampleOf(type: SubjectType, attributes: Record<string, unknown>) {
  const words = Object.entries(attributes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(', ') : String(value)}`);
  const id = words.length === 0 ? `any ${type.name}` : `a ${type.name} with ${words.join(' and ')}`;
  // A list attribute is asked for by one of its elements.
  const typed = Object.entries(attributes).map(([name, value]): [string, unknown] => {
    const isList = type.attributes.get(name)?.kind === 'list';
    return [name, isList && !Array.isArray(value) ? [value] : value];
  });
  const made = makeRecord(type, id, Object.fromEntries(typed));
  return 'record' in made ? made.record : null;
}
