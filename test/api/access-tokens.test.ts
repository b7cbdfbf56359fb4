import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  sign as signBytes,
  generateKeyPairSync,
  type JsonWebKey,
} from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Keys } from '../../src/kit/secret.ts';
import {
  codesOf,
  createTestClock,
  recordStatements,
  startCastellans,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }';

type Refreshed = { readonly refreshSession: { readonly accessToken: string; readonly refreshToken: string } };

let clock: TestClock;
let castellans: Castellans;
let mallory: SignedInUser;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  mallory = await castellans.signUp('mallory');
});

afterAll(() => castellans.close());

async function successorOf(token: string, instance = 0): Promise<Refreshed['refreshSession']> {
  const { data, errors } = await castellans.ask<Refreshed>(REFRESH, { variables: { token }, instance });
  if (data === null) throw new Error(`the session could not be refreshed: ${JSON.stringify(errors)}`);
  return data.refreshSession;
}

describe('an access token', () => {
  interface Forgery {
    readonly header: object;
    readonly payload: object;
  }
  let signingKey: { readonly kid: string; readonly privateJwk: JsonWebKey };
  let publicJwk: { readonly [name: string]: unknown };
  let genuine: Forgery;
  let bob: SignedInUser;

  beforeAll(async () => {
    bob = await castellans.signUp('bob');
    const [key] = await castellans.rows<{ kid: string; sealed_private_jwk: string; public_jwk: typeof publicJwk }>(
      'select kid, sealed_private_jwk, public_jwk from signing_keys',
    );
    const keys = new Keys(castellans.config.keyEncryptionKeys ?? []);
    if (key === undefined) throw new TypeError('there is no signing key');
    const opened = keys.open('signing-keys', key.sealed_private_jwk, key.kid);
    signingKey = { kid: key.kid, privateJwk: JSON.parse(opened ?? '') as JsonWebKey };
    publicJwk = key.public_jwk;
    const [header, payload] = bob.accessToken.split('.').map((part) => JSON.parse(fromBase64(part).toString() || '{}'));
    genuine = { header, payload };
  });

  const toBase64 = (value: string | Buffer) => Buffer.from(value).toString('base64url');
  const fromBase64 = (text: string) => {
    const bytes = Buffer.from(text, 'base64url');
    return bytes.length === 64 ? Buffer.alloc(0) : bytes;
  };

  /** Signed with the key of this very Castellan: only what the token says can be wrong with it. */
  function signed({ header = {}, payload = {} }: Partial<Forgery>): string {
    return signedText(
      JSON.stringify({ ...genuine.header, ...header }),
      JSON.stringify({ ...genuine.payload, ...payload }),
    );
  }

  function signedText(header: string, payload: string): string {
    const input = `${toBase64(header)}.${toBase64(payload)}`;
    const key = createPrivateKey({ key: signingKey.privateJwk, format: 'jwk' });
    return `${input}.${toBase64(signBytes('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))}`;
  }

  async function refusedAll(tokens: readonly string[]): Promise<void> {
    const instances = tokens.map((_, n) => n % 3);
    const answers = await Promise.all(
      tokens.map((token, n) => castellans.ask(ME, { token, instance: instances[n] ?? 0 })),
    );
    const wrong = answers.flatMap((answer, n) =>
      answer.status === 401 && codesOf(answer)[0] === 'UNAUTHENTICATED' ? [] : [{ token: tokens[n], ...answer }],
    );
    expect(wrong).toEqual([]);
  }

  test('that is ours in every respect is taken: the forgeries below differ from it in one thing each', async () => {
    expect((await castellans.ask(ME, { token: signed({}) })).data).toEqual({ me: { id: bob.id } });
  });

  test('AC-20: without a signature is refused, however "none" is spelt', async () => {
    const [, payload, signature] = bob.accessToken.split('.');
    await refusedAll(
      ['none', 'None', 'NONE', 'nOnE', '', 'null'].flatMap((alg) => {
        const header = toBase64(JSON.stringify({ ...genuine.header, alg }));
        return [`${header}.${payload}.`, `${header}.${payload}`, `${header}.${payload}.${signature}`];
      }),
    );
  });

  test('AC-21: signed with our public key as an HMAC secret is refused, in every encoding of it', async () => {
    const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' });
    const pem = key.export({ type: 'spki', format: 'pem' }).toString();
    const secrets = [
      pem,
      pem.trim(),
      ` ${pem}`,
      `\uFEFF${pem}`,
      pem.replaceAll('\n', '\r\n'),
      key.export({ type: 'spki', format: 'der' }),
      JSON.stringify(publicJwk),
      fromBase64(String(publicJwk['x'])),
    ];
    await refusedAll(
      secrets.flatMap((secret) =>
        ['HS256', 'HS384', 'HS512'].map((alg) => {
          const input = `${toBase64(JSON.stringify({ ...genuine.header, alg }))}.${toBase64(JSON.stringify(genuine.payload))}`;
          return `${input}.${createHmac(alg.replace('HS', 'sha'), secret).update(input).digest('base64url')}`;
        }),
      ),
    );
  });

  test('AC-21: signed with another key is refused, even when it brings that key along', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = publicKey.export({ format: 'jwk' });
    await refusedAll(
      [{}, { jwk }].map((more) => {
        const input = `${toBase64(JSON.stringify({ ...genuine.header, ...more }))}.${toBase64(JSON.stringify(genuine.payload))}`;
        return `${input}.${toBase64(signBytes('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }))}`;
      }),
    );
    const input = bob.accessToken.slice(0, bob.accessToken.lastIndexOf('.'));
    await refusedAll([
      `${input}.${toBase64(Buffer.alloc(64))}`,
      `${input}.${toBase64(signBytes('sha256', Buffer.from(input), createPrivateKey({ key: signingKey.privateJwk, format: 'jwk' })))}`,
    ]);
  });

  test('AC-22: with header parameters that change how it is to be read is refused', async () => {
    await refusedAll([
      signed({ header: { crit: ['exp'], exp: 1 } }),
      signed({ header: { crit: [] } }),
      signed({ header: { b64: false, crit: ['b64'] } }),
      signed({ header: { b64: true } }),
      signed({ header: { zip: 'DEF' } }),
      signed({ header: { enc: 'A256GCM' } }),
      signed({ header: { cty: 'JWT' } }),
      `${bob.accessToken}.${toBase64('{}')}.${toBase64('{}')}`,
      toBase64(bob.accessToken),
      JSON.stringify({ payload: 'x', signatures: [] }).replaceAll(' ', ''),
      signedText(JSON.stringify(genuine.header), JSON.stringify(bob.accessToken)),
      signedText(JSON.stringify([genuine.header]), JSON.stringify(genuine.payload)),
      signedText('null', JSON.stringify(genuine.payload)),
    ]);
  });

  test('AC-23: with a key id that is not one of ours is refused without a look-up anywhere', async () => {
    const kids = [
      '__proto__',
      'constructor',
      'toString',
      '',
      '../../etc/passwd',
      `' or 1=1 --`,
      '\u0000',
      'x'.repeat(3_000),
    ];
    const recorded = recordStatements(castellans.apps);
    await refusedAll([
      ...kids.map((kid) => signed({ header: { kid } })),
      ...[1, null, {}, ['sk_1'], [signingKey.kid], undefined].map((kid) => signed({ header: { kid } })),
    ]);
    recorded.stop();
    // What was counted before is written behind.
    const asked = recorded.names.filter((name) => name !== 'a transaction');
    expect(asked).toEqual([]);
  });

  test('AC-24: that says where to fetch its key from is refused, and nothing is fetched', async () => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number }; // it listens on TCP
    const url = `http://127.0.0.1:${port}/keys`;
    await refusedAll(
      [{ jku: url }, { x5u: url }, { x5c: ['AAAA'] }, { x5t: 'AAAA' }, { jwk: publicJwk }].map((header) =>
        signed({ header }),
      ),
    );
    await new Promise((resolve) => listener.close(resolve));
    expect(connections).toBe(0);
  });

  test('AC-25: is not replaced by a secret of another kind', async () => {
    await refusedAll([
      bob.refreshToken,
      bob.sessionId,
      bob.id,
      'ck_0000000000000000000000000000',
      ...['JWT', 'jwt', 'AT+JWT', 'application/at+jwt', 'rt+jwt', '', undefined].map((typ) =>
        signed({ header: { typ } }),
      ),
    ]);
  });

  test('AC-26: for somebody else, from somebody else, or for several is refused', async () => {
    const { audience, issuer } = castellans.config;
    await refusedAll([
      ...[
        '',
        'other',
        `${audience} `,
        `${audience}.evil`,
        audience.slice(1),
        [audience],
        [audience, 'other'],
        [],
        null,
        undefined,
        {},
      ].map((aud) => signed({ payload: { aud } })),
      ...[
        '',
        `${issuer}.evil`,
        `${issuer}/`,
        issuer.toUpperCase(),
        [issuer],
        [issuer, 'https://a.evil'],
        null,
        undefined,
      ].map((iss) => signed({ payload: { iss } })),
    ]);
  });

  test('AC-28: cut short at any length, or spelt in another way, is refused', async () => {
    const { accessToken } = bob;
    const last = accessToken.at(-1) ?? '';
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const sameBits = alphabet
      .split('')
      .filter((each) => each !== last && alphabet.indexOf(each) >> 4 === alphabet.indexOf(last) >> 4);
    expect(sameBits).toHaveLength(15);
    const [header, payload, signature] = accessToken.split('.');
    await refusedAll(Array.from({ length: accessToken.length - 1 }, (_, length) => accessToken.slice(0, length + 1)));
    await refusedAll([
      ...sameBits.map((each) => accessToken.slice(0, -1) + each),
      `${accessToken}=`,
      `${accessToken}==`,
      `${accessToken}.`,
      `.${accessToken}`,
      `${header}.${payload}.${signature}A`,
      `${header}=.${payload}.${signature}`,
      `${header}..${signature}`,
      accessToken.replaceAll('-', '+').replaceAll('_', '/') === accessToken
        ? 'x'
        : accessToken.replaceAll('-', '+').replaceAll('_', '/'),
      accessToken.toLowerCase(),
    ]);
    expect((await castellans.ask(ME, { token: accessToken })).data).toEqual({ me: { id: bob.id } });
  });

  test('AC-31: with claims of another type, out of range or from the future is refused', async () => {
    const nowSeconds = Math.floor(clock.now() / 1_000);
    await refusedAll([
      ...['9999999999', null, nowSeconds + 60.5, {}, undefined].map((exp) => signed({ payload: { exp } })),
      ...['1', nowSeconds + 3_600, 1e300, -1, null, undefined].map((iat) => signed({ payload: { iat } })),
      signedText(JSON.stringify(genuine.header), JSON.stringify(genuine.payload).replace(/"exp":\d+/, '"exp":1e999')),
      ...[mallory.sessionId, '__proto__', '', 1, null, undefined, [bob.id], `${bob.id}\u0000`, '\ud800'].map((sub) =>
        signed({ payload: { sub } }),
      ),
      ...[bob.id, '', null, undefined, [bob.sessionId]].map((sid) => signed({ payload: { sid } })),
      ...['', '0', 'zzzzzzzz-1', '00000000--1', '00000000-1e9', 1, null, undefined].map((pos) =>
        signed({ payload: { pos } }),
      ),
      ...[null, undefined, ''].map((jti) => signed({ payload: { jti } })),
      signed({ payload: { nbf: nowSeconds + 3_600 } }),
      signedText(JSON.stringify(genuine.header), '"a string"'),
      signedText(JSON.stringify(genuine.header), '[]'),
      signedText(JSON.stringify(genuine.header), 'null'),
      signedText(JSON.stringify(genuine.header), ''),
      'x'.repeat(5_000),
    ]);
  });

  test('AC-32: gives no rights by claiming them', async () => {
    const token = signed({
      payload: { scope: 'administrator', roles: ['administrator'], isAdmin: true, jti: 'another' },
    });
    const { data } = await castellans.ask('{ viewerCan(action: "create", subject: "User") { allowed } }', { token });
    expect(data).toEqual({ viewerCan: { allowed: false } });
  });

  test('that has expired is refused with a code of its own on every instance, warm or not', async () => {
    const carol = await castellans.signUp('carol');
    const warm = await castellans.ask(ME, { token: carol.accessToken, instance: 0 });
    expect(warm.data).toEqual({ me: { id: carol.id } });
    clock.advance(castellans.config.accessTokenSeconds * 1_000);
    for (const instance of INSTANCES) {
      // Under a lease again: what is known of the token is what must refuse it, and not that nothing is in force.
      await castellans.ask('{ __typename }', { instance });
      const answer = await castellans.ask(ME, { token: carol.accessToken, instance });
      expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 401, codes: ['TOKEN_EXPIRED'] });
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    }
    const { accessToken } = await successorOf(carol.refreshToken, 2);
    expect((await castellans.ask(ME, { token: accessToken })).data).toEqual({ me: { id: carol.id } });
  });

  test('never outlives its session', async () => {
    const carol = await castellans.signUp('carol');
    const endsAt = new Date(clock.now() + 60_000);
    await castellans.rows('update sessions set expires_at = $2 where id = $1', carol.sessionId, endsAt);
    const { accessToken } = await successorOf(carol.refreshToken);
    clock.advance(60_000);
    expect(codesOf(await castellans.ask(ME, { token: accessToken }))).toEqual(['TOKEN_EXPIRED']);
  });
});

describe('the credential of a request', () => {
  test('is refused with 400 when there are two kinds at once', async () => {
    const bob = await castellans.signUp('bob');
    const answer = await castellans.ask(ME, { token: bob.accessToken, headers: { 'x-api-key': 'ck_1' } });
    expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 400, codes: ['BAD_USER_INPUT'] });
  });

  test.each([
    '',
    'Bearer',
    'Bearer ',
    'Basic YWxpY2U6c2VjcmV0',
    'bearer',
    'Bearer a b',
    'Bearer\ttoken',
    'Bearer garbage',
    'Bearer null',
    'Bearer undefined',
    'garbage',
  ])('is never taken for none when it is malformed: %j', async (authorization) => {
    const answer = await castellans.ask(ME, { headers: { authorization } });
    expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 401, codes: ['UNAUTHENTICATED'] });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('is refused when it is an API key that does not exist', async () => {
    const answer = await castellans.ask(ME, { headers: { 'x-api-key': 'ck_1' } });
    expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 401, codes: ['UNAUTHENTICATED'] });
  });
});
