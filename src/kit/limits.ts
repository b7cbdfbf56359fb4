import type { LoadLimits } from './load-shedder.ts';

/** What one GraphQL request may be. Each is the most that is allowed. */
export interface DocumentLimits {
  /** Tokens of the text. */
  readonly tokens: number;
  /** Brackets in each other, as they are written: the parser follows them with calls of its own. */
  readonly nesting: number;
  /** Operations and fragments that are written. */
  readonly definitions: number;
  /** Fields in each other, with fragments put in. Introspection is not counted. */
  readonly depth: number;
  /** Fields of an operation, with fragments put in. */
  readonly fields: number;
  readonly aliases: number;
  readonly directives: number;
  /** Fields of an operation itself. */
  readonly rootFields: number;
  /** Pairs of fields of one name in one place: validation compares each pair. */
  readonly repeats: number;
  /** Records that may be read, as its lists say. */
  readonly cost: number;
  /** Representations in all `_entities` of an operation. */
  readonly representations: number;
  /** Whether it may ask for the schema. */
  readonly introspection: boolean;
  /** Whether it may be any document, and not only one of those that are trusted. */
  readonly anyDocument: boolean;
}

export interface SocketLimits {
  readonly frameBytes: number;
  /** Operations that run on one socket. */
  readonly operations: number;
  readonly perUser: number;
  readonly perAddress: number;
  /** A socket that has not said who it is by then is closed. */
  readonly initMs: number;
  /** Frames of one socket in {@link SocketLimits.framesMs}. */
  readonly frames: number;
  readonly framesMs: number;
  /** What may wait for a client that does not read. */
  readonly unreadBytes: number;
}

export interface Limits {
  readonly load: LoadLimits;
  readonly bodyBytes: number;
  /** A handshake of TLS is over by then. */
  readonly handshakeMs: number;
  /** A request has sent its headers by then, and all of it. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** A connection on which nothing is read and nothing is written is closed. */
  readonly idleMs: number;
  readonly documents: DocumentLimits;
  /** Of gateways that are trusted: their documents are made by a planner, and speak for many. */
  readonly gatewayDocuments: DocumentLimits;
  readonly sockets: SocketLimits;
  /** How long a query may take, and how long a mutation may: a little more than a change of authority with its receipt. */
  readonly queryMs: number;
  readonly mutationMs: number;
}

const DOCUMENTS: DocumentLimits = Object.freeze({
  tokens: 5_000,
  nesting: 200,
  definitions: 100,
  depth: 12,
  fields: 2_500,
  aliases: 30,
  directives: 50,
  rootFields: 20,
  repeats: 2_000,
  cost: 5_000,
  representations: 500,
  introspection: true,
  anyDocument: true,
});

const GATEWAY_DOCUMENTS: DocumentLimits = Object.freeze({
  tokens: 10_000,
  nesting: 200,
  definitions: 200,
  depth: 20,
  fields: 5_000,
  aliases: 300,
  directives: 500,
  rootFields: 100,
  repeats: 4_000,
  cost: 50_000,
  representations: 5_000,
  introspection: true,
  anyDocument: true,
});

export const LIMITS: Limits = Object.freeze({
  load: Object.freeze({ turnMs: 100, lateMs: 500, workMs: 5 }),
  bodyBytes: 256 * 1_024,
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  idleMs: 60_000,
  documents: DOCUMENTS,
  gatewayDocuments: GATEWAY_DOCUMENTS,
  sockets: Object.freeze({
    frameBytes: 64 * 1_024,
    operations: 32,
    perUser: 20,
    perAddress: 1_000,
    initMs: 3_000,
    frames: 500,
    framesMs: 1_000,
    unreadBytes: 1_024 * 1_024,
  }),
  queryMs: 5_000,
  mutationMs: 7_000,
});

/** The limits of documents that have a number and a name. */
export type LimitName = Exclude<keyof DocumentLimits, 'introspection' | 'anyDocument'>;

export const LIMIT_NAMES = Object.entries(DOCUMENTS)
  .filter(([, value]) => typeof value === 'number')
  .map(([name]) => name) as readonly LimitName[];

/**
 * These limits with some of them changed.
 * @param text such as `depth=15,cost=8000`. A TypeError says what is wrong with it.
 */
export function changedLimits(limits: DocumentLimits, text: string): DocumentLimits {
  const changes = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [name = '', value = '', ...more] = part.split('=').map((each) => each.trim());
      const known = LIMIT_NAMES.find((each) => each === name);
      if (known === undefined) throw new TypeError(`knows ${LIMIT_NAMES.join(', ')}, each as in depth=15`);
      if (more.length > 0 || !/^[1-9]\d{0,6}$/.test(value)) {
        throw new TypeError(`must give ${known} a number from 1 to 9999999`);
      }
      return [known, Number(value)] as const;
    });
  return Object.freeze({ ...limits, ...Object.fromEntries(changes) });
}
