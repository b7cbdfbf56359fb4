import { Apart } from '../../kit/apart.ts';
import type { SubjectRecord } from '../principals/principal.ts';
import type { PopulationMember } from '../store.ts';
import type { Bundle } from './bundle.ts';
import { diffPolicies, type PolicyChange, type PolicyDiff } from './diff.ts';
import type { PolicyFile } from './document.ts';
import { factsOf } from './principal-facts.ts';
import { sampleRecords } from './sample-records.ts';
import { mfaChanges, mfaRoles } from './second-factors.ts';
import { type StepUpChange, stepUpChanges } from './step-ups.ts';

/** Somebody who gains or loses something. */
export interface AffectedPrincipal {
  readonly id: string;
  /** Names of the roles held, with `at acme` where one holds in a scope only. */
  readonly roles: readonly string[];
  /** Null where they may not be told. */
  readonly liveSessions: number | null;
}

/** Somebody whom a preview is about, with no more than may be told of them. */
export interface PreviewMember extends Omit<PopulationMember, 'liveSessions'> {
  readonly liveSessions: number | null;
}

/** A role whose holders must have a second factor now, or need none any more. */
export interface MfaPreview {
  readonly role: string;
  readonly required: boolean;
  /** Those of its holders for whom that is another answer than before. */
  readonly users: readonly string[];
}

export interface PolicyPreview extends PolicyDiff {
  readonly mfa: readonly MfaPreview[];
  readonly stepUps: readonly StepUpChange[];
  readonly affected: readonly AffectedPrincipal[];
}

/** What a preview is made of: the files of both policies, and for whom. */
export interface Preview {
  readonly before: readonly PolicyFile[];
  readonly after: readonly PolicyFile[];
  readonly everybody: readonly PreviewMember[];
}

const THREAD = new URL(`./preview-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

/** {@link previewOf} beside everything else: it takes seconds where there are many people or rules. The one of this process. */
export const previews = new Apart<Preview, PolicyPreview>(THREAD, { memoryMib: 512 });

/** What changes for these users and service accounts, about themselves, their sessions, roles and the policy, and records of other subgraphs. */
export function previewOf(before: Bundle, after: Bundle, everybody: readonly PreviewMember[]): PolicyPreview {
  const principals = everybody.map(({ record, grants }) => ({ label: record.id, facts: factsOf(record), grants }));
  const records = everybody.map(({ record }): SubjectRecord => record);
  const sessions = everybody
    .filter(({ record }) => record.__typename === 'User')
    .map(({ record: { id, scope, scopes } }): SubjectRecord & Record<string, unknown> => ({
      __typename: 'Session',
      id: `sessions of ${id}`,
      userId: id,
      scope,
      scopes,
    }));
  const others = new Set([...before.subjects.keys(), ...after.subjects.keys()]);
  for (const type of ['User', 'ServiceAccount', 'Session']) others.delete(type);
  const samples = sampleRecords([before, after], others, everybody);
  const diff = diffPolicies(before, after, { principals, subjects: [...records, ...sessions, ...samples] });
  const touched = new Set(diff.changes.flatMap(principalsOf));
  const mfa = mfaOf(before, after, everybody);
  const stepUps = stepUpChanges(before.subjects, after.subjects);
  return { ...diff, mfa, stepUps, affected: everybody.filter(({ record }) => touched.has(record.id)).map(toAffected) };
}

function mfaOf(before: Bundle, after: Bundle, everybody: readonly PreviewMember[]): readonly MfaPreview[] {
  const required = [mfaRoles(before), mfaRoles(after)];
  const users = everybody.filter(({ record, grants }) => {
    const awake = grants.filter(({ dormant }) => dormant !== true);
    const [old, now] = required.map((roles) => awake.some(({ role }) => roles.has(role)));
    return record.__typename === 'User' && old !== now;
  });
  const holders = (role: string) => users.filter(({ grants }) => grants.some((grant) => grant.role === role));
  return mfaChanges(before, after).map((change) => ({
    ...change,
    users: holders(change.role).map(({ record }) => record.id),
  }));
}

function principalsOf({ principals, pairs }: PolicyChange): readonly string[] {
  return [...principals, ...pairs.map(({ principal }) => principal)];
}

function toAffected({ record: { id }, grants, liveSessions }: PreviewMember): AffectedPrincipal {
  return {
    id,
    roles: grants
      .filter(({ through }) => through === null)
      .map(({ role, scope }) => (scope === null ? role : `${role} at ${scope}`)),
    liveSessions,
  };
}
