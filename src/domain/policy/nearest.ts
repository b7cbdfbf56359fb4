import { type Bundle, inheritancePath, roleClosure } from './bundle.ts';
import { ABSENT, candidates } from './candidates.ts';
import type { CompiledRule, Compiler, GrantFacts } from './compiler.ts';
import { type Condition, templatesIn } from './conditions.ts';
import { isEverywhere } from './everywhere.ts';
import { matchesInCasl } from './matching.ts';
import { type Need, type Situation, withNeed } from './needs.ts';
import { label } from './problems.ts';
import { RoleSet } from './role-set.ts';
import type { Rule } from './rules.ts';
import { attributeOf, scopeAttributeOf, type SubjectType } from './vocabulary.ts';

/** So many ways are looked at; the shortest is told. */
const waysMax = 32;
const stepsMax = 64;
/** Rules of held roles go first: whoever has thousands of others gets an answer in time. */
const rulesMax = 256;
/** A change of policy counts like so many others. */
const denyCost = 10;

/** A way to an allow: which one, so that what is changed later does not undo it. */
interface Way {
  readonly rule: Rule;
  readonly needs: readonly Need[];
  readonly situation: Situation;
}

/** The least that would have to be different for something denied to be allowed; null when nothing is found. */
export function nearest(compiler: Compiler, action: string, situation: Situation): readonly Need[] | null {
  const type = compiler.bundle.subjects.get(situation.subject.__typename);
  if (type?.actions.has(action) !== true) return null;
  const search = new Search(compiler, action, type);
  const held = roleClosure(
    compiler.bundle,
    situation.grants.map(({ role }) => role),
  );
  const ways = allowing(compiler.bundle, action, type)
    .toSorted((a, b) => Number(held.has(b.role)) - Number(held.has(a.role)))
    .slice(0, rulesMax)
    .map((rule) => search.towards(rule, situation))
    .filter((way) => way !== null)
    .toSorted((a, b) => cost(a) - cost(b));
  let best: Way | null = null;
  for (const way of ways.slice(0, waysMax)) {
    if (best !== null && cost(best) <= cost(way)) break;
    const whole = search.pastDenies(way);
    if (whole !== null && (best === null || cost(whole) < cost(best))) best = whole;
  }
  return best?.needs ?? null;
}

const cost = ({ needs }: Way) => needs.reduce((sum, { kind }) => sum + (kind === 'deny' ? denyCost : 1), 0);

const allowing = ({ roles }: Bundle, action: string, { name }: SubjectType): readonly Rule[] =>
  [...roles.values()]
    .flatMap(({ rules }) => rules)
    .filter(
      ({ effect, targets }) =>
        effect === 'allow' && targets.some((t) => t.subject === name && t.actions.includes(action)),
    );

class Search {
  readonly #compiler: Compiler;
  readonly #action: string;
  readonly #type: SubjectType;
  readonly #scopeAttribute: string | undefined;
  readonly #roleSets = new Map<readonly GrantFacts[], RoleSet>();

  constructor(compiler: Compiler, action: string, type: SubjectType) {
    this.#compiler = compiler;
    this.#action = action;
    this.#type = type;
    this.#scopeAttribute = scopeAttributeOf(type);
  }

