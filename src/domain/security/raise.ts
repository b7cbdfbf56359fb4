import type { Transaction } from '../store.ts';
import { type NewSecurityEvent, SECURITY_EVENT_KINDS, type SecurityEventKind } from './security-event.ts';

/** Of every kind, so that the first of one is an increase to whoever watches it. */
const raised = new Map<SecurityEventKind, number>(SECURITY_EVENT_KINDS.map((kind) => [kind, 0]));

/** Writes a security event as a part of the transaction, unless `once` is there already; whether it did. */
export async function raise(
  tx: Pick<Transaction, 'securityEvents'>,
  event: NewSecurityEvent,
  once: string,
): Promise<boolean> {
  const isNew = await tx.securityEvents.add(event, once);
  if (isNew) raised.set(event.kind, (raised.get(event.kind) ?? 0) + 1);
  return isNew;
}

/** How many this process has raised, by kind. One whose transaction was rolled back, and tried again, counts twice. */
export function raisedEvents(): readonly (readonly [SecurityEventKind, number])[] {
  return [...raised];
}
