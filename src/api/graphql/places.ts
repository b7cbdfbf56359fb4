import { Kind } from 'graphql';
import type { Origin } from '../../domain/authentication/origin.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Refusal } from '../../domain/refusals.ts';
import type { OperationContext, Services } from './context.ts';
import { noteUnbegun } from './denials.ts';
import type { Asked, Documents } from './documents.ts';
import { limitsFor } from './limits.ts';

/** The one thing that a session may do before it has proven itself. */
const STEP_UP = 'stepUp';

/**
 * Who acts, once it has been judged where they are, with what all but a step-up is to be refused with. Refuses with
 * SESSION_REVOKED where the session ends by it.
 */
export async function atItsPlace(
  by: Principal,
  from: Origin,
  { takeovers, identification }: Pick<Services, 'takeovers' | 'identification'>,
): Promise<{ readonly by: Principal; readonly unproven: Refusal | null }> {
  if (takeovers.knows(by, from)) return { by, unproven: null };
  const unproven = await takeovers.judge(by, from);
  return { by: await identification.recheck(by), unproven };
}

/** Refuses all but a step-up where the session must prove itself first; what is no operation, too. */
export function demandProven(context: OperationContext, documents: Documents, asked: Asked | null): void {
  const { unproven } = context;
  if (unproven === null || isStepUp(documents, asked ?? {}, context)) return;
  const operation = documents.operation(asked ?? {}, limitsFor(context));
  // It is refused whether or not that can be written.
  if ('kind' in operation && operation.kind === 'mutation')
    void noteUnbegun(context, operation.document, unproven.code);
  throw unproven;
}

/** A document of nothing else: so it does not matter who reads it, or by what name. */
function isStepUp(documents: Documents, asked: Asked, context: OperationContext): boolean {
  const operation = documents.operation(asked, limitsFor(context));
  if (!('kind' in operation) || operation.kind !== 'mutation') return false;
  const operations = operation.document.definitions.filter((each) => each.kind === Kind.OPERATION_DEFINITION);
  const [only] = operations;
  if (only === undefined || operations.length > 1) return false;
  return only.selectionSet.selections.every((each) => each.kind === Kind.FIELD && each.name.value === STEP_UP);
}
