import type { Clock } from '../../kit/clock.ts';
import type { Decision, DecisionEngine, Principal, SubjectRecord, UserPrincipal } from '../principals/principal.ts';
import { demandProof, lacksProof, type Proof } from '../principals/proof.ts';
import { notFound, Refusal } from '../refusals.ts';
import { ALL, type Filter, NONE } from './filter.ts';
import { covers } from './scope-paths.ts';

/** Is told of every decision about a user, on the warm path. Must not throw. */
export interface DecisionCounter {
  decided(engine: DecisionEngine, decision: Decision, action: string, type: string): void;
}

/** Asks for permission. Synchronous: everything a decision needs came with the principal. */
export class Policy {
  readonly #counter: DecisionCounter;
  readonly #clock: Clock;

  constructor(counter: DecisionCounter, clock: Clock) {
    this.#counter = counter;
    this.#clock = clock;
  }

  /** May this principal do it, on this very record? */
  decide(by: Principal, action: string, subject: SubjectRecord, field?: string): Decision {
    if (by.kind === 'user') {
      const { engine, ability } = by.standing;
      const decision = engine.decide(ability, action, subject, field);
      this.#counter.decided(engine, decision, action, subject.__typename);
      return decision;
    }
    const allowed = by.kind === 'system';
    return {
      allowed,
      reason: allowed ? 'Castellan itself acts.' : 'Nobody is signed in.',
      rule: null,
      policyVersion: '',
    };
  }

  /** What is true of exactly the records of this type that {@link decide} allows it on. */
  filter(by: Principal, action: string, subjectType: string, field?: string): Filter {
    if (by.kind !== 'user') return by.kind === 'system' ? ALL : NONE;
    return by.standing.engine.filter(by.standing.ability, action, subjectType, field);
  }

  /** The answer about what does not exist, or may not be known to. */
  nothingThere(by: Principal): Decision {
    const policyVersion = by.kind === 'user' ? by.standing.engine.version : '';
    return { allowed: false, reason: 'There is no such thing.', rule: null, policyVersion };
  }

  /**
   * Refuses what is not allowed: with FORBIDDEN for one who may read the record, and otherwise as if it did not exist.
   * What is yet to be created hides nothing, so that creating it is always FORBIDDEN. What is allowed is refused with
   * MFA_REQUIRED where the policy asks for a step-up that the session has not made.
   */
  demand(by: Principal, action: string, subject: SubjectRecord): void {
    const decision = this.decide(by, action, subject);
    if (decision.allowed) return this.#demandProof(by, action, subject);
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const rule = decision.rule === null ? {} : { rule: decision.rule };
    if (action === 'create') throw new Refusal('FORBIDDEN', decision.reason, rule);
    if (!this.decide(by, 'read', subject).allowed) throw notFound(inWords(subject), subject.id);
    throw new Refusal('FORBIDDEN', decision.reason, { id: subject.id, ...rule });
  }

  /** As {@link demand}, on something that everybody knows to exist: what is not allowed is always FORBIDDEN. */
  demandOpenly(by: Principal, action: string, subject: SubjectRecord): void {
    const decision = this.decide(by, action, subject);
    if (decision.allowed) return this.#demandProof(by, action, subject);
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    throw new Refusal('FORBIDDEN', decision.reason, decision.rule === null ? {} : { rule: decision.rule });
  }

  /** What the session must prove before this, which it may do, is done; null when nothing is missing. */
  missingProof(by: Principal, action: string, subjectType: string): Proof | null {
    const proof = by.kind === 'user' ? by.standing.engine.proofOf(action, subjectType) : null;
    return proof !== null && lacksProof(by, proof, this.#clock) ? proof : null;
  }

  #demandProof(by: Principal, action: string, { __typename }: SubjectRecord): void {
    const missing = this.missingProof(by, action, __typename);
    if (missing !== null) demandProof(by, missing, this.#clock);
  }

  /**
   * The same principal with only those of its grants that hold in all of `scope` (null is everywhere): what it does
   * there must not rest on a right it has only further down.
   */
  within(by: Principal, scope: string | null): Principal {
    if (by.kind !== 'user') return by;
    const { engine, facts, grants } = by.standing;
    const holding = grants.filter((grant) => covers(grant.scope, scope));
    return {
      ...by,
      standing: { ...by.standing, grants: holding, ability: engine.ability(facts, holding, permissionsOf(by)) },
    };
  }

  /**
   * Refuses, with FORBIDDEN, to give away what the principal lacks: everything that these roles allow in their scopes, it must
   * be allowed itself; or only what these permissions name of it, unless they are null.
   */
  demandHolds(
    by: Principal,
    grants: readonly { readonly role: string; readonly scope: string | null }[],
    permissions: readonly string[] | null = null,
  ): void {
    if (by.kind !== 'user') return;
    const { engine, facts, ability } = by.standing;
    const [lacks] = engine.lacking(ability, engine.ability(facts, grants, permissions));
    if (lacks === undefined) return;
    throw new Refusal(
      'FORBIDDEN',
      `Nobody gives what they lack: you may not ${lacks.action} every such ${lacks.subject}.`,
      {
        reason: 'exceeds_own_rights',
        rule: lacks.rule,
      },
    );
  }

  /** Refuses, with FORBIDDEN, to take away what denies others that which the principal may not do itself. */
  demandLifts(by: Principal, grants: readonly { readonly role: string; readonly scope: string | null }[]): void {
    if (by.kind !== 'user') return;
    const { engine, facts, ability } = by.standing;
    const [lacks] = engine.lackingToLift(ability, engine.ability(facts, grants));
    if (lacks === undefined) return;
    const message = `Nobody gives what they lack: this denies others to ${lacks.action} ${lacks.subject}, and you may not either.`;
    throw new Refusal('FORBIDDEN', message, { reason: 'exceeds_own_rights', rule: lacks.rule });
  }

  /** One field of a record that the principal may read as such. Refuses with FORBIDDEN when not this field. */
  field<T extends SubjectRecord, K extends keyof T & string>(by: Principal, record: T, field: K): T[K] {
    const decision = this.decide(by, 'read', record, field);
    if (decision.allowed) return record[field];
    throw new Refusal('FORBIDDEN', `You may not read ${field} of this ${inWords(record)}.`, {
      ...(decision.rule !== null && { rule: decision.rule }),
    });
  }

  /** The record if the principal may read it, and null otherwise. */
  readable<T extends SubjectRecord>(by: Principal, record: T | null): T | null {
    return record !== null && this.decide(by, 'read', record).allowed ? record : null;
  }
}

/** What of its owner's rights an API key has; null is all of them. */
function permissionsOf({ credential: { key } }: UserPrincipal): readonly string[] | null {
  return key?.permissions ?? null;
}

/** What a record is called in a message: `service account`. */
function inWords({ __typename: type }: SubjectRecord): string {
  return type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
}
