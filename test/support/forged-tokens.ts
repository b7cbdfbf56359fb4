import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from 'node:crypto';
import { Keys } from '../../src/kit/secret.ts';
import type { Castellans } from './castellan.ts';

/** A token that no Castellan may take, and in what it differs from one of ours. */
export interface ForgedToken {
  readonly how: string;
  readonly token: string;
}

type Json = Readonly<Record<string, unknown>>;

/** A genuine token, and what an attacker may know or, at worst, have stolen. */
export interface Genuine {
  readonly token: string;
  readonly header: Json;
  readonly payload: Json;
  readonly kid: string;
  readonly publicJwk: JsonWebKey;
  /** Signs with our own key: only what the token says can be wrong with it. */
  readonly signed: (header: string, payload: string | Buffer) => string;
}

const base64 = (value: string | Buffer): string => Buffer.from(value).toString('base64url');
const parsed = (segment: string | undefined): Json =>
  JSON.parse(Buffer.from(segment ?? '', 'base64url').toString()) as Json;

export const kidOf = (token: string): string => String(parsed(token.split('.')[0])['kid']);

/** Opens the private key of the token's key id, as who has the database and its secret can. */
export async function stolen(castellans: Castellans, token: string): Promise<Genuine> {
  const [head, body] = token.split('.');
  const [header, payload] = [parsed(head), parsed(body)];
  const kid = kidOf(token);
  const [row] = await castellans.rows<{ sealed: string; public_jwk: JsonWebKey }>(
    'select sealed_private_jwk as sealed, public_jwk from signing_keys where kid = $1',
    kid,
  );
  const keys = new Keys(castellans.config.keyEncryptionKeys ?? []);
  const opened = keys.open('signing-keys', row?.sealed ?? '', kid);
  if (row === undefined || opened === null) throw new TypeError(`there is no signing key ${kid}`);
  const key = createPrivateKey({ key: JSON.parse(opened) as JsonWebKey, format: 'jwk' });
  return { token, header, payload, kid, publicJwk: row.public_jwk, signed: (...parts) => signedWith(key, ...parts) };
}

function signedWith(key: KeyObject, header: string, payload: string | Buffer, hash = 'sha256'): string {
  const input = `${base64(header)}.${base64(payload)}`;
  return `${input}.${base64(sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

/** The same numbers for the same seed (mulberry32). */
export function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const KIDS = ['__proto__', 'constructor', '', '../../etc/passwd', `' or 1=1 --`, '\u0000', '\ud800', 1, null, {}, []];
const ALGORITHMS = ['none', 'None', 'NONE', 'nOnE', '', 'ES384', 'ES256K', 'RS256', 'PS256', 'EdDSA', 'HS256', null, 7];
const TYPES = ['JWT', 'jwt', 'AT+JWT', 'application/at+jwt', 'rt+jwt', 'dpop+jwt', '', null, ['at+jwt']];

/** Endless: one of each kind in turn, each other than the one before. */
export function* forgedTokens(genuine: Genuine, seed: number, url = 'http://127.0.0.1:9/keys'): Generator<ForgedToken> {
  const below = randomOf(seed);
  const kinds = [...mutations(genuine, below), ...headers(genuine, below, url), ...claims(genuine, below)];
  const [header, payload, signature] = genuine.token.split('.');
  for (let n = 0; ; n += 1) {
    const [how, make] = kinds[n % kinds.length] ?? (['nothing', () => ''] as const);
    const token = make();
    // By chance, what was changed may be what it was.
    if (token !== genuine.token) yield { how, token };
    if (n % kinds.length === 0) {
      // Of all lengths, one after the other.
      const length = (n / kinds.length) % genuine.token.length;
      yield { how: 'truncated', token: genuine.token.slice(0, length) };
      yield { how: 'a part left out', token: [header, payload, signature].toSpliced(below(3), 1).join('.') };
    }
  }
}

type Kind = readonly [how: string, make: () => string];

/** What can be done to a token without any key. */
function mutations({ token, header, payload, publicJwk }: Genuine, below: (n: number) => number): readonly Kind[] {
  const segments = token.split('.');
  const flipped = (at: number) => () => {
    const bytes = Buffer.from(segments[at] ?? '', 'base64url');
    const place = below(bytes.length);
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << below(8)), place);
    return segments.with(at, bytes.toString('base64url')).join('.');
  };
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secrets = encodings(publicJwk);
  const hmac = (more: Json) => () => {
    const bits = ['256', '384', '512'][below(3)] ?? '256';
    const input = `${base64(JSON.stringify({ ...header, alg: `HS${bits}`, ...more }))}.${base64(JSON.stringify(payload))}`;
    const secret = secrets[below(secrets.length)] ?? '';
    return `${input}.${createHmac(`sha${bits}`, secret).update(input).digest('base64url')}`;
  };
  const unsigned = () => base64(JSON.stringify({ ...header, alg: ALGORITHMS[below(ALGORITHMS.length)] }));
  return [
    ['a bit of the header', flipped(0)],
    ['a bit of the payload', flipped(1)],
    ['a bit of the signature', flipped(2)],
    [
      'a character',
      () => {
        const at = below(token.length);
        return `${token.slice(0, at)}${ALPHABET[below(64)]}${token.slice(at + 1)}`;
      },
    ],
    ['a character too many', () => token.slice(0, below(token.length)) + ALPHABET[below(64)] + token.slice(-40)],
    ['padded', () => segments.with(below(3), `${segments[below(3)]}${'='.repeat(1 + below(2))}`).join('.')],
    ['spelt otherwise', () => otherSpelling(token, below)],
    ['another algorithm and its signature', () => `${unsigned()}.${segments[1]}.${segments[2]}`],
    ['no signature', () => `${unsigned()}.${segments[1]}.`],
    ['two segments', () => `${unsigned()}.${segments[1]}`],
    ['an HMAC with our public key', hmac({})],
    ['an HMAC that says ES256', hmac({ alg: 'ES256' })],
    [
      'another key',
      () => signedWith(privateKey, JSON.stringify(header), JSON.stringify({ ...payload, jti: `${below(2 ** 32)}` })),
    ],
    [
      'another key that is brought along',
      () =>
        signedWith(
          privateKey,
          JSON.stringify({ ...header, jwk: publicKey.export({ format: 'jwk' }) }),
          JSON.stringify({ ...payload, jti: `${below(2 ** 32)}` }),
        ),
    ],
    ['a signature of zeros', () => segments.with(2, base64(Buffer.alloc(below(129)))).join('.')],
    ['JWE', () => [...segments, base64(`${below(2 ** 32)}`), base64('tag')].join('.')],
    ['nested', () => `${segments[0]}.${base64(token)}.${segments[2]}`],
    [
      'JSON serialisation',
      () => {
        const [header64, body, signature] = segments;
        const whole = { payload: body, signatures: [{ protected: header64, signature }] };
        const flat = { payload: body, protected: header64, signature };
        return JSON.stringify([whole, flat, { ...flat, header: { n: below(2 ** 32) } }][below(3)]);
      },
    ],
    ['noise', () => Array.from({ length: 1 + below(600) }, () => ALPHABET[below(64)]).join('')],
    ['dots', () => '.'.repeat(1 + below(40))],
    ['too long', () => `${token}${'A'.repeat(4_096 + below(4_000))}`],
  ];
}

