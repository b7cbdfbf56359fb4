import type { Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';

/**
 * Refuses, with FORBIDDEN, a change that has just been written if it gives its own actor any right, be it by lifting what
 * denied it. Called last, inside the transaction, which then leaves nothing behind.
 */
export async function demandNoGain(tx: Pick<Transaction, 'grants'>, actor: Principal): Promise<void> {
  if (actor.kind !== 'user') return;
  const { engine, facts, ability } = actor.standing;
  const after = engine.ability(facts, await tx.grants.heldBy(actor.id));
  const [gained] = engine.lacking(ability, after);
  if (gained === undefined) return;
  throw new Refusal('FORBIDDEN', `This would let you ${gained.action} ${gained.subject} as you may not now.`, {
    reason: 'widens_own_rights',
    rule: gained.rule,
  });
}
