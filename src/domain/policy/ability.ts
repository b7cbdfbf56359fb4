import type { Ability } from '../principals/principal.ts';
import type { RoleSet } from './role-set.ts';
import type { TemplateValues } from './templates.ts';

/**
 * The compiled rules of a principal's roles, shared with everybody who holds the same, and the little that is its own.
 * One is kept for every live principal: it has no more fields than that.
 */
export class BoundAbility implements Ability, TemplateValues {
  readonly roleSet: RoleSet;
  readonly id: string | null;
  readonly email: string | null;
  readonly scope: string | null;
  readonly kind: string | null;
  readonly sessionId: string | null;

  constructor(roleSet: RoleSet, { id, email, scope, kind, sessionId }: TemplateValues) {
    this.roleSet = roleSet;
    this.id = id;
    this.email = email;
    this.scope = scope;
    this.kind = kind;
    this.sessionId = sessionId;
  }

  /** What templates stand for: the ability itself, so that there is one object less for every principal. */
  get principal(): TemplateValues {
    return this;
  }

  get policyVersion(): string {
    return this.roleSet.version;
  }
}
