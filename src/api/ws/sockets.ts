import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { GraphQLSchema } from 'graphql';
import { handleProtocols, makeServer } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { REFUSALS, Refusal, type RefusalCode } from '../../domain/refusals.ts';
import type { Services } from '../graphql/services.ts';
import type { Documents } from '../graphql/documents.ts';
import { noteTurnedAway } from '../graphql/signals.ts';
import { byGateway, gatewayIn } from '../http/gateways.ts';
import type { OpenConnections } from '../http/open-connections.ts';
import { requestOrigin } from '../http/request-origin.ts';
import type { Origins } from '../http/origins.ts';
import { IN_THE_CLEAR, type TlsOnly } from '../http/tls-only.ts';
import { noteRefusedFrame } from './attempts.ts';
import { CLOSE, Connection } from './connection.ts';
import { frameRate } from './frame-rate.ts';
import { Liveness } from './liveness.ts';
import { answerPings } from './pings.ts';
import { protocolOptions, type Extra, type InitPayload } from './protocol.ts';

/** Parts that one message comes in. */
const FRAGMENTS_MAX = 1_024;
const BAD_REQUEST = 4400;
const ALREADY_THERE = 4409;
const RETRY_SECONDS = 5;

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
  /** Null where sockets may be in the clear. */
  readonly tlsOnly: TlsOnly | null;
}

/** `graphql-transport-ws` on /graphql: the same principal, context, decisions and codes as over HTTP. */
export function serveSockets({
  httpServer,
  schema,
  documents,
  services,
  origins,
  open,
  tlsOnly,
}: SocketParts): Sockets {
  const limits = services.limits.sockets;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    // Frames that are the same for many are written as they are.
    perMessageDeflate: false,
    maxFragments: FRAGMENTS_MAX,
    handleProtocols,
  });
  const liveness = new Liveness();
  const protocol = makeServer<InitPayload, Extra>(protocolOptions(schema, documents, services, open));

  httpServer.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', destroy);
    if (tlsOnly?.refuses(request) === true) {
      return refuseUpgrade(socket, IN_THE_CLEAR.status, { body: IN_THE_CLEAR.body });
    }
    if (request.url?.split('?')[0] !== '/graphql') return turnAway(request, socket, 'NOT_FOUND');
    if (!origins.allow(request.headers)) {
      const refusal = new Refusal('FORBIDDEN', 'Not from there.', { reason: 'origin' });
      noteTurnedAway(refusal, addressOf(request), 'websocket', services);
      return turnAway(request, socket, 'FORBIDDEN');
    }
    if (gatewayIn(request.headers) === null) return admit(request, socket, head);
    // It opens one for each of its users, all from one address.
    byGateway({ headers: request.headers, ip: request.socket.remoteAddress ?? '' }, services).then(
      () => begin(request, socket, head, () => {}),
      (error: unknown) => refuseGateway(request, socket, error),
    );
  });

  function admit(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const leave = entered(() => open.from(addressOf(request)));
    if (leave === null) return turnAway(request, socket, 'RATE_LIMITED');
    begin(request, socket, head, leave);
  }

  /** @param leaveAddress says that a connection from its address is gone; more than once does no harm */
  function begin(request: IncomingMessage, socket: Duplex, head: Buffer, leaveAddress: () => void): void {
    // It may have gone while its gateway was identified, and no event would say so again.
    if (socket.destroyed) return leaveAddress();
    const leave = entered(() => open.any());
    if (leave === null) {
      leaveAddress();
      return turnAway(request, socket, 'AUTHORITY_UNAVAILABLE', RETRY_SECONDS);
    }
    socket.on('close', both(leaveAddress, leave));
    sockets.handleUpgrade(request, socket, head, (ws) => serve(ws, request, leaveAddress));
  }

  function refuseGateway(request: IncomingMessage, socket: Duplex, error: unknown): void {
    if (!(error instanceof Refusal)) services.logger.error({ err: error }, 'a gateway could not be identified');
    const refusal = services.operationLimits.admitRefused(error, addressOf(request))?.refusal ?? error;
    if (refusal instanceof Refusal) turnAway(request, socket, refusal.code);
    else refuseUpgrade(socket, 500);
  }

  function turnAway(request: IncomingMessage, socket: Duplex, code: RefusalCode, retryAfterSeconds?: number): void {
    services.attempts.note(code, 'websocket', addressOf(request), null);
    refuseUpgrade(socket, REFUSALS[code].status, { retryAfterSeconds });
  }

  function addressOf({ headers, socket: { remoteAddress } }: IncomingMessage): string | null {
    return services.proxies.clientOf(headers, remoteAddress ?? null);
  }

  function serve(ws: WebSocket, { headers, socket }: IncomingMessage, leaveAddress: () => void): void {
    const peer = socket.remoteAddress ?? null;
    const connection = new Connection(ws, socket, requestOrigin(headers, peer, services.proxies), services);
    const pinged = liveness.add(ws);
    // Nothing else of the request is kept as long as the socket is.
    const extra: Extra = { connection, headers, peer, origin: headers.origin ?? null, leaveAddress };
    const pong = answerPings(connection, services);
    const mayCome = frameRate(limits, services.clock);
    const isListenedTo = (): boolean => {
      if (connection.closing) return false;
      if (mayCome()) return true;
      refused('RATE_LIMITED', CLOSE.TOO_MANY, 'Too many messages');
      return false;
    };
    const refused = (code: RefusalCode, closing: number, reason: string): void => {
      noteRefusedFrame(code, connection, services);
      connection.close(closing, reason);
    };
    /** Whether graphql-ws is to see it: what it is about has an id of ours then. */
    const isMeant = (message: Message): boolean => {
      const { type, id: name } = message;
      if (typeof name !== 'string' || name === '') return true;
      if (type === 'complete') {
        const left = connection.names.complete(name);
        if (left !== null) connection.abandoned(left);
        message.id = left;
        return left !== null;
      }
      if (type !== 'subscribe') return true;
      const begun = connection.names.begin(name);
      if (begun === null) refused('BAD_USER_INPUT', ALREADY_THERE, `Subscriber for ${name} already exists`);
      message.id = begun;
      return begun !== null;
    };
    const reply = (frame: string): Promise<void> => send(ws, connection.names.outgoing(frame), limits.unreadBytes);
    // They are answered below us, and are work all the same.
    ws.on('ping', isListenedTo);
    ws.on('pong', () => {
      pinged.answered = true;
      isListenedTo();
    });
    ws.on('error', (error: NodeJS.ErrnoException) => {
      services.logger.debug({ err: error }, 'a socket failed');
      // Of what a peer sends; others are of the connection.
      if (error.code?.startsWith('WS_ERR_') === true) noteRefusedFrame('BAD_USER_INPUT', connection, services);
    });
    const closed = protocol.opened(
      {
        protocol: ws.protocol,
        send: reply,
        onPing: async (payload) => reply(JSON.stringify(await pong(payload))),
        close(code = BAD_REQUEST, reason = '') {
          // Once it closes, we have said why.
          if (code < BAD_REQUEST || connection.closing) connection.close(code, reason);
          else refused('BAD_USER_INPUT', code, reason);
        },
        onMessage: (listener) =>
          ws.on('message', (frame: Buffer) => {
            if (!isListenedTo()) return;
            const message = messageIn(frame);
            if (message === null) return refused('BAD_USER_INPUT', BAD_REQUEST, NO_MESSAGE);
            if (!isMeant(message)) return;
            // It takes what is parsed as well, and keeps what it is given for as long as a subscription runs.
            listener(message as unknown as string).catch((error: unknown) => {
              services.logger.debug({ err: error }, 'a frame was refused');
              refused('BAD_USER_INPUT', BAD_REQUEST, NO_MESSAGE);
            });
          }),
      },
      extra,
    );
    ws.on('close', (code, reason) => {
      liveness.remove(pinged);
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
      liveness.stop();
      for (const ws of sockets.clients) {
        ws.close(CLOSE.GOING_AWAY, 'Going away');
        services.clock.after(500, () => ws.terminate());
      }
      await new Promise<void>((resolve) => sockets.close(() => resolve()));
    },
  };
}

