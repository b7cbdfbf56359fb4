import type { SubjectRecord } from '../principals/principal.ts';
import type { PopulationMember } from '../store.ts';
import type { Bundle } from './bundle.ts';
import { diffPolicies, type PolicyChange, type PolicyDiff } from './diff.ts';
import { sampleRecords } from './sample-records.ts';

/** Somebody who gains or loses something. */
export interface AffectedUser {
  readonly id: string;
  /** Names of the roles held, with `at acme` where one holds in a scope only. */
  readonly roles: readonly string[];
  readonly liveSessions: number;
}

export interface PolicyPreview extends PolicyDiff {
  readonly affected: readonly AffectedUser[];
}

/** What changes for these users, about themselves, their sessions, roles and the policy, and records of other subgraphs. */
export function previewOf(before: Bundle, after: Bundle, everybody: readonly PopulationMember[]): PolicyPreview {
  const principals = everybody.map(({ user, grants }) => ({
    label: user.id,
    facts: { id: user.id, email: user.email, scope: user.scope, kind: 'user' },
    grants,
  }));
  const users = everybody.map(({ user }): SubjectRecord => user);
  const sessions = everybody.map(({ user: { id, scope, scopes } }): SubjectRecord & Record<string, unknown> => ({
    __typename: 'Session',
    id: `sessions of ${id}`,
    userId: id,
    scope,
    scopes,
  }));
  const others = new Set([...before.subjects.keys(), ...after.subjects.keys()]);
  for (const type of ['User', 'Session']) others.delete(type);
  const samples = sampleRecords([before, after], others, everybody);
  const diff = diffPolicies(before, after, { principals, subjects: [...users, ...sessions, ...samples] });
  const touched = new Set(diff.changes.flatMap(principalsOf));
  return { ...diff, affected: everybody.filter(({ user }) => touched.has(user.id)).map(toAffected) };
}

function principalsOf({ principals, pairs }: PolicyChange): readonly string[] {
  return [...principals, ...pairs.map(({ principal }) => principal)];
}

function toAffected({ user: { id }, grants, liveSessions }: PopulationMember): AffectedUser {
  return {
    id,
    roles: grants
      .filter(({ through }) => through === null)
      .map(({ role, scope }) => (scope === null ? role : `${role} at ${scope}`)),
    liveSessions,
  };
}
