import { Refusal } from '../../domain/refusals.ts';
import type { SocketLimits } from '../../kit/limits.ts';
import { networkOf } from '../../kit/networks.ts';

/** Connections that stay open, by whose they are and where they come from: WebSockets and event streams alike. */
export class OpenConnections {
  readonly #limits: Pick<SocketLimits, 'perUser' | 'perAddress'>;
  readonly #users = new Map<string, number>();
  readonly #networks = new Map<string, number>();

  constructor(limits: Pick<SocketLimits, 'perUser' | 'perAddress'>) {
    this.#limits = limits;
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
  let left = false;
  return () => {
    if (left) return;
    left = true;
    const now = counts.get(key) ?? 0;
    if (now <= 1) counts.delete(key);
    else counts.set(key, now - 1);
  };
}
