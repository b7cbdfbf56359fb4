export interface Weighing<V> {
  readonly weightOf: (value: V) => number;
  /** Of all values together. */
  readonly weightMax: number;
}

/** A map that forgets its least recently used entries when it is full, or its values together weigh too much. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #sizeMax: number;
  readonly #weighing: Weighing<V> | null;
  #weight = 0;

  constructor(sizeMax: number, weighing: Weighing<V> | null = null) {
    this.#sizeMax = sizeMax;
    this.#weighing = weighing;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#weight += this.#weightOf(value);
    while (this.#entries.size > this.#sizeMax || this.#isTooHeavy()) {
      const [oldest] = this.#entries.keys();
      if (oldest === undefined) return;
      this.delete(oldest);
    }
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value !== undefined) this.#weight -= this.#weightOf(value);
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#weight = 0;
  }

  #isTooHeavy(): boolean {
    return this.#weighing !== null && this.#weight > this.#weighing.weightMax;
  }

  #weightOf(value: V): number {
    return this.#weighing === null ? 0 : this.#weighing.weightOf(value);
  }
}
