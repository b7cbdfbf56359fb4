import { askOver, type Castellans } from '../support/castellan.ts';

/** What an answer says, however it came. */
export interface Seen<T = Record<string, unknown>> {
  readonly data: T | null;
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

const PROTOCOLS = ['POST', 'GET', 'graphql-ws'] as const;

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
  return async <T>(query: string, variables: object, token?: string) => {
    const client = castellans.connect({ instance, ...(token !== undefined && { token }) });
    try {
      return seen(await askOver<T>(client, query, { variables: { ...variables } }));
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
