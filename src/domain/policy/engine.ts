import { createMongoAbility, type MongoAbility } from '@casl/ability';
import { packRules } from '@casl/ability/extra';
import type { Proof } from '../principals/proof.ts';
import type { Ability, Decision, LackingRule, SubjectRecord } from '../principals/principal.ts';
import { BoundAbility } from './ability.ts';
import { type Bundle, roleClosure } from './bundle.ts';
import { type Filter, NONE } from './filter.ts';
import { filterOf } from './filters.ts';
import { type Lacking, lacking, lackingToLift } from './coverage.ts';
import type { Attributes } from './matching.ts';
import { isEverywhere } from './everywhere.ts';
import { explain, type Explanation } from './explain.ts';
import { type CompiledRule, Compiler, type GrantFacts } from './compiler.ts';
import { nearest } from './nearest.ts';
import type { Need, Situation } from './needs.ts';
import { permissionOf, permissionsOf } from './narrowing.ts';
import { label } from './problems.ts';
import { makeRecord, type MadeRecord } from './record.ts';
import { mfaRoles } from './second-factors.ts';
import { type PlainRule, RoleSet, typeOf } from './role-set.ts';
import type { Rule } from './rules.ts';
import { type PrincipalFacts, templateNames, templateValues } from './templates.ts';
import { type UnknownWord, unknownWord } from './unknown-word.ts';

export type { Ability, Decision, SubjectRecord } from '../principals/principal.ts';
export type { Explanation } from './explain.ts';
export type { GrantFacts } from './compiler.ts';
export type { PrincipalFacts } from './templates.ts';
export type { UnknownWord } from './unknown-word.ts';

/** Sets of grants kept compiled. Those that fall out live on in the abilities that use them. */
const roleSetsMax = 4096;

/** A rule that met a principal without the value it speaks of. */
export interface UnboundTemplate {
  readonly rule: string;
  readonly template: string;
  readonly consequence: 'the allow matches nothing' | 'the deny matches everything';
}

/** Answers "may X do Y on Z?" from one bundle. */
export class Engine {
  readonly bundle: Bundle;
  readonly #compiler: Compiler;
  readonly #roleSets = new Map<string, RoleSet>();
  /** Made beforehand: deciding only picks one. */
  readonly #decisions: ReadonlyMap<Rule, Decision>;
  readonly #ruleOf: ReadonlyMap<Decision, Rule>;
  readonly #denials: ReadonlyMap<string, ReadonlyMap<string, Decision>>;
  /** For those who come with some of their permissions only. */
  readonly #lacking = new Map<string, Decision>();
  /** All that the policy knows, as they are written: `user:disable`. */
  readonly permissions: ReadonlySet<string>;
  readonly #mfaRoles: ReadonlySet<string>;
  readonly #nobody: Decision;
  readonly #unreadable: Decision;

