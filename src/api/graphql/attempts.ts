import { isDenying } from '../../domain/audit/denials.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import { Refusal } from '../../domain/refusals.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import type { OperationContext } from './context.ts';
import type { Services } from './services.ts';

/** What every door tells of those whom it refuses. */
type Parts = Pick<Services, 'attempts'>;

/** Of what was refused before it was an operation; of a fault, the log has its cause. */
export function noteRefusedRequest(
  error: unknown,
  door: Protocol,
  address: string | null,
  by: Principal | null,
  { attempts }: Parts,
): void {
  if (error instanceof Refusal) attempts.note(error.code, door, address, idOf(by));
}

/** Of an operation with errors. Whom a mutation denied something is in the audit log. */
export function noteRefusedOperation(
  { by, from, protocol, services }: OperationContext,
  kind: string,
  code: string,
): void {
  if (kind === 'mutation' && by.kind === 'user' && isDenying(code)) return;
  services.attempts.note(code, protocol, from.address, idOf(by));
}

/** @param by null where it is not known, as before anybody was identified */
export function idOf(by: Principal | null): string | null {
  return by?.kind === 'user' ? by.id : null;
}
