import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { addressKey, parseAddressRange } from '../../src/domain/address-range.ts';
import { readDevice } from '../../src/domain/sessions/device.ts';
import { Refusal } from '../../src/domain/refusals.ts';
import {
  askOver,
  codesOf,
  PASSWORD,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { extensionsOf } from '../support/asking.ts';

const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn {
    accessToken session { id userAgent address client label device { kind browser os } }
  } }
}`;
const RENAME = `mutation ($id: ID!, $label: String!) {
  renameSession(id: $id, label: $label) { session { id label } position }
}`;
const LIST = `query ($filter: SessionFilter) {
  sessions(first: 100, filter: $filter) { edges { node { id } } }
}`;

const FIREFOX = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1';
const IPAD = IPHONE.replace('iPhone; CPU iPhone OS', 'iPad; CPU OS');
const GOOGLEBOT = 'Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)';

interface Started {
  readonly accessToken: string;
  readonly session: Readonly<Record<string, unknown>> & { readonly id: string };
}
type Listed = { readonly sessions: { readonly edges: readonly { readonly node: { readonly id: string } }[] } };

let castellans: Castellans;
let alice: SignedInUser;
let carol: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { trustedProxies: ['127.0.0.1'] } });
  alice = await castellans.signUp('alice', ['administrator']);
  carol = await castellans.signUp('carol');
});

afterAll(() => castellans?.close());

async function start({ email }: { email: string }, headers: Record<string, string>, instance = 0): Promise<Started> {
  const variables = { input: { email, password: PASSWORD } };
  const { data, errors } = await castellans.ask<{ signIn: Started }>(SIGN_IN, { variables, headers, instance });
  if (data === null) throw new Error(JSON.stringify(errors));
  return data.signIn;
}

describe('the device of a session', () => {
  test.each([
    [FIREFOX, { kind: 'desktop', browser: 'Firefox', os: 'Windows' }],
    [IPHONE, { kind: 'mobile', browser: 'Safari', os: 'iOS' }],
    [IPAD, { kind: 'tablet', browser: 'Safari', os: 'iOS' }],
    [GOOGLEBOT, { kind: 'bot', browser: 'Googlebot', os: null }],
    ['something of ours', { kind: 'other', browser: null, os: null }],
  ])('of %j is what it says of itself', async (userAgent, device) => {
    const { session } = await start(carol, { 'user-agent': userAgent });
    expect(session).toMatchObject({ userAgent, device, label: null, client: null });
  });

  test.each([null, '', ' ', 'x'.repeat(300), '\u0001/\u0002 (', `${'('.repeat(150)}/${')'.repeat(149)}`, '\uD800/1 ('])(
    'of the user agent %j is something that can be kept',
    (userAgent) => {
      const { browser } = readDevice(userAgent);
      expect(browser ?? 'none').toMatch(/^\P{Cc}{1,100}$/u);
      expect((browser ?? '').isWellFormed()).toBe(true);
    },
  );

  test('has the name of the program that signed in, without what cannot be shown, over HTTP and a WebSocket', async () => {
    const named = await start(carol, { 'apollographql-client-name': ` web\tshop ${'x'.repeat(200)}` }, 1);
    expect(named.session['client']).toBe(`webshop ${'x'.repeat(92)}`);
    const unnamed = await start(carol, { 'apollographql-client-name': ' \t ' });
    expect(unnamed.session['client']).toBeNull();

    class Named extends WebSocket {
      constructor(url: string, protocols: string | string[]) {
        super(url, protocols, { headers: { 'apollographql-client-name': 'desk', 'user-agent': FIREFOX } });
      }
    }
    const url = `${castellans.apps[2]?.url.replace('http', 'ws')}/graphql`;
    const client = createClient({ url, webSocketImpl: Named, retryAttempts: 0 });
    const variables = { input: { email: carol.email, password: PASSWORD } };
    const { data } = await askOver<{ signIn: Started }>(client, SIGN_IN, { variables });
    expect(data?.signIn.session).toMatchObject({ client: 'desk', device: { browser: 'Firefox' } });
    await client.dispose();
  });
});

describe('the name of a session', () => {
  const rename = (by: SignedInUser, id: string, label: string, instance = 0) =>
    castellans.ask<{ renameSession: { session: object } }>(RENAME, {
      variables: { id, label },
      token: by.accessToken,
      instance,
    });

  test('is what its user calls it, on every instance, and is recorded once', async () => {
    const { data } = await rename(carol, carol.sessionId, ' the old laptop ', 1);
    expect(data?.renameSession.session).toEqual({ id: carol.sessionId, label: 'the old laptop' });
    await rename(carol, carol.sessionId, 'the old laptop', 2);
    for (const instance of [0, 1, 2]) {
      const query = 'query ($id: ID!) { session(id: $id) { label } }';
      const variables = { id: carol.sessionId };
      const answer = await castellans.ask(query, { variables, token: carol.accessToken, instance });
      expect(answer.data).toEqual({ session: { label: 'the old laptop' } });
    }
    const entries = await castellans.rows<object>(
      `select by, action from audit_entries where subject_id = $1 and outcome = 'done' and action = 'session.rename'`,
      carol.sessionId,
    );
    expect(entries).toEqual([{ by: carol.id, action: 'session.rename' }]);
  });

  test.each(['', '  ', 'x'.repeat(101), 'two\nlines', 'a\u0000b'])('is not %j', async (label) => {
    expect(extensionsOf(await rename(carol, carol.sessionId, label))).toEqual([
      { code: 'BAD_USER_INPUT', field: 'label' },
    ]);
  });

  test('is given by nobody else: who may read the session is told so, and to others it is not there', async () => {
    const bob = await castellans.signUp('bob');
    const sam = await castellans.signUp('sam', ['support']);
    expect(codesOf(await rename(bob, carol.sessionId, 'mine'))).toEqual(['NOT_FOUND']);
    expect(codesOf(await rename(bob, 'sess_none', 'mine'))).toEqual(['NOT_FOUND']);
    expect(codesOf(await rename(sam, carol.sessionId, 'mine'))).toEqual(['FORBIDDEN']);
    expect(codesOf(await castellans.ask(RENAME, { variables: { id: carol.sessionId, label: 'x' } }))).toEqual([
      'UNAUTHENTICATED',
    ]);
  });
});

describe('a list of sessions', () => {
  const listed = async (filter: object, by = alice) => {
    const answer = await castellans.ask<Listed>(LIST, { variables: { filter }, token: by.accessToken, instance: 1 });
    expect(answer.errors).toEqual([]);
    return answer.data?.sessions.edges.map(({ node }) => node.id).toSorted();
  };

  test('is narrowed by device, browser, client, beginning and the range its addresses are in', async () => {
    const dora = await castellans.signUp('dora');
    const userId = dora.id;
    const at = async (userAgent: string, address: string, client: string) => {
      const headers = { 'user-agent': userAgent, 'x-forwarded-for': address, 'apollographql-client-name': client };
      return (await start(dora, headers)).session.id;
    };
    const desk = await at(FIREFOX, '203.0.113.7', 'shop');
    const phone = await at(IPHONE, '203.0.114.1', 'shop');
    const [{ at: before } = { at: '' }] = await castellans.rows<{ at: string }>(
      `select to_char(max(created_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as at from sessions where id = $1`,
      phone,
    );
    const six = await at(IPHONE, '2001:db8:1::5', 'desk');
    const mapped = await at(GOOGLEBOT, '::ffff:203.0.113.9', 'none');

    const all = [dora.sessionId, desk, phone, six, mapped].toSorted();
    expect(await listed({ userId })).toEqual(all);
    expect(await listed({ userId, device: 'mobile' })).toEqual([phone, six].toSorted());
    expect(await listed({ userId, device: 'other' })).toEqual([dora.sessionId]);
    expect(await listed({ userId, browser: 'Safari', client: 'desk' })).toEqual([six]);
    expect(await listed({ userId, client: 'shop' })).toEqual([desk, phone].toSorted());
    expect(await listed({ userId, client: 'a\u0000b' })).toEqual([]);
    expect(await listed({ userId, startedBefore: '2000-01-01T00:00:00Z' })).toEqual([]);
    expect(await listed({ userId, startedBefore: '2999-01-01T00:00:00Z' })).toEqual(all);
    expect(await listed({ userId, startedBefore: before })).not.toContain(phone);
    expect(await listed({ userId, startedBefore: before })).toContain(dora.sessionId);

    expect(await listed({ userId, addressRange: '203.0.113.0/24' })).toEqual([desk, mapped].toSorted());
    expect(await listed({ userId, addressRange: '203.0.112.0/21' })).toEqual([desk, phone, mapped].toSorted());
    expect(await listed({ userId, addressRange: ' 203.0.114.1 ' })).toEqual([phone]);
    expect(await listed({ userId, addressRange: '::ffff:203.0.114.1' })).toEqual([phone]);
    expect(await listed({ userId, addressRange: '2001:db8::/32' })).toEqual([six]);
    expect(await listed({ userId, addressRange: '2001:DB8:1:0:0:0:0:5' })).toEqual([six]);
    expect(await listed({ userId, addressRange: '::/0' })).toEqual([six]);
    expect(await listed({ userId, addressRange: '0.0.0.0/0' })).toEqual(
      [dora.sessionId, desk, phone, mapped].toSorted(),
    );
  });

  test('has of everything only what one may read', async () => {
    expect(await listed({ addressRange: '0.0.0.0/0', device: 'mobile' }, await castellans.signUp('erin'))).toEqual([]);
  });

  test.each(['everybody', '', '10.0.0.0/33', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/-1', '1', "'; --", '::1/129'])(
    'is not narrowed by the range %j',
    async (addressRange) => {
      const answer = await castellans.ask(LIST, { variables: { filter: { addressRange } }, token: alice.accessToken });
      expect(extensionsOf(answer)).toEqual([{ code: 'BAD_USER_INPUT', field: 'addressRange' }]);
    },
  );
});

test('an address is in a range when its key is between the first and the last', () => {
  const isIn = (address: string, range: string) => {
    const { first, last } = parseAddressRange(range, 'range');
    const key = addressKey(address) ?? '';
    return key >= first && key <= last;
  };
  for (const bits of Array.from({ length: 33 }, (_, n) => n)) {
    for (let n = 0; n < 32; n += 1) {
      // The nth bit differs: inside as long as it is behind the prefix.
      const other = (0x0a_01_02_03 ^ (1 << (31 - n))) >>> 0;
      const address = [24, 16, 8, 0].map((shift) => (other >>> shift) & 255).join('.');
      expect({ bits, address, isIn: isIn(address, `10.1.2.3/${bits}`) }).toEqual({ bits, address, isIn: n >= bits });
    }
  }
  expect(isIn('2001:db8::1', '2001:db8::/127')).toBe(true);
  expect(isIn('2001:db8::2', '2001:db8::/127')).toBe(false);
  expect(addressKey('unknown')).toBeNull();
  expect(() => parseAddressRange('::ffff:10.0.0.0/95', 'range')).toThrow(Refusal);
});
