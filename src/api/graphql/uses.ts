import type { Principal } from '../../domain/principals/principal.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import type { Services } from './context.ts';

/** An operation begins: whoever is known to ask is noted to have used what they came with. The same for every protocol. */
export function noteUse(
  by: Principal,
  protocol: Protocol,
  { activity, keyUses, detectors }: Pick<Services, 'activity' | 'keyUses' | 'detectors'>,
): void {
  if (by.kind !== 'user') return;
  const { sessionId, key } = by.credential;
  if (sessionId !== null) activity.touch(sessionId, protocol);
  if (key === null) return;
  keyUses.touch(key.id, key.version);
  detectors.usedFrom(key.id, by.id, key.from?.address ?? null);
}
