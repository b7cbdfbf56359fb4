import { Kind, type SelectionSetNode } from 'graphql';
import type { Origin } from '../../domain/authentication/origin.ts';
import { mustEnroll, secondFactorMissing } from '../../domain/principals/enrollment.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Refusal } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';
import type { Services } from './services.ts';
import { noteUnbegun } from './denials.ts';
import type { Asked, Documents } from './documents.ts';
import { limitsFor } from './limits.ts';

/** What a session must prove before it does anything else, and what it may do until then. */
export interface Unproven {
  readonly refusal: Refusal;
  readonly allowed: ReadonlySet<string>;
  /** Whether the answers are those of a session that must not read anything. */
  readonly flat: boolean;
}

const STEP_UP: ReadonlySet<string> = new Set(['stepUp']);
const ENROLL: ReadonlySet<string> = new Set(['stepUp', 'beginTotpEnrollment', 'confirmTotpEnrollment', 'signOut']);
/** The mutation, an object of its answer, and what is in that: none of it is a record of its own. */
const FLAT_DEPTH_MAX = 3;

/** Whether nothing need be proven first, as far as is known without a wait. */
export function isProven(by: Principal, from: Origin, { takeovers }: Pick<Services, 'takeovers'>): boolean {
  return takeovers.knows(by, from) && !mustEnroll(by);
}

/**
 * Who acts, once it has been judged where they are and how they signed in, with what they must prove before all else. Refuses with
 * SESSION_REVOKED where the session ends by it.
 */
export async function atItsPlace(
  by: Principal,
  from: Origin,
  { takeovers, identification }: Pick<Services, 'takeovers' | 'identification'>,
): Promise<{ readonly by: Principal; readonly unproven: Unproven | null }> {
  if (takeovers.knows(by, from)) return { by, unproven: unprovenOf(by, null) };
  const refusal = await takeovers.judge(by, from);
  const now = await identification.recheck(by);
  return { by: now, unproven: unprovenOf(now, refusal) };
}

/** That it is elsewhere comes first: whoever adds an app there must be its owner. */
function unprovenOf(by: Principal, elsewhere: Refusal | null): Unproven | null {
  const flat = mustEnroll(by);
  if (elsewhere !== null) return { refusal: elsewhere, allowed: STEP_UP, flat };
  return flat ? { refusal: secondFactorMissing(), allowed: ENROLL, flat } : null;
}

/** Refuses all but what it may do where the session must prove something first; what is no operation, too. */
export function demandProven(context: OperationContext, documents: Documents, asked: Asked | null): void {
  const { unproven } = context;
  if (unproven === null || isAllowed(documents, asked ?? {}, context, unproven)) return;
  const operation = documents.operation(asked ?? {}, limitsFor(context));
  // It is refused whether or not that can be written.
  if ('kind' in operation && operation.kind === 'mutation')
    void noteUnbegun(context, operation.document, unproven.refusal.code);
  throw unproven.refusal;
}

/** A document of nothing else: so it does not matter who reads it, or by what name. */
function isAllowed(
  documents: Documents,
  asked: Asked,
  context: OperationContext,
  { allowed, flat }: Unproven,
): boolean {
  const operation = documents.operation(asked, limitsFor(context));
  if (!('kind' in operation) || operation.kind !== 'mutation') return false;
  const operations = operation.document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  const [only] = operations;
  if (only === undefined || operations.length > 1) return false;
  const { selections } = only.selectionSet;
  if (!selections.every((each) => each.kind === Kind.FIELD && allowed.has(each.name.value))) return false;
  return !flat || depthOf(only.selectionSet) <= FLAT_DEPTH_MAX;
}

/** A fragment may be as deep as it likes. */
function depthOf({ selections }: SelectionSetNode): number {
  const depths = selections.map((each) => {
    if (each.kind !== Kind.FIELD) return Infinity;
    return each.selectionSet === undefined ? 1 : 1 + depthOf(each.selectionSet);
  });
  return Math.max(...depths);
}
