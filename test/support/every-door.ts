import { askOver, type Answer, type Castellans } from './castellan.ts';
import { openStream } from './event-stream.ts';

/** A token or an API key. */
export type Shown = { readonly token: string } | { readonly apiKey: string };

/** One way by which an operation comes in. */
export interface WayIn {
  readonly name: string;
  /** What the errors are said to be that one query is answered with; none when it was let through. */
  readonly ask: (
    castellans: Castellans,
    shown: Shown,
    instance: number,
    query?: string,
  ) => Promise<readonly Readonly<Record<string, unknown>>[]>;
}

const ME = '{ me { id } }';

const headersOf = (shown: Shown): Record<string, string> =>
  'token' in shown ? { authorization: `Bearer ${shown.token}` } : { 'x-api-key': shown.apiKey };

const extensionsOf = ({ errors = [] }: Partial<Pick<Answer, 'errors'>>) => errors.map(({ extensions }) => extensions);

export const WAYS_IN: readonly WayIn[] = [
  {
    name: 'POST',
    ask: async (castellans, shown, instance, query = ME) =>
      extensionsOf(await castellans.ask(query, { instance, headers: headersOf(shown) })),
  },
  {
    name: 'GET',
    async ask(castellans, shown, instance, query = ME) {
      const url = `${castellans.apps[instance]?.url}/graphql?query=${encodeURIComponent(query)}`;
      const headers = { ...headersOf(shown), 'apollo-require-preflight': '1' };
      return extensionsOf((await (await fetch(url, { headers })).json()) as Partial<Answer>);
    },
  },
  {
    name: 'server-sent events',
    async ask(castellans, shown, instance, query = ME) {
      const url = castellans.apps[instance]?.url ?? '';
      const stream = await openStream(url, query, { headers: headersOf(shown) });
      if (stream.status !== 200) return extensionsOf((await stream.json()) as Partial<Answer>);
      const next = (await stream.all()).find(({ event }) => event === 'next');
      return extensionsOf(Object(next?.data) as Partial<Answer>);
    },
  },
  {
    name: 'a WebSocket',
    async ask(castellans, shown, instance, query = ME) {
      const client = castellans.connect({ ...shown, instance });
      const answer = await askOver(client, query);
      await client.dispose();
      return extensionsOf(answer);
    },
  },
];
