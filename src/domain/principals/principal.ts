import type { Instant } from '../../kit/clock.ts';
import type { Filter } from '../policy/filter.ts';
import { Refusal } from '../refusals.ts';
import type { SessionState } from '../sessions/session-states.ts';
import type { Proof } from './proof.ts';

/** What is stored about a principal; a user's record is a `User`. */
export interface PrincipalRecord {
  readonly __typename: string;
  readonly id: string;
}

/** That a principal holds a role: one that was granted, or one that a granted custom role is made of. */
export interface HeldGrant {
  /** The role that was granted. */
  readonly roleId: string;
  readonly role: string;
  /** The name of the granted custom role that it comes from; null for the granted one itself. */
  readonly through: string | null;
  /** The path of the scope it holds in, and below; null is everywhere. */
  readonly scope: string | null;
  readonly expiresAt: Instant | null;
  /** Granted in a suspended scope: what it allows does not count until that is resumed, and what it denies does. */
  readonly dormant?: boolean;
}

/** The answer to "may X do Y on Z?", with what decided it. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
  /** File and line of the deciding rule; null when no rule applies. */
  readonly rule: string | null;
  readonly policyVersion: string;
}

/** Something a decision is about: a record that carries its type, which only the server sets. */
export interface SubjectRecord {
  readonly __typename: string;
  readonly id: string;
}

/** What a policy's templates may say about a principal. */
export interface PrincipalFacts {
  readonly id: string;
  readonly email?: string | null;
  readonly scope?: string | null;
  readonly kind?: string | null;
}

/** What one principal may do, bound to it by an engine. Small, and a sealed box to everybody else. */
export interface Ability {
  readonly policyVersion: string;
}

/** A right that somebody lacks, and the file and line of the rule that gives or denies it. */
export interface LackingRule {
  readonly action: string;
  readonly subject: string;
  readonly rule: string;
}

/** A compiled policy, as those need it who only ask. */
export interface DecisionEngine {
  readonly version: string;
  /** Every permission that the policy knows, as it is written: `user:disable`. */
  readonly permissions: ReadonlySet<string>;
  /**
   * The rules of these grants, bound to the principal, and of those only what these permissions name unless they are null or
   * absent. Rules are compiled once for each set of grants and permissions.
   */
  ability(
    principal: PrincipalFacts,
    grants: readonly { readonly role: string; readonly scope: string | null; readonly dormant?: boolean }[],
    permissions?: readonly string[] | null,
  ): Ability;
  decide(ability: Ability, action: string, subject: SubjectRecord, field?: string): Decision;
  /** What is true of exactly the records of this type that {@link decide} allows the action on. */
  filter(ability: Ability, action: string, subjectType: string, field?: string): Filter;
  /** What the policy does not know about these words, or null when it knows them all. */
  unknownWord(
    action: string,
    subjectType: string,
    field?: string,
  ): { readonly argument: 'action' | 'subject' | 'field'; readonly message: string } | null;
  /** A record of a known subject, from attributes that somebody else named; or what is wrong with them. */
  record(
    subjectType: string,
    id: string,
    attributes: Readonly<Record<string, unknown>>,
  ):
    | { readonly record: SubjectRecord }
    | { readonly refused: readonly { readonly attribute: string; readonly message: string; readonly hint?: string }[] };
  /** What `needed` allows beyond `held`; nothing means that whoever has `held` lacks none of it. */
  lacking(held: Ability, needed: Ability): readonly LackingRule[];
  /** What `lifted` denies and `held` does not allow in full. */
  lackingToLift(held: Ability, lifted: Ability): readonly LackingRule[];
  /** What the session of whoever is allowed it must have proven beyond that; null where it need not. */
  proofOf(action: string, subjectType: string): Proof | null;
  /** Whether whoever holds these signs in with a second factor. */
  requiresMfa(grants: readonly { readonly role: string }[]): boolean;
  /** The names of the roles that the policy lets a role inherit from directly. */
  inherits(role: string): readonly string[];
  /** The rules of an ability as packed CASL rules, to be sent to a front end. */
  packedRules(ability: Ability): readonly unknown[];
}