/** The last character of a segment has bits that nothing reads. */
function otherSpelling(token: string, below: (n: number) => number): string {
  const last = ALPHABET.indexOf(token.at(-1) ?? '');
  const other = (last & 0b110000) | ((last + 1 + below(15)) & 0b1111);
  return [
    token.slice(0, -1) + ALPHABET[other],
    `${token}.`,
    `.${token}`,
    token.replace('.', '..'),
    token.toLowerCase(),
    ` ${token}`,
    `${token}\n`,
  ][below(7)] as string;
}

/** Our public key in whatever form a library may take for a secret. */
export function encodings(publicJwk: JsonWebKey): readonly (string | Buffer)[] {
  const key = createPublicKey({ key: { ...publicJwk }, format: 'jwk' });
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  const der = key.export({ type: 'spki', format: 'der' });
  const [x, y] = [publicJwk.x, publicJwk.y].map((each) => Buffer.from(each ?? '', 'base64url'));
  return [
    pem,
    pem.trim(),
    ` ${pem}`,
    `\uFEFF${pem}`,
    pem.replaceAll('\n', '\r\n'),
    pem.replaceAll('\n', ''),
    der,
    der.toString('base64'),
    der.toString('base64url'),
    der.toString('hex'),
    JSON.stringify(publicJwk),
    JSON.stringify({ keys: [publicJwk] }),
    publicJwk.x ?? '',
    Buffer.concat([x ?? Buffer.alloc(0), y ?? Buffer.alloc(0)]),
    Buffer.concat([Buffer.from([4]), x ?? Buffer.alloc(0), y ?? Buffer.alloc(0)]),
    '',
  ];
}

