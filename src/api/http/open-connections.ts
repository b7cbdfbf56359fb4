import { Refusal } from '../../domain/refusals.ts';
import type { SocketLimits } from '../../kit/limits.ts';
import { networkOf } from '../../kit/networks.ts';

/** Files that no connection takes: those of the database and of Redis, and what is read from the disk. */
const FILES_FOR_ITSELF = 100;
/** Files that connections which stay open leave alone: those, and for requests. */
const FILES_LEFT = 400;

/** How many connections of all kinds there may be under this limit of open files. Few files are shared out. */
export function connectionsMax(filesMax: number): number {
  return filesMax - Math.min(FILES_FOR_ITSELF, filesMax / 4);
}

/** Connections that stay open, by whose they are and where they come from: WebSockets and event streams alike. */
export class OpenConnections {
  readonly #limits: Pick<SocketLimits, 'perUser' | 'perAddress'>;
  readonly #users = new Map<string, number>();
  readonly #networks = new Map<string, number>();
  readonly #max: number;
  #count = 0;

  /** @param filesMax how many files may be open */
  constructor(limits: Pick<SocketLimits, 'perUser' | 'perAddress'>, filesMax = Infinity) {
    this.#limits = limits;
    this.#max = Math.floor(filesMax - Math.min(FILES_LEFT, filesMax / 2));
  }

  /** Counts one more, whoever's it is, until the returned function is called; refuses with AUTHORITY_UNAVAILABLE one too many. */
  any(): () => void {
    if (this.#count >= this.#max) {
      throw new Refusal('AUTHORITY_UNAVAILABLE', 'As many connections are open here as can be. Try again shortly.', {
        retryAfterSeconds: 5,
      });
    }
    this.#count += 1;
    return once(() => {
      this.#count -= 1;
    });
  }

  /** Counts one more of this user until the returned function is called; refuses with RATE_LIMITED one too many. */
  ofUser(id: string): () => void {
    return enter(this.#users, id, this.#limits.perUser);
  }

  /** The same of a network. Where no address is known, nothing is counted. */
  from(address: string | null): () => void {
    return address === null ? () => {} : enter(this.#networks, networkOf(address), this.#limits.perAddress);
  }
}

function enter(counts: Map<string, number>, key: string, max: number): () => void {
  const count = counts.get(key) ?? 0;
  if (count >= max) throw new Refusal('RATE_LIMITED', 'Too many connections are open.', { retryAfterSeconds: 5 });
  counts.set(key, count + 1);
  return once(() => {
    const now = counts.get(key) ?? 0;
    if (now <= 1) counts.delete(key);
    else counts.set(key, now - 1);
  });
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
