/**
 * How far we have come. Positions are `<epoch>-<number>`: numbers compare within an epoch, which is one history of the
 * database. A restored database begins another; once that has been seen, what still speaks of the one before is old,
 * whatever its number.
 */
export class Progress {
  #epoch = '';
  #number = -1;
  readonly #past = new Set<string>();

  /** Null before the first. */
  get position(): string | null {
    return this.#number < 0 ? null : `${this.#epoch}-${this.#number}`;
  }

  isPast(position: string): boolean {
    const { epoch, number } = parse(position);
    return this.#past.has(epoch) || (epoch === this.#epoch && number < this.#number);
  }

  moveTo(position: string): void {
    const { epoch, number } = parse(position);
    if (this.#number >= 0 && epoch !== this.#epoch) this.#past.add(this.#epoch);
    this.#epoch = epoch;
    this.#number = number;
  }
}

function parse(position: string): { readonly epoch: string; readonly number: number } {
  const at = position.lastIndexOf('-');
  const number = Number(position.slice(at + 1));
  if (at < 1 || !Number.isSafeInteger(number)) throw new TypeError(`this is no position: ${position}`);
  return { epoch: position.slice(0, at), number };
}
