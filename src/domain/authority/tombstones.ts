import { isId } from '../../kit/ids.ts';
import type { LogEntry } from './log.ts';

/**
 * What the recent log says about each target: the newest position that revoked it, and the newest that
 * touched it at all. Positions at or below the horizon are forgotten, so whatever is labelled older than
 * the horizon cannot be judged here and must be read again.
 */
export class Tombstones {
  readonly #revoked = new Map<string, number>();
  readonly #touched = new Map<string, number>();
  readonly #order: { readonly seq: number; readonly learnedMs: number; readonly target: string }[] = [];
  #first = 0;
  #horizon: number;
  /** How many there were before those of {@link #order}. */
  #before: number;

  /** @param version the next after that of the tombstones in whose place these come */
  constructor(horizon: number, version = 0) {
    this.#horizon = horizon;
    this.#before = version;
  }

  get horizon(): number {
    return this.#horizon;
  }

  get size(): number {
    return this.#touched.size;
  }

  /** Grows with every entry. */
  get version(): number {
    return this.#before + this.#order.length;
  }

  /** What the entries are about that were added since that version; null where they are not known any more. */
  targetsSince(version: number): readonly string[] | null {
    const from = version - this.#before;
    return from < 0 ? null : this.#order.slice(from).map(({ target }) => target);
  }

  /** @param nowMs the instance's monotonic clock: how long an entry is kept is nobody else's clock's to say */
  add({ seq, target, kind }: LogEntry, nowMs: number): void {
    this.#order.push({ seq, learnedMs: nowMs, target });
    this.#touched.set(target, seq);
    if (kind === 'revoked') this.#revoked.set(target, seq);
  }

  /** Whether a credential labelled `label` was taken away since, by the revocation of this target. */
  revokedSince(target: string, label: number): boolean {
    const seq = this.#revoked.get(target);
    return seq !== undefined && takesAway(target, seq, label);
  }

  /** Whether what was computed at `asOf` from these targets may have changed since. */
  touchedSince(targets: readonly string[], asOf: number): boolean {
    if (asOf < this.#horizon) return true;
    for (const target of targets) {
      const seq = this.#touched.get(target);
      if (seq !== undefined && seq > asOf) return true;
    }
    return false;
  }

  /** Forgets entries learned before `oldestMs` and raises the horizon past them. */
  forgetBefore(oldestMs: number): void {
    let entry = this.#order[this.#first];
    while (entry !== undefined && entry.learnedMs < oldestMs) {
      this.#horizon = entry.seq;
      if (this.#touched.get(entry.target) === entry.seq) this.#touched.delete(entry.target);
      if (this.#revoked.get(entry.target) === entry.seq) this.#revoked.delete(entry.target);
      entry = this.#order[++this.#first];
    }
    if (this.#first > 1_000 && this.#first * 2 > this.#order.length) {
      this.#order.splice(0, this.#first);
      this.#before += this.#first;
      this.#first = 0;
    }
  }
}

/**
 * Whether the revocation of a target takes away a credential with this label. That of a signing key takes away all of its
 * tokens: whoever has the key can write any label into one.
 */
export function takesAway(target: string, seq: number, label: number): boolean {
  return seq > label || isId('signingKey', target);
}
