import type { AuditState } from '../audit/state.ts';
import type { Transaction } from '../store.ts';
import { sessionIdOf, type Principal } from './principal.ts';

/** Writes that this was done, by whom and in which session. */
export function record(
  tx: Transaction,
  actor: Principal,
  action: string,
  what: { readonly subjectId: string; readonly before?: AuditState; readonly after?: AuditState },
): Promise<void> {
  return tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action, ...what });
}
