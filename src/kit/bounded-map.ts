export interface Weighing<V> {
  readonly weightOf: (value: V) => number;
  /** Of all values together. */
  readonly weightMax: number;
}

interface Entry<V> {
  readonly value: V;
  /** Since the hand came by. */
  asked: boolean;
}

/** Of so many that were asked for, the next goes all the same: making room has an end. */
const PASSED_MAX = 16;

/**
 * A map that forgets what was not asked for lately when it is full, or its values together weigh too much. Asking costs one look-up,
 * and moves nothing: where there is no room, a hand goes round, passes once by whatever was asked for since it last came by, and
 * takes the first that was not (CLOCK, or second chance).
 */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, Entry<V>>();
  readonly #sizeMax: number;
  readonly #weighing: Weighing<V> | null;
  #hand = this.#entries.entries();
  #weight = 0;

  constructor(sizeMax: number, weighing: Weighing<V> | null = null) {
    this.#sizeMax = sizeMax;
    this.#weighing = weighing;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.asked = true;
    return entry.value;
  }

  /** A value that weighs too much alone is not kept, nor the one before it. */
  set(key: K, value: V): void {
    this.delete(key);
    const weight = this.#weightOf(value);
    if (this.#weighing !== null && weight > this.#weighing.weightMax) return;
    while (!this.#hasRoomFor(weight)) this.#makeRoom();
    this.#entries.set(key, { value, asked: false });
    this.#weight += weight;
  }

  delete(key: K): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#weight -= this.#weightOf(entry.value);
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #hasRoomFor(weight: number): boolean {
    if (this.#entries.size >= this.#sizeMax) return false;
    return this.#weighing === null || this.#weight + weight <= this.#weighing.weightMax;
  }

  #makeRoom(): void {
    for (let passed = 0; ;) {
      const { value: next } = this.#hand.next();
      if (next === undefined) {
        this.#hand = this.#entries.entries();
        continue;
      }
      const [key, entry] = next;
      if (!entry.asked || passed === PASSED_MAX) return this.delete(key);
      entry.asked = false;
      passed += 1;
    }
  }

  #weightOf(value: V): number {
    return this.#weighing === null ? 0 : this.#weighing.weightOf(value);
  }
}
