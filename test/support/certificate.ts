import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const YEAR_MS = 365 * 86_400_000;

export interface Certificate {
  /** PEM. It vouches for itself, and so for whoever is told to trust it. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

/** A new certificate for 127.0.0.1 and this host (X.509 version 3, ECDSA with SHA-256), valid from a day ago and for a year. */
export function createCertificate(
  host = 'localhost',
  {
    fromMs = -YEAR_MS / 365,
    untilMs = YEAR_MS,
    called = `castellan tests ${randomBytes(8).toString('hex')}`,
  }: { readonly fromMs?: number; readonly untilMs?: number; readonly called?: string } = {},
): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const algorithm = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02));
  // Whoever trusts several looks for an issuer by its name.
  const name = sequence(tagged(0x31, sequence(oid(0x55, 0x04, 0x03), tagged(0x0c, Buffer.from(called)))));
  const validity = sequence(...[fromMs, untilMs].map((ms) => tagged(0x18, time(Date.now() + ms))));
  const isAuthority = sequence(oid(0x55, 0x1d, 0x13), tagged(0x04, sequence(tagged(0x01, Buffer.from([0xff])))));
  const address = tagged(0x87, Buffer.from([127, 0, 0, 1]));
  const named = tagged(0x82, Buffer.from(host));
  const isFor = sequence(oid(0x55, 0x1d, 0x11), tagged(0x04, sequence(address, named)));
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(isAuthority, isFor)),
  );
  const signature = Buffer.concat([Buffer.from([0]), sign('sha256', content, privateKey)]);
  const whole = sequence(content, algorithm, tagged(0x03, signature)).toString('base64');
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${whole.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** DER: a tag, the length, the content. */
function tagged(tag: number, ...content: readonly Buffer[]): Buffer {
  const all = Buffer.concat(content);
  const length =
    all.length < 0x80
      ? [all.length]
      : all.length < 0x100
        ? [0x81, all.length]
        : [0x82, Math.floor(all.length / 0x100), all.length % 0x100];
  return Buffer.concat([Buffer.from([tag, ...length]), all]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, ...parts);
}

function oid(...bytes: readonly number[]): Buffer {
  return tagged(0x06, Buffer.from(bytes));
}

/** GeneralizedTime: 20260131235959Z. */
function time(epochMs: number): Buffer {
  return Buffer.from(`${new Date(epochMs).toISOString().replace(/\.\d+Z$|[-:T]/g, '')}Z`);
}
