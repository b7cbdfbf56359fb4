/** Where secrets would show: in texts that hold much, in whatever form a program may have written them. */

const WINDOW = 14;
const ENCODINGS = ['base64', 'base64url'] as const;

/** A secret as it was handed out, or what it stands for. */
export type Secretive = string | Buffer;

/** Every way to write it: as it is, as hex in small letters and capitals, and as a part of something in base64. */
export function formsOf(secret: Secretive): readonly string[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString('hex');
  const encoded = [0, 1, 2].flatMap((before) => ENCODINGS.map((encoding) => within(bytes, before, encoding)));
  return [...(typeof secret === 'string' ? [secret] : []), hex, hex.toUpperCase(), ...encoded];
}

/** What of the base64 of something longer depends on these bytes alone, when so many bytes stand before them. */
function within(bytes: Buffer, before: number, encoding: (typeof ENCODINGS)[number]): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding);
  return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
}

/** Finds many secrets at once: each by the first and the last symbols of each of its forms. */
export class ByteSearch {
  readonly #windows = new Map<string, string>();
  #count = 0;

  /** How many secrets are looked for. */
  get count(): number {
    return this.#count;
  }

  /** @param kind what is told when it is found */
  add(kind: string, secret: Secretive): void {
    this.#count += 1;
    for (const form of formsOf(secret)) {
      if (form.length < WINDOW) throw new TypeError(`a ${kind} of ${form.length} symbols is too short to look for`);
      for (const window of [form.slice(0, WINDOW), form.slice(-WINDOW)]) this.#windows.set(window, kind);
    }
  }

  /** The kinds of what is in the text, each with the place. */
  find(text: string): readonly string[] {
    const found: string[] = [];
    for (let at = 0; at + WINDOW <= text.length; at += 1) {
      const kind = this.#windows.get(text.slice(at, at + WINDOW));
      if (kind !== undefined) found.push(`${kind} in …${text.slice(Math.max(0, at - 80), at)}`);
    }
    return found;
  }
}
