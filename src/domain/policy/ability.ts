import {
  Ability as CaslAbility,
  type AbilityTuple,
  createMongoAbility,
  type MongoAbility,
  type MongoQuery,
  type RawRuleOf,
} from '@casl/ability';
import { type RoleSet, typeOf } from './role-set.ts';
import type { TemplateValues } from './templates.ts';

/**
 * What one principal may do: the compiled rules of its roles, shared with everybody who holds the same, and the little
 * that is its own. Made and decided by an engine. To whoever asks CASL's own questions it is a plain ability.
 */
export class Ability extends CaslAbility<AbilityTuple, MongoQuery> {
  readonly roleSet: RoleSet;
  readonly principal: TemplateValues;
  #plain: MongoAbility | undefined;

  constructor(roleSet: RoleSet, principal: TemplateValues) {
    super();
    this.roleSet = roleSet;
    this.principal = principal;
  }

  override get rules(): RawRuleOf<MongoAbility>[] {
    return this.#asPlain().rules;
  }

  override detectSubjectType(...args: Parameters<MongoAbility['detectSubjectType']>) {
    return this.#asPlain().detectSubjectType(...args);
  }

  override possibleRulesFor(...args: Parameters<MongoAbility['possibleRulesFor']>) {
    return this.#asPlain().possibleRulesFor(...args);
  }

  override rulesFor(...args: Parameters<MongoAbility['rulesFor']>) {
    return this.#asPlain().rulesFor(...args);
  }

  override actionsFor(...args: Parameters<MongoAbility['actionsFor']>) {
    return this.#asPlain().actionsFor(...args);
  }

  override update(): never {
    throw new TypeError('an ability is never changed: ask the engine for another one');
  }

  #asPlain(): MongoAbility {
    this.#plain ??= createMongoAbility(this.roleSet.plainRules(this.principal), { detectSubjectType: typeOf });
    return this.#plain;
  }
}