/** Headers that no token of ours has, signed with our own key. */
function headers({ header, payload, kid, publicJwk, signed }: Genuine, below: (n: number) => number, url: string) {
  const body = () => JSON.stringify({ ...payload, jti: `${below(2 ** 32)}` });
  const oneOf = (how: string, values: readonly Json[]): Kind => [
    how,
    () => signed(JSON.stringify({ ...header, ...values[below(values.length)] }), body()),
  ];
  const text = (how: string, ...texts: readonly string[]): Kind => [
    how,
    () => signed(texts[below(texts.length)] ?? '', body()),
  ];
  const own = JSON.stringify(header);
  const inside = own.slice(1);
  return [
    oneOf(
      'alg',
      ALGORITHMS.map((alg) => ({ alg })),
    ),
    oneOf(
      'typ',
      [...TYPES, undefined].map((typ) => ({ typ })),
    ),
    oneOf(
      'kid',
      [...KIDS, undefined, [kid], `${kid} `, kid.toUpperCase(), 'x'.repeat(3_000)].map((each) => ({ kid: each })),
    ),
    oneOf('crit', [{ crit: ['exp'], exp: 1 }, { crit: [] }, { crit: ['b64'], b64: false }, { crit: 'exp' }]),
    oneOf('read otherwise', [{ b64: false }, { b64: true }, { zip: 'DEF' }, { enc: 'A256GCM' }, { cty: 'JWT' }]),
    oneOf('a key', [{ jwk: publicJwk }, { jku: url }, { x5u: url }, { x5c: ['AAAA'] }, { x5t: 'AAAA' }]),
    text(
      'a prototype',
      `{"__proto__":{"alg":"none"},${inside}`,
      `{"constructor":{},${inside}`,
      `{"__proto__":1,${inside}`,
    ),
    text('a key of JSON twice', `{"alg":"none",${inside}`, `{"kid":"other",${inside}`, `{"typ":"JWT",${inside}`),
    text(
      'JSON spelt otherwise',
      ` ${own}`,
      `${own}\n`,
      own.replace(':', ': '),
      own.replace('"alg"', String.raw`"\u0061lg"`),
    ),
    text('no object', 'null', '[]', `[${own}]`, '""', '1', '', own.slice(0, -1), `${own}${own}`, `\uFEFF${own}`),
  ] satisfies readonly Kind[];
}

/** Claims that no token of ours has, signed with our own key. */
function claims({ header, payload, signed }: Genuine, below: (n: number) => number): readonly Kind[] {
  const own = JSON.stringify(header);
  const { aud, iss, sub, sid, exp, pos } = payload as Readonly<Record<string, string>>;
  const ends = Number(exp);
  const values: Readonly<Record<string, readonly unknown[]>> = {
    aud: ['', 'other', `${aud} `, `${aud}.evil`, [aud], [aud, 'other'], [], null, undefined, {}, aud?.slice(1)],
    iss: ['', `${iss}.evil`, `${iss}/`, iss?.toUpperCase(), [iss], [iss, 'https://a.evil'], null, undefined],
    sub: [sid, '__proto__', '', 1, null, undefined, [sub], `${sub}\u0000`, '\ud800', `${sub} `, sub?.toUpperCase()],
    sid: [sub, '', null, undefined, [sid], {}, `${sid}\u0000`],
    exp: [`${exp}`, null, ends + 0.5, {}, undefined, [exp], -1, true],
    iat: ['1', ends + 9_999, 1e300, -1, null, undefined, 0.5],
    nbf: [ends + 9_999, 'now', null],
    jti: [null, undefined, '', 1, {}],
    pos: ['', '0', 'zzzzzzzz-1', '00000000--1', '00000000-1e9', 1, null, undefined, ` ${pos}`, `${pos}.5`],
    client_id: [null, undefined, 1, {}],
  };
  const kinds = Object.entries(values).map(([name, all]): Kind => [
    `the claim ${name}`,
    () => signed(own, JSON.stringify({ ...payload, jti: `${below(2 ** 32)}`, [name]: all[below(all.length)] })),
  ]);
  const body = JSON.stringify(payload);
  const inside = body.slice(1);
  const text = (how: string, ...texts: readonly (string | Buffer)[]): Kind => [
    how,
    () => signed(own, texts[below(texts.length)] ?? ''),
  ];
  return [
    ...kinds,
    text('a claim twice', `{"sub":"${sub}x",${inside}`, `{"exp":1,${inside}`, `{"aud":"other",${inside}`),
    text(
      'a number too large',
      ...['1e999', '-1e999', '1e400', '99999999999999999999999', '9007199254740993'].map((number) =>
        body.replace(/"exp":\d+/, `"exp":${number}`),
      ),
    ),
    text(
      'a number spelt otherwise',
      body.replace(/"exp":(\d+)/, '"exp":$1.0'),
      body.replace(/"iat":(\d+)/, '"iat":$1e0'),
    ),
    text(
      'JSON spelt otherwise',
      ` ${body}`,
      `${body}\n`,
      body.replaceAll(':', ' :'),
      body.replace('"sub"', String.raw`"\u0073ub"`),
    ),
    text(
      'bytes that are no text',
      Buffer.concat([Buffer.from(body.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])]),
      Buffer.concat([Buffer.from(body), Buffer.from([0xed, 0xa0, 0x80])]),
      Buffer.from(body, 'utf16le'),
    ),
    text('no claims', 'null', '[]', `[${body}]`, '""', '1', '', body.slice(0, -1), `${body}${body}`, '"a text"'),
  ];
}