/** What graphql-ws says itself. */
const NO_MESSAGE = 'Invalid message received';

interface Message {
  readonly type?: unknown;
  id?: unknown;
}

/** Null where it is no JSON object. */
function messageIn(frame: Buffer): Message | null {
  try {
    const message: unknown = JSON.parse(frame.toString());
    return typeof message === 'object' ? message : null;
  } catch {
    return null;
  }
}

/**
 * @param frame null for nothing
 * @param unreadMax a client that lets this much pile up unread is cut off
 */
function send(ws: WebSocket, frame: string | null, unreadMax: number): Promise<void> {
  if (frame === null || ws.readyState !== ws.OPEN) return Promise.resolve();
  if (ws.bufferedAmount > unreadMax) {
    ws.terminate();
    return Promise.resolve();
  }
  // A socket that died under the frame is seen by its close event.
  return new Promise((resolve) => ws.send(frame, () => resolve()));
}

/** Made out here: a function of its own in there would keep the request for as long as the socket is open. */
function both(one: () => void, other: () => void): () => void {
  return () => {
    one();
    other();
  };
}

function destroy(this: Duplex): void {
  this.destroy();
}

/** @returns null where one more is refused */
function entered(enter: () => () => void): (() => void) | null {
  try {
    return enter();
  } catch {
    return null;
  }
}

/** @param body JSON */
function refuseUpgrade(
  socket: Duplex,
  status: number,
  { retryAfterSeconds, body = '' }: { readonly retryAfterSeconds?: number | undefined; readonly body?: string } = {},
): void {
  const message = STATUS_CODES[status] ?? '';
  const again = retryAfterSeconds === undefined ? '' : `Retry-After: ${retryAfterSeconds}\r\n`;
  const type = body === '' ? '' : 'Content-Type: application/json; charset=utf-8\r\n';
  const length = `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  socket.end(`HTTP/1.1 ${status} ${message}\r\n${again}${type}Connection: close\r\n${length}\r\n${body}`);
}
