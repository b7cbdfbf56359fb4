import { askOver, type Castellans } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';

/** What an answer says, however it came. */
export interface Seen<T = Record<string, unknown>> {
  readonly data: T | null;
  /** A WebSocket that is closed in place of an answer says its number. */
  readonly codes: readonly unknown[];
  readonly messages: readonly string[];
}

export type Ask = <T = Record<string, unknown>>(query: string, variables: object, token?: string) => Promise<Seen<T>>;

export interface Door {
  /** Such as `GET on instance 1`. */
  readonly name: string;
  readonly instance: number;
  readonly ask: Ask;
}

const PROTOCOLS = ['POST', 'GET', 'graphql-ws', 'operation on graphql-ws', 'event stream'] as const;

/** Every instance through every protocol. Mutations are taken by all but GET. */
export function doorsOf(castellans: Castellans): readonly Door[] {
  return castellans.apps.flatMap((_, instance) =>
    PROTOCOLS.map((protocol) => ({
      name: `${protocol} on instance ${instance}`,
      instance,
      ask: asker(castellans, protocol, instance),
    })),
  );
}

export const takesMutations = ({ name }: Door): boolean => !name.startsWith('GET');

function asker(castellans: Castellans, protocol: (typeof PROTOCOLS)[number], instance: number): Ask {
  if (protocol === 'GET') {
    return async <T>(query: string, variables: object, token?: string) => {
      const asked = new URLSearchParams({ query, variables: JSON.stringify(variables) });
      const response = await fetch(`${castellans.apps[instance]?.url}/graphql?${asked.toString()}`, {
        headers: {
          // Without it Apollo Server takes a GET for one that another site made a browser send.
          'apollo-require-preflight': 'true',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
      });
      return seen<T>((await response.json()) as Answered<T>);
    };
  }
  if (protocol === 'POST') {
    return async <T>(query: string, variables: object, token?: string) =>
      seen(await castellans.ask<T>(query, { variables, instance, ...(token !== undefined && { token }) }));
  }
  if (protocol === 'event stream') {
    return async <T>(query: string, variables: object, token?: string) => {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const stream = await openStream(castellans.apps[instance]?.url ?? '', query, { variables, headers });
      if (stream.status !== 200) return seen<T>((await stream.json()) as Answered<T>);
      const [first] = await stream.all();
      return seen<T>(first?.data as Answered<T>);
    };
  }
  // Of the socket itself, or of the one operation on a socket that is nobody's.
  const own = protocol === 'graphql-ws';
  return async <T>(query: string, variables: object, token?: string) => {
    const given = token === undefined ? {} : { token };
    const client = castellans.connect({ instance, ...(own && given) });
    try {
      const answer = await askOver<T>(client, query, { variables: { ...variables }, ...(!own && given) });
      return answer.closed === null ? seen(answer) : { data: null, codes: [answer.closed], messages: [] };
    } finally {
      await client.dispose();
    }
  };
}

interface Answered<T> {
  readonly data?: T | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: Readonly<Record<string, unknown>> }[];
}

function seen<T>({ data = null, errors = [] }: Answered<T>): Seen<T> {
  return {
    data,
    codes: errors.map(({ extensions }) => extensions?.['code']),
    messages: errors.map(({ message }) => message),
  };
}
