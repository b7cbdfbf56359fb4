import { setTimeout as pause } from 'node:timers/promises';
import { LIMITS } from '../../src/kit/limits.ts';
import { ask, Socket, type Reply } from './clients.ts';
import type { Instance } from './cluster.ts';

/** Somebody whose right is going to be taken away, and the question that shows whether it is honoured. */
export interface Victim {
  readonly how: 'revokeSession' | 'disableUser' | 'revokeRole';
  readonly userId: string;
  readonly sessionId: string;
  readonly token: string;
  readonly query: string;
  isHonoured(data: NonNullable<Reply['data']>): boolean;
  /** When the change was first asked for. */
  askedAtMs: number;
  /** When the receipt arrived that says it is enforced. */
  enforcedAtMs: number;
  /** Whether the change was made, and no receipt could be had for it. */
  unconfirmed: boolean;
  /** Instances and transports it was honoured on, before. */
  readonly honouredOn: Set<string>;
  /** The probe that started last of those that were honoured. */
  lastHonoured: { readonly startedAtMs: number; readonly where: string } | null;
}

/** @param sought whose record it may read as long as it has its right: its own, or that of another */
export function victimOf(
  { how, userId, sessionId, token }: Pick<Victim, 'how' | 'userId' | 'sessionId' | 'token'>,
  sought = userId,
): Victim {
  const field = sought === userId ? 'me' : `user(id: "${sought}")`;
  return {
    how,
    userId,
    sessionId,
    token,
    query: `{ found: ${field} { id } }`,
    isHonoured: ({ found }) => (found as { id: string } | null)?.id === sought,
    askedAtMs: Infinity,
    enforcedAtMs: Infinity,
    unconfirmed: false,
    honouredOn: new Set(),
    lastHonoured: null,
  };
}

/** `limited`: too many questions had piled up on one socket. `expired`: the token's own time was over, which proves nothing. */
export type Outcome = 'honoured' | 'refused' | 'expired' | 'unavailable' | 'internal' | 'limited' | 'lost';

export type Counts = Record<Outcome | 'afterEnforced', number>;

const REFUSALS = new Set(['SESSION_REVOKED', 'UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND']);
const RECENT_MS = 7_000;
/** A socket that sends more than it may is closed: the loop leaves half of it to the bursts. */
const FRAME_MS = (2 * LIMITS.sockets.framesMs) / LIMITS.sockets.frames;

/** What all probes came to. */
export class ProbeRecord {
  readonly victims: Victim[] = [];
  /** Answers that no fault excuses, each described. */
  readonly unexpected: string[] = [];
  readonly counts: Counts = {
    honoured: 0,
    refused: 0,
    expired: 0,
    unavailable: 0,
    internal: 0,
    limited: 0,
    lost: 0,
    afterEnforced: 0,
  };
  /** Whether a masked fault is to be expected now: the database is away. */
  internalAllowed = false;
  #turn = 0;

  /** Whom to probe next: mostly those whose turn is now or was just now, and also those of long ago. */
  next(): Victim | undefined {
    this.#turn += 1;
    const now = performance.now();
    const current = this.victims.filter(({ enforcedAtMs }) => enforcedAtMs > now - RECENT_MS);
    const among = this.#turn % 4 === 0 || current.length === 0 ? this.victims : current;
    return among[Math.floor(this.#turn * 7.3) % among.length];
  }

  note(victim: Victim, where: string, startedAtMs: number, reply: Reply | null): void {
    const outcome = this.#outcome(victim, where, reply);
    this.counts[outcome] += 1;
    if (startedAtMs >= victim.enforcedAtMs && outcome !== 'expired') this.counts.afterEnforced += 1;
    if (outcome === 'honoured') {
      if (victim.askedAtMs === Infinity) victim.honouredOn.add(where);
      if (startedAtMs >= (victim.lastHonoured?.startedAtMs ?? 0)) victim.lastHonoured = { startedAtMs, where };
    }
    if (outcome === 'refused' && victim.askedAtMs === Infinity) {
      this.unexpected.push(`${where} refused ${victim.how} before it was asked for: ${describe(reply)}`);
    }
  }

  failed(where: string, error: unknown): void {
    this.counts.lost += 1;
    this.unexpected.push(`${where} did not answer: ${String(error)}`);
  }

  /** Probes that were honoured though they started when the receipt had arrived. */
  get violations(): readonly string[] {
    return this.victims.flatMap(({ lastHonoured, enforcedAtMs, how, sessionId }) => {
      if (lastHonoured === null || lastHonoured.startedAtMs < enforcedAtMs) return [];
      const lateMs = (lastHonoured.startedAtMs - enforcedAtMs).toFixed(1);
      return [`${lastHonoured.where} honoured ${sessionId} ${lateMs} ms after ${how} was enforced`];
    });
  }

  #outcome(victim: Victim, where: string, reply: Reply | null): Outcome {
    if (reply === null) return 'lost';
    const { status, data, codes } = reply;
    if (data !== null && victim.isHonoured(data)) return 'honoured';
    if (codes.includes('AUTHORITY_UNAVAILABLE') && (status === 503 || status === 200)) return 'unavailable';
    if (codes.includes('RATE_LIMITED') && status === 200) return 'limited';
    if (codes.includes('INTERNAL')) {
      if (!this.internalAllowed) this.unexpected.push(`${where}: ${describe(reply)}`);
      return 'internal';
    }
    if (codes[0] === 'TOKEN_EXPIRED' && hasExpired(victim.token)) return 'expired';
    const refused = status < 500 && codes.every((code) => REFUSALS.has(code));
    if (!refused) this.unexpected.push(`${where}: ${describe(reply)}`);
    return 'refused';
  }
}

function hasExpired(token: string): boolean {
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { exp: number };
  return exp * 1_000 <= Date.now();
}

function describe(reply: Reply | null): string {
  return reply === null ? 'nothing' : `${reply.status} ${reply.codes.join(', ')} ${JSON.stringify(reply.data)}`;
}

/** Probes one instance without pause over HTTP and one long-lived WebSocket. */
export class Prober {
  readonly #instance: Instance;
  readonly #record: ProbeRecord;
  readonly #loops: Promise<void>[] = [];
  #socket: Socket | null = null;
  #closedWith = 0;
  #stopped = false;

