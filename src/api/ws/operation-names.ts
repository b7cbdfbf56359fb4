/** How frames begin that are about an operation, as graphql-ws writes them. */
const HEAD = '{"id":"';
const NEXT = ',"type":"next"';

/**
 * What the operations on one socket are called. Who has completed one may give its name to the next, of another user where a gateway
 * asks, while the first still goes on: graphql-ws would answer the one with the other. So each has an id of its own, and what
 * comes of one that was completed is not sent.
 */
export class OperationNames {
  #count = 0;
  /** By what the client calls them. */
  readonly #ids = new Map<string, string>();
  /** By id, as JSON. */
  readonly #names = new Map<string, string>();

  /** The id of one that begins; null where one of this name has not ended. */
  begin(name: string): string | null {
    if (this.#ids.has(name)) return null;
    this.#count += 1;
    const id = String(this.#count);
    this.#ids.set(name, id);
    this.#names.set(id, JSON.stringify(name));
    return id;
  }

  /** Its client has completed it: the id that it had; null where there is none of this name. */
  complete(name: string): string | null {
    const id = this.#ids.get(name) ?? null;
    if (id !== null) this.#forget(id, name);
    return id;
  }

  /** What its client calls the one with this id, as JSON; null when that has completed it. */
  nameOf(id: string): string | null {
    return this.#names.get(id) ?? null;
  }

  /** A frame as its client is to get it; null where it is about an operation that was completed. */
  outgoing(frame: string): string | null {
    if (!frame.startsWith(HEAD)) return frame;
    const end = frame.indexOf('"', HEAD.length);
    const id = frame.slice(HEAD.length, end);
    const name = this.nameOf(id);
    if (name === null) return null;
    const rest = frame.slice(end + 1);
    // Its last word frees its name.
    if (!rest.startsWith(NEXT)) this.#forget(id, JSON.parse(name) as string);
    return `{"id":${name}${rest}`;
  }

  #forget(id: string, name: string): void {
    this.#ids.delete(name);
    this.#names.delete(id);
  }
}
