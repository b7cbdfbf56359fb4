import type { IncomingHttpHeaders } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Origin } from '../../domain/authentication/origin.ts';

const USER_AGENT_LENGTH_MAX = 300;
/** A chain of proxies is far shorter. */
const HOPS_MAX = 32;
/** How an address of version 4 looks on a socket of version 6. */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The proxies whose word about where a request came from is taken. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** @param ranges addresses, or ranges such as `10.0.0.0/8` */
  constructor(ranges: readonly string[]) {
    for (const range of ranges) {
      const [address = '', prefix] = range.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  /**
   * Where a request came from: the nearest address on its way that is not a trusted proxy. What comes before that in
   * `X-Forwarded-For` was written by whoever it is, and may be anything.
   */
  clientOf({ 'x-forwarded-for': forwarded }: IncomingHttpHeaders, peer: string | null): string | null {
    const told = typeof forwarded === 'string' ? forwarded : (forwarded?.join(',') ?? '');
    const hops = told.split(',').slice(-HOPS_MAX);
    let client = peer === null ? null : plain(peer);
    while (client !== null && this.has(client)) {
      const next = plain(hops.pop()?.trim() ?? '');
      // A trusted proxy that says nothing, or nothing that is an address, is as far as we know.
      if (isIP(next) === 0) return client;
      client = next;
    }
    return client;
  }

  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }

  /** Whether one of them is at the other end. */
  isPeer(peer: string | undefined): boolean {
    return peer !== undefined && this.has(plain(peer));
  }
}

/** From where, and with what, a request or a WebSocket came. */
export function requestOrigin(headers: IncomingHttpHeaders, peer: string | null, proxies: TrustedProxies): Origin {
  const client = headers['apollographql-client-name'];
  return {
    userAgent: headers['user-agent']?.slice(0, USER_AGENT_LENGTH_MAX) ?? null,
    address: proxies.clientOf(headers, peer),
    client: typeof client === 'string' ? client : null,
  };
}

const plain = (address: string): string => MAPPED.exec(address)?.[1] ?? address;