  constructor(bundle: Bundle) {
    this.bundle = bundle;
    this.permissions = permissionsOf(bundle.subjects.values());
    const rules = [...bundle.roles.values()].flatMap((role) => role.rules);
    this.#decisions = new Map(rules.map((rule) => [rule, this.#decisionOf(rule)]));
    this.#compiler = new Compiler(bundle, this.#decisions);
    this.#ruleOf = new Map([...this.#decisions].map(([rule, decision]) => [decision, rule]));
    this.#denials = new Map(
      [...bundle.subjects.values()].map(({ name, actions }) => [
        name,
        new Map([...actions].map((action) => [action, this.#denial(nothingAllows(action, name))])),
      ]),
    );
    this.#mfaRoles = mfaRoles(bundle);
    this.#nobody = this.#denial('There is no ability to decide by.');
    this.#unreadable = this.#denial('The record cannot be compared with the rules.');
  }

  get version(): string {
    return this.bundle.version;
  }

  /**
   * What these grants allow this principal, and of that only what these permissions name unless they are null. Roles the policy
   * does not know add nothing: they may have been removed.
   */
  ability(
    principal: PrincipalFacts,
    grants: readonly GrantFacts[],
    permissions: readonly string[] | null = null,
  ): BoundAbility {
    return new BoundAbility(this.#roleSet(grants, permissions), templateValues(principal));
  }

  /**
   * May it be done, to this very record? Without a field: to any of its fields, as in CASL. Never throws: what is
   * unknown or cannot be compared is denied, and so is everything without an ability of an engine's making. An ability made under another policy is decided by this one.
   */
  decide(ability: Ability | null | undefined, action: string, subject: SubjectRecord, field?: string): Decision {
    if (!(ability instanceof BoundAbility)) return this.#nobody;
    if (typeof subject !== 'object' || subject === null) return this.#refusal(action, subject, field);
    if (field !== undefined && !this.#hasField(subject, field)) return this.#refusal(action, typeOf(subject), field);

    const roleSet = this.#ownRoleSet(ability);
    const group = roleSet.group(typeOf(subject), action);
    if (group === undefined) return this.#denialOf(action, subject, roleSet.permissions);
    try {
      // Read by the names that the rules mention, which are names of attributes.
      const found = group.find(subject as SubjectRecord & Attributes, ability, field);
      return found === null ? this.#denialOf(action, subject, roleSet.permissions) : found.decision;
    } catch {
      // A record from outside may hold objects that cannot be compared. What cannot be decided is denied.
      return this.#unreadable;
    }
  }

  /**
   * What is true of exactly the records of this type that {@link decide} allows the action on, or on this field of, for
   * whoever looks for them in a database.
   */
  filter(ability: Ability | null | undefined, action: string, type: string, field?: string): Filter {
    if (!(ability instanceof BoundAbility)) return NONE;
    if (field !== undefined && this.bundle.subjects.get(type)?.attributes.has(field) !== true) return NONE;
    return filterOf(this.#ownRoleSet(ability).group(type, action)?.rules ?? [], ability, field);
  }

  /** Packed CASL rules with the principal written into them, denies last, for `createMongoAbility(unpackRules(…))`. */
  packedRules(ability: Ability | null | undefined): unknown[] {
    return packRules(this.plainRules(ability));
  }

  /** The same rules unpacked, for whoever turns them into something else. */
  plainRules(ability: Ability | null | undefined): PlainRule[] {
    if (!(ability instanceof BoundAbility)) return [];
    return this.#ownRoleSet(ability).plainRules(ability);
  }

  /** A plain CASL ability of the same rules, to be asked CASL's own questions. Made anew each time, and not cheaply. */
  casl(ability: Ability | null | undefined): MongoAbility {
    return createMongoAbility(this.plainRules(ability), { detectSubjectType: typeOf });
  }

  /** Why a decision is what it is: the deciding rule, or the one that came nearest. */
  explain(ability: Ability | null | undefined, action: string, subject: SubjectRecord, field?: string): Explanation {
    const decision = this.decide(ability, action, subject, field);
    const roleSet = ability instanceof BoundAbility ? this.#ownRoleSet(ability) : this.#roleSet([]);
    const principal = ability instanceof BoundAbility ? ability : templateValues(null);
    const closure = roleClosure(
      this.bundle,
      roleSet.grants.map(({ role }) => role),
    );
    const { rules } = roleSet;
    const needs = decision.allowed ? null : this.#needs(action, { principal, grants: roleSet.grants, subject, field });
    const { bundle } = this;
    return explain({ rules, closure, principal, bundle, decision, needs, action, subject, field: field ?? null });
  }

  /** What `needed` allows beyond `held`. */
  lacking(held: Ability, needed: Ability): readonly LackingRule[] {
    return lacking(this.#rulesOf(held), this.#rulesOf(needed)).map(toLackingRule);
  }

  /** What `lifted` denies and `held` does not allow. */
  lackingToLift(held: Ability, lifted: Ability): readonly LackingRule[] {
    return lackingToLift(this.#rulesOf(held), this.#rulesOf(lifted)).map(toLackingRule);
  }

  #rulesOf(ability: Ability): readonly CompiledRule[] {
    return ability instanceof BoundAbility ? this.#ownRoleSet(ability).rules : [];
  }

  inherits(role: string): readonly string[] {
    return this.bundle.roles.get(role)?.inherits ?? [];
  }

  requiresMfa(grants: readonly Pick<GrantFacts, 'role'>[]): boolean {
    return this.#mfaRoles.size > 0 && grants.some(({ role }) => this.#mfaRoles.has(role));
  }

  proofOf(action: string, subjectType: string): Proof | null {
    return this.bundle.subjects.get(subjectType)?.stepUps.get(action) ?? null;
  }

  /** The rule that made a decision of this engine; null when none did. */
  ruleOf(decision: Decision): Rule | null {
    return this.#ruleOf.get(decision) ?? null;
  }

  unboundTemplates(ability: Ability | null | undefined): readonly UnboundTemplate[] {
    if (!(ability instanceof BoundAbility)) return [];
    return this.#ownRoleSet(ability).rules.flatMap(({ rule, conditions }) =>
      templateNames
        .filter((name) => conditions?.templates.includes(name) === true && ability[name] === null)
        .map((name) => ({
          rule: label(rule.place),
          template: `\${principal.${name}}`,
          consequence: rule.effect === 'deny' ? 'the deny matches everything' : 'the allow matches nothing',
        })),
    );
  }

  /** A record of that type from attributes named by others. Refuses each that is not declared or of another type. */
  record(subjectType: string, id: string, attributes: Readonly<Record<string, unknown>>): MadeRecord {
    const type = this.bundle.subjects.get(subjectType);
    if (type !== undefined) return makeRecord(type, id, attributes);
    return { refused: [{ attribute: 'subject', message: `There is no subject ${JSON.stringify(subjectType)}.` }] };
  }

  isKnown(action: string, subjectType: string, field?: string): boolean {
    return this.unknownWord(action, subjectType, field) === null;
  }

  /** The first word of a question that the policy does not know, so that a door can refuse it by name; null when it knows all. */
  unknownWord(action: string, subjectType: string, field?: string): UnknownWord | null {
    return unknownWord(this.bundle.subjects, action, subjectType, field);
  }

  #needs(action: string, situation: Omit<Situation, 'subject'> & { subject: SubjectRecord }): readonly Need[] | null {
    const { subject, field } = situation;
    if (typeof subject !== 'object' || subject === null) return null;
    if (field !== undefined && !this.#hasField(subject, field)) return null;
    try {
      return nearest(this.#compiler, action, { ...situation, subject: { ...subject } });
    } catch {
      return null; // nothing helps a record that cannot be compared
    }
  }

  #hasField(subject: SubjectRecord, field: string): boolean {
    const { __typename: type } = subject;
    return this.bundle.subjects.get(type)?.attributes.has(field) === true;
  }

  #ownRoleSet({ roleSet }: BoundAbility): RoleSet {
    return roleSet.compiler === this.#compiler ? roleSet : this.#roleSet(roleSet.grants, roleSet.permissions);
  }

  #roleSet(grants: readonly GrantFacts[], permissions: readonly string[] | null = null): RoleSet {
    // A scope that is neither a path nor null is a mistake, and must not come to mean everywhere.
    const sound = grants.filter(({ scope }) => scope === null || typeof scope === 'string');
    const held = [...new Set(sound.map(keyOf))].toSorted().join();
    // A text that is no grant's begins the list, so that a set of grants alone never has the same key.
    const key = permissions === null ? held : `only ${JSON.stringify([...new Set(permissions)].toSorted())},${held}`;
    const known = this.#roleSets.get(key);
    if (known !== undefined) return known;

    const copies = sound.map(({ role, scope, dormant = false }) => ({ role, scope, dormant }));
    const roleSet = new RoleSet(key, copies, this.#compiler, permissions);
    this.#roleSets.set(key, roleSet);
    for (const oldest of this.#roleSets.keys()) {
      if (this.#roleSets.size <= roleSetsMax) break;
      this.#roleSets.delete(oldest);
    }
    return roleSet;
  }

  #decisionOf({ effect, role, place, reason }: Rule): Decision {
    const plain = `${effect === 'allow' ? 'Allowed' : 'Denied'} by the role ${role}.`;
    return this.#freeze(effect === 'allow', reason ?? plain, label(place));
  }

  /** The answer where no rule applies, with the reason that helps most. Fields were looked at before. */
  #denialOf(action: string, subject: SubjectRecord, permissions: readonly string[] | null): Decision {
    const { __typename: type } = subject;
    if (permissions !== null) {
      const permission = permissionOf(action, type);
      if (this.permissions.has(permission) && !permissions.includes(permission)) return this.#lackOf(permission);
    }
    return this.#denials.get(type)?.get(action) ?? this.#refusal(action, type, undefined);
  }

  #lackOf(permission: string): Decision {
    const known = this.#lacking.get(permission);
    if (known !== undefined) return known;
    const denial = this.#denial(`This API key does not have the permission ${permission}.`);
    this.#lacking.set(permission, denial);
    return denial;
  }

  #refusal(action: unknown, type: unknown, field: unknown): Decision {
    return this.#denial(unknownWord(this.bundle.subjects, action, type, field)?.message ?? 'No rule allows it.');
  }

  #denial(reason: string): Decision {
    return this.#freeze(false, reason, null);
  }

  #freeze(allowed: boolean, reason: string, rule: string | null): Decision {
    return Object.freeze({ allowed, reason, rule, policyVersion: this.bundle.version });
  }
}

function nothingAllows(action: string, type: string): string {
  if (isEverywhere(action, type)) return `No role that is granted everywhere allows ${action} on ${type}.`;
  return `No rule allows ${action} on ${type}.`;
}

const keyOf = ({ role, scope, dormant }: GrantFacts): string =>
  JSON.stringify(dormant === true ? [role, scope, 'dormant'] : [role, scope]);

function toLackingRule({ action, subject, rule: { rule } }: Lacking): LackingRule {
  return { action, subject, rule: label(rule.place) };
}
