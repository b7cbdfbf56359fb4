import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';

/** The role that must always be there, and somebody hold everywhere. */
export const ADMINISTRATOR = 'administrator';

/** Those who are administrator everywhere and without end, as they are counted before several of them stop being that. */
export class Administrators {
  readonly #left: Set<string>;

  private constructor(left: Set<string>) {
    this.#left = left;
  }

  /**
   * Counts them, after what was written so far; whoever else counts waits until this transaction ends.
   *
   * @param atMost how many may stop being administrator in this transaction
   */
  static async count(tx: Pick<Transaction, 'roles' | 'grants'>, atMost: number): Promise<Administrators> {
    if (atMost === 0) return new Administrators(new Set());
    const role = await tx.roles.findByName(ADMINISTRATOR);
    // One more than that tells whether anybody else is left.
    return new Administrators(new Set(role === null ? [] : await tx.grants.holders(role.id, atMost + 1)));
  }

  /** Refuses with CONFLICT when nobody would be left without this one. */
  demandOther(id: string): void {
    if (this.#left.size - Number(this.#left.has(id)) === 0) throw lastAdministrator();
  }

  /** This one is no administrator any more. */
  remove(id: string): void {
    this.#left.delete(id);
  }
}

/**
 * Refuses with CONFLICT a change that has just been written if nobody is left who is administrator everywhere and without
 * end. Called last, inside the transaction: those that ask do so one after the other, so that of two who remove each other
 * one is refused.
 */
export async function demandAdministrator(tx: Pick<Transaction, 'roles' | 'grants'>): Promise<void> {
  const role = await tx.roles.findByName(ADMINISTRATOR);
  if (role !== null && (await tx.grants.isHeld(role.id))) return;
  throw lastAdministrator();
}

function lastAdministrator(): Refusal {
  return new Refusal('CONFLICT', 'Nobody would be administrator any more. Make somebody else administrator first.', {
    reason: 'last_administrator',
  });
}
