import type { WebSocket } from 'ws';

/** A peer that has not answered a ping before its next one is cut off. */
const PING_MS = 12_000;
/** Peers are pinged in so many turns: all at once would hold up what they are told. */
const TURNS = 48;

/** A socket, and whether its peer has answered the last ping. */
export interface Peer {
  readonly ws: WebSocket;
  readonly turn: number;
  answered: boolean;
}

/** Pings all sockets, by one timer, and cuts off those whose peer is gone. */
export class Liveness {
  readonly #turns = Array.from({ length: TURNS }, () => new Set<Peer>());
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  constructor() {
    this.#timer = setInterval(() => this.#ping(), PING_MS / TURNS);
    this.#timer.unref();
  }

  /** Pings it from a whole round on. */
  add(ws: WebSocket): Peer {
    // Of all turns, the one that has just been is the furthest away.
    const peer = { ws, turn: this.#turn, answered: true };
    this.#turns[peer.turn]?.add(peer);
    return peer;
  }

  remove(peer: Peer): void {
    this.#turns[peer.turn]?.delete(peer);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #ping(): void {
    this.#turn = (this.#turn + 1) % TURNS;
    for (const peer of this.#turns[this.#turn] ?? []) {
      if (peer.answered) {
        peer.answered = false;
        peer.ws.ping();
      } else {
        peer.ws.terminate();
      }
    }
  }
}