  constructor(instance: Instance, record: ProbeRecord) {
    this.#instance = instance;
    this.#record = record;
  }

  async start(): Promise<void> {
    this.#socket = await Socket.open(this.#instance.url, null);
    this.#socket.closed.then((how) => (this.#closedWith = how)).catch(() => {});
    const overSocket = async (victim: Victim): Promise<void> => {
      await pause(FRAME_MS);
      await this.overSocket(victim);
    };
    this.#loops.push(this.#loop(this.overHttp), this.#loop(this.overHttp), this.#loop(overSocket));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
    this.#socket?.close();
  }

  /** Asks at once over both transports, whatever the loops are waiting for. */
  async burst(victim: Victim): Promise<void> {
    await Promise.all([this.overHttp(victim), this.overSocket(victim), this.overHttp(victim)]);
  }

  readonly overHttp = async (victim: Victim): Promise<void> => {
    const where = `instance ${this.#instance.index} over HTTP`;
    const startedAtMs = performance.now();
    try {
      this.#record.note(victim, where, startedAtMs, await ask(this.#instance.url, victim.query, victim));
    } catch (error) {
      this.#record.failed(where, error);
    }
  };

  readonly overSocket = async (victim: Victim): Promise<void> => {
    const where = `instance ${this.#instance.index} over WebSocket`;
    if (this.#socket?.isOpen !== true) {
      return this.#record.failed(where, `the socket was closed with ${this.#closedWith}`);
    }
    const startedAtMs = performance.now();
    this.#record.note(victim, where, startedAtMs, await this.#socket.ask(victim.query, victim.token));
  };

  async #loop(probe: (victim: Victim) => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      const victim = this.#record.next();
      // Other processes share this machine's processors: a loop that never yields would be a fault of its own.
      if (victim === undefined) await pause(10);
      else await probe(victim);
    }
  }
}

/** A session's own socket with a live subscription, as an application holds one. */
export class Listener {
  readonly victim: Victim;
  readonly closed: Promise<number>;
  /** Type names and codes of what came, in order. */
  readonly events: string[] = [];
  /** Sessions whose end it was told of, with the time. */
  readonly told: { readonly sessionId: string; readonly atMs: number }[] = [];
  readonly over: Promise<void>;
  readonly #socket: Socket;
  readonly #where: string;

  private constructor(victim: Victim, where: string, socket: Socket) {
    this.victim = victim;
    this.#where = where;
    this.#socket = socket;
    this.closed = socket.closed;
    const query =
      'subscription { sessionEvents { __typename ... on SessionRevoked { sessionId } ... on AccessEnded { code } } }';
    this.over = socket.subscribe(query, ({ data, codes, answeredAtMs }) => {
      const event = data?.['sessionEvents'] as { __typename: string; code?: string; sessionId?: string } | undefined;
      this.events.push([event?.__typename, event?.code, ...codes].filter((word) => word !== undefined).join(' '));
      if (event?.sessionId !== undefined) this.told.push({ sessionId: event.sessionId, atMs: answeredAtMs });
    });
  }

  static async open(instance: Instance, victim: Victim): Promise<Listener> {
    const socket = await Socket.open(instance.url, victim.token);
    return new Listener(victim, `instance ${instance.index} over its own socket`, socket);
  }

  /** Asks over its own socket, as whom the socket was opened for. */
  async probe(record: ProbeRecord): Promise<void> {
    if (!this.#socket.isOpen) return;
    const startedAtMs = performance.now();
    const reply = await this.#socket.ask(this.victim.query, null);
    // Closed under the question: that is an answer too.
    if (reply !== null) record.note(this.victim, this.#where, startedAtMs, reply);
  }
}
