import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';

/** The role that must always be there, and somebody hold everywhere. */
export const ADMINISTRATOR = 'administrator';

/**
 * Refuses with CONFLICT a change that has just been written if nobody is left who is administrator everywhere and without
 * end. Called last, inside the transaction: those that ask do so one after the other, so that of two who remove each other
 * one is refused.
 */
export async function demandAdministrator(tx: Pick<Transaction, 'roles' | 'grants'>): Promise<void> {
  const role = await tx.roles.findByName(ADMINISTRATOR);
  if (role !== null && (await tx.grants.isHeld(role.id))) return;
  throw new Refusal('CONFLICT', 'Nobody would be administrator any more. Make somebody else administrator first.', {
    reason: 'last_administrator',
  });
}
