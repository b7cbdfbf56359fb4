import type { Client } from 'graphql-ws';
import { type Castellans, collect, instanceOf, oneMore, until } from './castellan.ts';
import { openStream } from './event-stream.ts';
import type { Shown } from './every-door.ts';

/** The feeds of which everybody is told what they may read, with what tests ask of each event. */
export const FEEDS = {
  apiKeyEvents: `__typename
    ... on ApiKeyCreated { apiKeyId apiKey { id name owner { id } } at position }
    ... on ApiKeyUpdated { apiKeyId apiKey { id name } at position }
    ... on ApiKeyRotated { apiKeyId apiKey { id lastFour } at position }
    ... on ApiKeyRevoked { apiKeyId apiKey { id revokedReason } reason at position }
    ... on ApiKeyExpired { apiKeyId apiKey { id expiresAt } at position }
    ... on Resync { position }
    ... on AccessEnded { code position }`,
  authEvents: `__typename
    ... on SignInSucceeded { userId user { id } sessionId session { id } device { kind browser os } client at position }
    ... on SignInFailed { userId user { id } outcome device { kind browser os } client at position }
    ... on Resync { position }
    ... on AccessEnded { code position }`,
  securityEventRaised: `__typename
    ... on SecurityEventRaised { securityEvent { id kind userId address scope } position }
    ... on Resync { position }
    ... on AccessEnded { code position }`,
} as const;

export type FeedName = keyof typeof FEEDS;

export interface FeedEvent {
  readonly __typename: string;
  readonly apiKeyId?: string;
  readonly apiKey?: Readonly<Record<string, unknown>> | null;
  readonly userId?: string;
  readonly sessionId?: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly securityEvent?: Readonly<Record<string, unknown>> & { readonly id: string; readonly userId: string };
  readonly position: string;
}

interface Message {
  readonly data?: Readonly<Record<string, FeedEvent>> | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

export type FeedDoor = 'WebSocket' | 'event stream';

interface Following {
  readonly shown: Shown;
  readonly instance: number;
  readonly door?: FeedDoor;
  readonly after?: string | undefined;
  /** The socket, where it is to be one that is there. */
  readonly client?: Client;
}

const documentOf = (feed: FeedName) =>
  `subscription ($after: String) { it: ${feed}(after: $after) { ${FEEDS[feed]} } }`;

/** A subscription to one of the feeds, by either door. */
export async function subscribeTo(castellans: Castellans, feed: FeedName, following: Following) {
  const { shown, instance, door = 'WebSocket', after, client } = following;
  if (door === 'WebSocket') {
    const events = collect<Record<string, FeedEvent>>(
      client ?? castellans.connect({ ...shown, instance }),
      documentOf(feed),
      { after },
    );
    return streamOf(
      () => events.next(),
      async () => void (await events.stop?.()),
    );
  }
  const headers: Record<string, string> =
    'token' in shown ? { authorization: `Bearer ${shown.token}` } : { 'x-api-key': shown.apiKey };
  const url = castellans.apps[instance]?.url ?? '';
  const stream = await openStream(url, documentOf(feed), { variables: { after }, headers });
  const next = async (): Promise<Readonly<Record<string, FeedEvent>> | null> => {
    const { data } = (await stream.next()) ?? {};
    const { data: told = null, errors } = Object(data) as Message;
    if (errors !== undefined) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
    return told;
  };
  return streamOf(next, () => Promise.resolve(stream.leave()));
}

function streamOf(told: () => Promise<Readonly<Record<string, FeedEvent>> | null>, stop: () => Promise<void>) {
  const next = async (): Promise<FeedEvent | null> => (await told())?.['it'] ?? null;
  return {
    next,
    async take(count: number): Promise<readonly (FeedEvent | null)[]> {
      const taken = [];
      for (let n = 0; n < count; n += 1) taken.push(await next());
      return taken;
    },
    stop,
  };
}

/** The same, once it is sure to be told of whatever happens from now on. */
export async function follow(castellans: Castellans, feed: FeedName, following: Following) {
  const app = instanceOf(castellans, following.instance);
  const count = () => app.services.eventFeeds.subscribers;
  const stream = await oneMore(app, count, () => subscribeTo(castellans, feed, following));
  return {
    ...stream,
    async stop(): Promise<void> {
      const now = count();
      await stream.stop();
      await until(() => count() < now);
    },
  };
}
