import type { Client } from 'graphql-ws';
import { type Castellans, collect, instanceOf, oneMore, until } from './castellan.ts';

export const SESSION_EVENTS = `subscription ($after: String) {
  sessionEvents(after: $after) {
    __typename
    ... on SessionStarted { sessionId device { kind browser os } client at position }
    ... on SessionRefreshed { sessionId at position }
    ... on SessionRevoked { sessionId reason at position }
    ... on SessionExpired { sessionId reason at position }
    ... on Resync { position }
    ... on AccessEnded { code reason position }
  }
}`;

export interface SessionEvent {
  readonly __typename: string;
  readonly sessionId?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly at?: string;
  readonly position: string;
}

/** The events about one's sessions, in order. What waits in the socket is read when asked for. */
export function sessionEvents(client: Client, after?: string) {
  const events = collect<{ sessionEvents: SessionEvent }>(client, SESSION_EVENTS, { after });
  const next = async (): Promise<SessionEvent | null> => (await events.next())?.sessionEvents ?? null;
  return {
    next,
    async take(count: number): Promise<readonly (SessionEvent | null)[]> {
      const taken = [];
      for (let n = 0; n < count; n += 1) taken.push(await next());
      return taken;
    },
    stop: async () => events.stop?.(),
  };
}

/** Resolves when so many on this instance are told of whatever happens from now on. */
export async function untilFollowed({ apps }: Castellans, instance: number, count: number): Promise<void> {
  await until(() => apps[instance]?.services.eventFeeds.subscribers === count);
}

/** What `open` subscribes to on this instance, when it is sure to be told of whatever happens from now on. */
export async function listening<Stream extends { next(): Promise<unknown> }>(
  castellans: Castellans,
  instance: number,
  open: () => Stream | Promise<Stream>,
): Promise<Stream> {
  const app = instanceOf(castellans, instance);
  return oneMore(app, () => app.services.eventFeeds.subscribers, open);
}

/** The end of the feed, once everything that is committed has its number. */
export async function endOfFeed(castellans: Castellans): Promise<string> {
  await castellans.apps[0]?.services.drainer.drain();
  const [head] = await castellans.rows<{ epoch: string; seq: string }>(
    'select a.epoch, h.seq from outbox_head h, authority_head a',
  );
  return `events-${head?.epoch.slice(0, 8)}-${head?.seq}`;
}

export const numberOf = (event: SessionEvent | null | undefined): number => Number(event?.position.split('-').at(-1));

/** What an event says, without when and where. */
export const said = (event: SessionEvent | null) => [event?.__typename, event?.sessionId];
