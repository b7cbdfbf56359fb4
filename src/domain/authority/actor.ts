import type { AuditActor } from '../audit/entry.ts';
import type { AuditState } from '../audit/state.ts';
import { sessionIdOf, type Principal } from '../principals/principal.ts';
import type { Transaction } from '../store.ts';
import { formatPosition } from './position.ts';

/** Who acts, as the audit tells it, with what it was decided by. */
export function actorOf(by: Principal): AuditActor {
  const none = { id: by.id, sessionId: null, apiKeyId: null, policyVersion: null, position: null };
  if (by.kind !== 'user') return { ...none, kind: by.kind };
  const { standing, credential } = by;
  return {
    id: by.id,
    kind: standing.record.__typename === 'ServiceAccount' ? 'service' : 'user',
    sessionId: credential.sessionId,
    apiKeyId: credential.key?.id ?? null,
    policyVersion: standing.ability.policyVersion,
    position: formatPosition({ epoch: standing.epoch, seq: standing.asOf }),
  };
}

/** Writes that this was done, by whom and in which session. */
export function record(
  tx: Transaction,
  actor: Principal,
  action: string,
  what: { readonly subjectId: string; readonly before?: AuditState; readonly after?: AuditState },
): Promise<void> {
  return tx.audit.append({ by: actor.id, sessionId: sessionIdOf(actor), action, ...what });
}
