import { addGateway } from './gateway-key.ts';
import { type Castellans, collect, instanceOf, oneMore, until } from './castellan.ts';

export const REVOCATIONS = `subscription ($after: String) {
  revocations(after: $after) {
    __typename
    ... on AuthorityChanged { targetType targetId kind at position }
    ... on Resync { position }
    ... on AccessEnded { code reason position }
  }
}`;

export interface RevocationEvent {
  readonly __typename: string;
  readonly targetType?: string;
  readonly targetId?: string;
  readonly kind?: string;
  readonly code?: string;
  readonly position: string;
}

/** What is revoked and changed, in order, as a listener is told. */
export function revocations(castellans: Castellans, { apiKey, instance, after }: Listening) {
  const events = collect<{ revocations: RevocationEvent }>(castellans.connect({ apiKey, instance }), REVOCATIONS, {
    after,
  });
  const next = async (): Promise<RevocationEvent | null> => (await events.next())?.revocations ?? null;
  return {
    next,
    async take(count: number): Promise<readonly (RevocationEvent | null)[]> {
      const taken = [];
      for (let n = 0; n < count; n += 1) taken.push(await next());
      return taken;
    },
    stop: async (): Promise<void> => void (await events.stop?.()),
  };
}

interface Listening {
  readonly apiKey: string;
  readonly instance: number;
  readonly after?: string | undefined;
}

const listenersOn = (castellans: Castellans, instance: number) =>
  instanceOf(castellans, instance).services.revocations.listeners;

/** Another subgraph: a service account that is told of revocations, and its API key. */
export const addListener = (castellans: Castellans) => addGateway(castellans, { roles: ['listener'] });

/** What is told on this instance from now on. */
export async function listen(castellans: Castellans, apiKey: string, instance: number) {
  const stream = await oneMore(
    instanceOf(castellans, instance),
    () => listenersOn(castellans, instance),
    () => revocations(castellans, { apiKey, instance }),
  );
  return {
    ...stream,
    /** Resolves when the instance tells it nothing more. */
    async stop(): Promise<void> {
      const told = listenersOn(castellans, instance);
      await stream.stop();
      await until(() => listenersOn(castellans, instance) < told);
    },
  };
}

/** The same on each of three. */
export async function listenEverywhere(castellans: Castellans, apiKey: string) {
  return [
    await listen(castellans, apiKey, 0),
    await listen(castellans, apiKey, 1),
    await listen(castellans, apiKey, 2),
  ];
}

/** Such as `revoked Session sess_1`. */
export const inWords = (event: RevocationEvent | null) => `${event?.kind} ${event?.targetType} ${event?.targetId}`;
