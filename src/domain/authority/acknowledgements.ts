import type { Keys } from '../../kit/secret.ts';
import type { Acknowledgement } from './hints.ts';
import { sameEpoch, type Position } from './position.ts';

/**
 * How far every instance is known to have applied the log. Only signed news and rows of the database count:
 * whoever can write to Redis must not be able to make a receipt say "enforced".
 */
export class Acknowledgements {
  readonly #keys: Keys;
  readonly #applied = new Map<string, Position>();
  readonly #watchers = new Set<() => void>();

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  sign(instanceId: string, { epoch, seq }: Position): Acknowledgement {
    const signature = this.#keys.sign('acknowledgements', instanceId, epoch, String(seq));
    return { instanceId, epoch, applied: seq, signature };
  }

  /** Takes news from another instance; a forged or torn one is dropped. */
  receive({ instanceId, epoch, applied, signature }: Acknowledgement): void {
    if (!this.#keys.verify('acknowledgements', signature, instanceId, epoch, String(applied))) return;
    this.note(instanceId, { epoch, seq: applied });
  }

  /** Takes what this process itself knows: its own progress, or a row of the instances table. */
  note(instanceId: string, position: Position): void {
    const known = this.#applied.get(instanceId);
    if (known !== undefined && sameEpoch(known.epoch, position.epoch) && known.seq >= position.seq) return;
    this.#applied.set(instanceId, position);
    for (const watcher of this.#watchers) watcher();
  }

  has(instanceId: string, { epoch, seq }: Position): boolean {
    const known = this.#applied.get(instanceId);
    return known !== undefined && sameEpoch(known.epoch, epoch) && known.seq >= seq;
  }

  /** Forgets every instance that is no member any more. */
  retain(members: ReadonlySet<string>): void {
    for (const instanceId of this.#applied.keys()) if (!members.has(instanceId)) this.#applied.delete(instanceId);
  }

  /** Calls `fn` on every progress until the returned function is called. */
  watch(fn: () => void): () => void {
    this.#watchers.add(fn);
    return () => this.#watchers.delete(fn);
  }
}
