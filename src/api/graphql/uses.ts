import type { Principal } from '../../domain/principals/principal.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import type { Services } from './services.ts';

/**
 * An operation begins: whoever is known to ask is noted to have used what they came with. The same for every protocol.
 * @param address where a session is used from; of a key that is known already
 */
export function noteUse(
  by: Principal,
  protocol: Protocol,
  { activity, keyUses, detectors, travels }: Pick<Services, 'activity' | 'keyUses' | 'detectors' | 'travels'>,
  address: string | null = null,
): void {
  if (by.kind !== 'user') return;
  const { sessionId, key } = by.credential;
  if (sessionId !== null) {
    activity.touch(sessionId, protocol);
    travels.seen(by.id, sessionId, address);
  }
  if (key === null) return;
  keyUses.touch(key.id, key.version);
  detectors.usedFrom(key.id, by.id, key.from?.address ?? null);
}
