import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import type { OpenConnections } from './open-connections.ts';
import type { TrustedProxies } from './request-origin.ts';

/**
 * Handshakes of TLS that are under way count as connections of where they come from: each costs a signature and is nobody's yet. Those
 * of a trusted proxy are everybody's, and are not counted.
 */
export class Handshakes {
  readonly #open: Pick<OpenConnections, 'from'>;
  readonly #proxies: Pick<TrustedProxies, 'isPeer'>;
  /** How to count one no more, by where its connection comes from: the encrypted one is another object. */
  readonly #underWay = new Map<string, () => void>();

  constructor(open: Pick<OpenConnections, 'from'>, proxies: Pick<TrustedProxies, 'isPeer'>) {
    this.#open = open;
    this.#proxies = proxies;
  }

  countOf(server: Server): void {
    server.on('connection', (socket: Socket) => this.#begin(socket));
    server.on('secureConnection', (socket) => this.#end(endOf(socket)));
  }

  #begin(socket: Socket): void {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || this.#proxies.isPeer(remoteAddress)) return;
    const end = endOf(socket);
    try {
      this.#underWay.set(end, this.#open.from(remoteAddress));
    } catch {
      socket.destroy();
      return;
    }
    socket.once('close', () => this.#end(end));
  }

  #end(end: string): void {
    this.#underWay.get(end)?.();
    this.#underWay.delete(end);
  }
}

function endOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
