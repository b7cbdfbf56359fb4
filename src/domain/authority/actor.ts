import type { AuditActor } from '../audit/entry.ts';
import type { Principal } from '../principals/principal.ts';
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
