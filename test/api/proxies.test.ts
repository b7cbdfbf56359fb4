import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { createClient } from 'graphql-ws';
import { readConfig, ConfigError } from '../../src/config.ts';
import { askOver, PASSWORD, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';

const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { session { address } } }
}`;

type Signed = { readonly signIn: { readonly session: { readonly address: string } } };

let behind: Castellans;
let open: Castellans;
let bobs: ReadonlyMap<Castellans, SignedInUser>;

beforeAll(async () => {
  behind = await startCastellans(1, { settings: { trustedProxies: ['127.0.0.1', '10.0.0.0/8', '2001:db8::/32'] } });
  open = await startCastellans(1);
  bobs = new Map([
    [behind, await behind.signUp('bob')],
    [open, await open.signUp('bob')],
  ]);
});

afterAll(() => Promise.all([behind?.close(), open?.close()]));

/** The address that a session is noted to come from, by HTTP. */
async function noted(castellans: Castellans, forwarded?: string): Promise<string | undefined> {
  const { data } = await castellans.ask<Signed>(SIGN_IN, {
    variables: { input: { email: bobs.get(castellans)?.email, password: PASSWORD } },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  });
  return data?.signIn.session.address;
}

describe('AC-48: where a request came from', () => {
  test('is its peer, whatever it says, unless that is a proxy that is trusted', async () => {
    expect(await noted(open)).toBe('127.0.0.1');
    expect(await noted(open, '203.0.113.7')).toBe('127.0.0.1');
    expect(await noted(behind)).toBe('127.0.0.1');
  });

  test.each([
    ['203.0.113.7', '203.0.113.7'],
    // What stands before the address that a proxy of ours saw was written by whoever it is.
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['10.0.0.9, 203.0.113.7, 10.1.2.3', '203.0.113.7'],
    ['203.0.113.7, ::ffff:10.1.2.3', '203.0.113.7'],
    ['2001:db9::1, 2001:db8::5', '2001:db9::1'],
    // All of them are ours: the one that is farthest away.
    ['10.0.0.9, 10.1.2.3', '10.0.0.9'],
    // What is no address ends the way.
    ['203.0.113.7, unknown, 10.1.2.3', '10.1.2.3'],
    ['203.0.113.7:4711', '127.0.0.1'],
    ['', '127.0.0.1'],
    [',,,', '127.0.0.1'],
  ])('behind proxies that said %j is %s', async (forwarded, expected) => {
    expect(await noted(behind, forwarded)).toBe(expected);
  });

  test('is the same over a WebSocket', async () => {
    class Forwarded extends WebSocket {
      constructor(url: string, protocols: string | string[]) {
        super(url, protocols, { headers: { 'x-forwarded-for': '198.51.100.1, 203.0.113.7' } });
      }
    }
    for (const [castellans, expected] of [
      [behind, '203.0.113.7'],
      [open, '127.0.0.1'],
    ] as const) {
      const url = `${castellans.apps[0]?.url.replace('http', 'ws')}/graphql`;
      const client = createClient({ url, webSocketImpl: Forwarded, retryAttempts: 0 });
      const variables = { input: { email: bobs.get(castellans)?.email, password: PASSWORD } };
      const { data } = await askOver<Signed>(client, SIGN_IN, { variables });
      expect(data?.signIn.session.address).toBe(expected);
      await client.dispose();
    }
  });
});

test.each(['everybody', '0.0.0.0/0', '::/0', '10.0.0.0/33', '10.0.0.0/8/8', '10.0.0/8', '10.0.0.0/-1'])(
  'a list of proxies that has %j is refused by name',
  (range) => {
    expect(() => readConfig({ TRUSTED_PROXIES: `10.0.0.1,${range}` })).toThrow(ConfigError);
    expect(() => readConfig({ TRUSTED_PROXIES: `10.0.0.1,${range}` })).toThrow(/TRUSTED_PROXIES/);
  },
);