/** What a principal is and may do, as one snapshot of the database had it. Shared by all its sessions. */
export interface Standing {
  readonly record: PrincipalRecord;
  readonly facts: PrincipalFacts;
  readonly grants: readonly HeldGrant[];
  readonly engine: DecisionEngine;
  /** Its rules, compiled and decided by {@link engine}. */
  readonly ability: Ability;
  /** Whether a role that it holds asks for a second factor of those who sign in. */
  readonly mfaRequired: boolean;
  /** Whether the principal may act at all. */
  readonly active: boolean;
  /** Ids of the home scope and all above it: whose suspension takes every credential of the principal away. */
  readonly homeIds: readonly string[];
  /** The log position of the snapshot, in this history. */
  readonly epoch: string;
  readonly asOf: number;
  /** Ids whose change makes this stale. */
  readonly dependencies: readonly string[];
  /** Wall time in ms at which the earliest grant expires; Infinity when none does. */
  readonly validUntilMs: number;
}

/** From where a request with an API key came: the address of its client, and the origin of its page if there is one. */
export interface KeyOrigin {
  readonly address: string | null;
  readonly origin: string | null;
}

/** The API key that a principal came with, as its row has it at the label of the credential. */
export interface ShownKey {
  readonly id: string;
  /** Which of its secrets was shown. */
  readonly version: number;
  /** What of its owner's rights it has, written `user:disable`; null is all of them. */
  readonly permissions: readonly string[] | null;
  readonly addressRanges: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly expiresAt: Instant | null;
  readonly readOnly: boolean;
  /** Null when somebody else asks about it. */
  readonly from: KeyOrigin | null;
}

/** The proof a principal came with: a session's, or an API key of its own. */
export interface ShownCredential {
  /** Null for an API key. */
  readonly sessionId: string | null;
  /** Null for a session. */
  readonly key: ShownKey | null;
  /** Ids whose revocation takes this credential away: session, user, signing key; or API key and owner. */
  readonly targets: readonly string[];
  /** The log position it vouches for, in this history: revocations at or below it were already considered. */
  readonly epoch: string;
  readonly label: number;
  /** Wall time in ms. */
  readonly expiresAtMs: number;
  /**
   * When its session had last proven who acts, wall time in ms: what the session proves later makes an end of it. Infinity for one
   * that is not shown again, and for a key.
   */
  readonly provenAtMs: number;
}

/** A user, or a service account; which of them, says the record of its standing. */
export interface UserPrincipal {
  readonly kind: 'user';
  readonly id: string;
  readonly credential: ShownCredential;
  readonly standing: Standing;
  /** What is known of the session it acts in; null for a credential that stands for none. */
  readonly session: SessionState | null;
}

/** Who acts now. Identity belongs to the operation, never to the socket. */
export type Principal =
  | UserPrincipal
  | { readonly kind: 'anonymous'; readonly id: 'anonymous' }
  /** Castellan itself, at start-up and on its own command line. */
  | { readonly kind: 'system'; readonly id: 'system' };

export const ANONYMOUS: Principal = { kind: 'anonymous', id: 'anonymous' };
export const SYSTEM: Principal = { kind: 'system', id: 'system' };

/** Ids whose revocation takes away what this principal came with. */
export function revocationTargets({ credential, standing }: UserPrincipal): readonly string[] {
  return standing.homeIds.length === 0 ? credential.targets : [...credential.targets, ...standing.homeIds];
}

/** Ids whose change may alter what this principal may do, or with what. */
export function dependenciesOf({ credential: { key }, standing }: UserPrincipal): readonly string[] {
  return key === null ? standing.dependencies : [...standing.dependencies, key.id];
}

/** Who goes on with what a socket or a stream was opened with: that is not shown again, and what its session proves makes no end of it. */
export function held(by: UserPrincipal): UserPrincipal {
  if (by.credential.provenAtMs === Infinity) return by;
  return { ...by, credential: { ...by.credential, provenAtMs: Infinity } };
}

/** Whether both came with the same session, or the same API key. */
export function isSameCredential(one: UserPrincipal, other: UserPrincipal): boolean {
  const [mine, theirs] = [one.credential, other.credential];
  return one.id === other.id && mine.sessionId === theirs.sessionId && mine.key?.id === theirs.key?.id;
}

/**
 * Who acts in a session. Refuses with FORBIDDEN whoever came with an API key: what a person signs in with, and may do only as
 * a person, is no program's business.
 */
export function demandSession(by: Principal): UserPrincipal & { readonly credential: { readonly sessionId: string } } {
  if (by.kind !== 'user') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
  const { sessionId } = by.credential;
  if (sessionId !== null) return { ...by, credential: { ...by.credential, sessionId } };
  throw new Refusal('FORBIDDEN', 'This takes a session: an API key cannot do it. Sign in.', {
    reason: 'session_required',
  });
}

/** The session behind a principal, for the record; null for those who have none. */
export function sessionIdOf(by: Principal): string | null {
  return by.kind === 'user' ? by.credential.sessionId : null;
}
