import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { REFUSALS, Refusal } from '../../domain/refusals.ts';
import type { Services } from '../graphql/context.ts';
import type { Documents } from '../graphql/documents.ts';
import { noteTurnedAway } from '../graphql/signals.ts';
import { byGateway, gatewayIn } from '../http/gateways.ts';
import type { OpenConnections } from '../http/open-connections.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { Origins } from '../http/origins.ts';
import { CLOSE, Connection } from './connection.ts';
import { frameRate } from './frame-rate.ts';
import { answerPings } from './pings.ts';
import { protocolOptions, type Extra, type InitPayload } from './protocol.ts';

const PING_MS = 12_000;
/** Parts that one message comes in. */
const FRAGMENTS_MAX = 1_024;
const BAD_REQUEST = 4400;

export interface Sockets {
  readonly count: number;
  /** Tells every client to go elsewhere, and resolves when all are gone. */
  close(): Promise<void>;
}

export interface SocketParts {
  readonly httpServer: Server;
  readonly schema: GraphQLSchema;
  readonly documents: Documents;
  readonly services: Services;
  /** Whose pages may connect. */
  readonly origins: Origins;
  readonly open: OpenConnections;
}

/** `graphql-transport-ws` on /graphql: the same principal, context, decisions and codes as over HTTP. */
export function serveSockets({ httpServer, schema, documents, services, origins, open }: SocketParts): Sockets {
  const limits = services.limits.sockets;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    maxFragments: FRAGMENTS_MAX,
    handleProtocols,
  });
  const protocol = makeServer<InitPayload, Extra>(protocolOptions(schema, documents, services, open));

  httpServer.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    if (request.url?.split('?')[0] !== '/graphql') return refuseUpgrade(socket, 404, 'Not Found');
    if (!origins.allow(request.headers)) {
      const address = services.proxies.clientOf(request.headers, request.socket.remoteAddress ?? null);
      noteTurnedAway(new Refusal('FORBIDDEN', 'Not from there.', { reason: 'origin' }), address, 'websocket', services);
      return refuseUpgrade(socket, 403, 'Forbidden');
    }
    if (gatewayIn(request.headers) === null) return admit(request, socket, head);
    // It opens one for each of its users, all from one address.
    byGateway({ headers: request.headers, ip: request.socket.remoteAddress ?? '' }, services).then(
      () => begin(request, socket, head, () => {}),
      (error: unknown) => refuseGateway(request, socket, error),
    );
  });

  function admit(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const leave = enter(request);
    if (leave === null) return refuseUpgrade(socket, 429, 'Too Many Requests');
    begin(request, socket, head, leave);
  }

  /** @param leaveAddress says that a connection from its address is gone; more than once does no harm */
  function begin(request: IncomingMessage, socket: Duplex, head: Buffer, leaveAddress: () => void): void {
    socket.once('close', leaveAddress);
    sockets.handleUpgrade(request, socket, head, (ws) => serve(ws, { request, leaveAddress }));
  }

  function refuseGateway(
    { headers, socket: { remoteAddress } }: IncomingMessage,
    socket: Duplex,
    error: unknown,
  ): void {
    if (!(error instanceof Refusal)) services.logger.error({ err: error }, 'a gateway could not be identified');
    const address = services.proxies.clientOf(headers, remoteAddress ?? null);
    const refusal = services.operationLimits.admitRefused(error, address)?.refusal ?? error;
    const status = refusal instanceof Refusal ? REFUSALS[refusal.code].status : 500;
    refuseUpgrade(socket, status, STATUS_CODES[status] ?? '');
  }

  function enter({ headers, socket }: IncomingMessage): (() => void) | null {
    try {
      return open.from(services.proxies.clientOf(headers, socket.remoteAddress ?? null));
    } catch {
      return null;
    }
  }

  function serve(ws: WebSocket, came: Pick<Extra, 'request' | 'leaveAddress'>): void {
    const { headers, socket } = came.request;
    const from = requestOrigin(headers, socket.remoteAddress ?? null, services.proxies);
    const connection = new Connection(ws, from, services);
    const extra: Extra = { connection, ...came };
    const pong = answerPings(connection, services);
    const mayCome = frameRate(limits, services.clock);
    const isListenedTo = (): boolean => {
      if (connection.closing) return false;
      if (mayCome()) return true;
      connection.close(CLOSE.TOO_MANY, 'Too many messages');
      return false;
    };
    const reply = (frame: string): Promise<void> => send(ws, frame, limits.unreadBytes);
    // They are answered below us, and are work all the same.
    ws.on('ping', isListenedTo);
    ws.on('pong', isListenedTo);
    ws.on('error', (error) => services.logger.debug({ err: error }, 'a socket failed'));
    const closed = protocol.opened(
      {
        protocol: ws.protocol,
        send: reply,
        onPing: async (payload) => reply(JSON.stringify(await pong(payload))),
        close: (code, reason) => connection.close(code ?? BAD_REQUEST, reason ?? ''),
        onMessage: (listener) =>
          ws.on('message', (frame: Buffer) => {
            if (!isListenedTo()) return;
            const text = frame.toString();
            const left = completedIn(text);
            if (left !== null) connection.abandoned(left);
            listener(text).catch((error: unknown) => {
              services.logger.debug({ err: error }, 'a frame was refused');
              connection.close(BAD_REQUEST, 'Invalid message received');
            });
          }),
      },
      extra,
    );
    const stopPinging = pingWhileAlive(ws);
    ws.once('close', (code, reason) => {
      stopPinging();
      connection.closed();
      closed(code, String(reason)).catch((error: unknown) =>
        services.logger.error({ err: error }, 'a socket did not close'),
      );
    });
  }

  return {
    get count() {
      return sockets.clients.size;
    },
    async close() {
      for (const ws of sockets.clients) {
        ws.close(CLOSE.GOING_AWAY, 'Going away');
        services.clock.after(500, () => ws.terminate());
      }
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
    },
  };
}

/** Longer than the frame of anybody who makes an id of their own. */
const COMPLETE_LENGTH_MAX = 1_000;

/** The operation that a client says it is done with, or null: graphql-ws lets go of its events, and of nothing that is under way. */
function completedIn(frame: string): string | null {
  if (frame.length > COMPLETE_LENGTH_MAX || !frame.includes('"complete"')) return null;
  try {
    const { type, id } = Object(JSON.parse(frame)) as { readonly type?: unknown; readonly id?: unknown };
    return type === 'complete' && typeof id === 'string' ? id : null;
  } catch {
    return null; // it is refused for what it is
  }
}

/** @param unreadMax a client that lets this much pile up unread is cut off */
function send(ws: WebSocket, frame: string, unreadMax: number): Promise<void> {
  if (ws.readyState !== ws.OPEN) return Promise.resolve();
  if (ws.bufferedAmount > unreadMax) {
    ws.terminate();
    return Promise.resolve();
  }
  // A socket that died under the frame is seen by its close event.
  return new Promise((resolve) => ws.send(frame, () => resolve()));
}

/** Cuts off a peer that does not answer a ping before the next one. The returned function stops it. */
function pingWhileAlive(ws: WebSocket): () => void {
  let answered = true;
  ws.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) return ws.terminate();
    answered = false;
    ws.ping();
  }, PING_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function refuseUpgrade(socket: Duplex, status: number, message: string): void {
  socket.end(`HTTP/1.1 ${status} ${message}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}