  /** What this rule needs to apply, one after the other. */
  towards(rule: Rule, start: Situation): Way | null {
    let way: Way = { needs: [], situation: start, rule };
    for (const need of this.#principalNeeds(rule.where, start)) way = this.#add(way, need);
    const { field } = start;
    const [first] = rule.fields ?? [];
    if (field !== undefined && first !== undefined && rule.fields?.includes(field) === false) {
      way = this.#add(way, { kind: 'field', field: first });
    }
    for (const [attribute, conditions] of Map.groupBy(rule.where, (condition) => this.#variable(condition.attribute))) {
      if (holds(conditions, way.situation)) continue;
      const need = this.#attributeNeed(attribute, conditions, [], way.situation);
      if (need === null) return null;
      way = this.#add(way, need);
    }
    const grant = this.#grantNeed(rule, way.situation);
    return grant === null ? way : this.#add(way, grant);
  }

  /** The same way, and past every deny that stands in it; null when it does not lead there. */
  pastDenies(start: Way): Way | null {
    let way = start;
    const evaded = new Set<Rule>();
    const lifted = new Set<Rule>();
    for (let step = 0; step < stepsMax; step += 1) {
      const found = this.#decides(way.situation, lifted);
      if (found === null) return null;
      if (!found.inverted) return way;
      const need = evaded.has(found.rule) ? null : this.#evasion(found.rule, way);
      evaded.add(found.rule);
      if (need !== null) {
        way = this.#add(way, need);
        continue;
      }
      lifted.add(found.rule);
      const { reason } = found.decision;
      way = this.#add(way, { kind: 'deny', rule: label(found.rule.place), role: found.rule.role, reason });
    }
    return null;
  }

  #add(way: Way, need: Need): Way {
    return {
      rule: way.rule,
      needs: [...way.needs.filter((earlier) => !replaces(need, earlier)), need],
      situation: withNeed(way.situation, need, this.#scopeAttribute),
    };
  }

  #decides({ grants, subject, principal, field }: Situation, lifted: ReadonlySet<Rule>): CompiledRule | null {
    const roleSet = this.#roleSets.get(grants) ?? new RoleSet('', grants, this.#compiler);
    this.#roleSets.set(grants, roleSet);
    const group = roleSet.group(this.#type.name, this.#action);
    return group?.rules.find((each) => !lifted.has(each.rule) && each.appliesInCasl(subject, principal, field)) ?? null;
  }

  /** `scopes` follow from the scope. */
  #variable(attribute: string): string {
    return attribute === 'scopes' ? (this.#scopeAttribute ?? attribute) : attribute;
  }

  #principalNeeds(where: readonly Condition[], { principal, subject }: Situation): readonly Need[] {
    const names = new Set(templatesIn(where).map(({ name }) => name));
    return [...names]
      .filter((name) => principal[name] === null)
      .map((name) => {
        const about = where.filter((condition) => templatesIn([condition]).some((template) => template.name === name));
        const met = about.map(({ attribute }) => subject[attribute]).flat();
        const value = met.find((each): each is string => typeof each === 'string' && each !== '') ?? 'other';
        return { kind: 'principal', name, value };
      });
  }

  /** A value with which all of these hold, and not all of those. */
  #attributeNeed(
    attribute: string,
    these: readonly Condition[],
    those: readonly Condition[],
    situation: Situation,
  ): Need | null {
    const type = attributeOf(this.#type, attribute);
    if (type === undefined) return null;
    for (const value of candidates(type, [...these, ...those], situation.principal)) {
      const need: Need = value === ABSENT ? { kind: 'absent', attribute } : { kind: 'attribute', attribute, value };
      const changed = withNeed(situation, need, this.#scopeAttribute);
      if (holds(these, changed) && (those.length === 0 || !holds(those, changed))) return need;
    }
    return null;
  }

  #grantNeed({ role, within }: Rule, { grants, subject }: Situation): Need | null {
    const bound = within === 'grant' && this.#type.scoped;
    const scopes: unknown = subject['scopes'];
    const own: readonly unknown[] = Array.isArray(scopes) ? scopes : [];
    const closures = grants.map((grant) => ({ grant, closure: roleClosure(this.#compiler.bundle, [grant.role]) }));
    const bringing = closures.filter(({ closure }) => closure.has(role));
    const isHere = ({ scope }: GrantFacts) =>
      scope === null || (!isEverywhere(this.#action, this.#type.name) && (!bound || own.includes(scope)));
    if (bringing.some(({ grant }) => isHere(grant))) return null;
    const scope: unknown = bound ? own.at(-1) : null;
    const [held] = bringing;
    const named = held === undefined ? role : (inheritancePath(held.closure, role)[0] ?? role);
    return { kind: 'grant', role: named, scope: typeof scope === 'string' ? scope : null };
  }

  /** What would keep a deny from matching without keeping the allow from it. */
  #evasion(deny: Rule, { rule, situation }: Way): Need | null {
    const [unbound] = this.#principalNeeds(deny.where, situation);
    if (unbound !== undefined) return unbound;
    for (const [attribute, those] of Map.groupBy(deny.where, (condition) => this.#variable(condition.attribute))) {
      const these = rule.where.filter((condition) => this.#variable(condition.attribute) === attribute);
      // Whoever is given a role at a scope needs the record to stay there.
      if (attribute === this.#scopeAttribute && rule.within === 'grant') continue;
      const need = this.#attributeNeed(attribute, these, those, situation);
      if (need !== null) return need;
    }
    return null;
  }
}

function holds(where: readonly Condition[], { subject, principal }: Situation): boolean {
  return matchesInCasl({ effect: 'allow', where, templates: [], reach: null }, subject, principal);
}

/** A later value of the same thing stands for an earlier one. */
function replaces(later: Need, earlier: Need): boolean {
  const about = (need: Need) =>
    need.kind === 'attribute' || need.kind === 'absent'
      ? `of ${need.attribute}`
      : need.kind === 'principal'
        ? need.name
        : null;
  return about(later) !== null && about(later) === about(earlier);
}
