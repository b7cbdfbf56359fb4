import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { examine } from '../../src/cli/doctor.ts';
import { CertificateUnusable, readCertificate } from '../../src/drivers/files/certificate.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createCertificate } from '../support/certificate.ts';

const HOUR_MS = 3_600_000;
const good = createCertificate();
const other = createCertificate();
const ended = createCertificate('localhost', { fromMs: -2 * HOUR_MS, untilMs: -HOUR_MS });
const early = createCertificate('localhost', { fromMs: HOUR_MS, untilMs: 2 * HOUR_MS });
const locked = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' },
}).privateKey;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan-certificate-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** @param certificate null for no such file, as with the key */
async function read(certificate: string | null, key: string | null, nowMs = systemClock.now()) {
  const files = { certificateFile: join(folder, 'no.crt'), keyFile: join(folder, 'no.key') };
  if (certificate !== null) await writeFile((files.certificateFile = join(folder, 'tls.crt')), certificate);
  if (key !== null) await writeFile((files.keyFile = join(folder, 'tls.key')), key);
  return readCertificate(files, nowMs);
}

test('a certificate and its key are read, with those between it and its authority, and when it ends', async () => {
  const chain = good.certificate + other.certificate;
  const { cert, key, expiresAtMs } = await read(chain, good.key);
  expect([cert, key]).toEqual([chain, good.key]);
  expect(Math.abs(expiresAtMs - systemClock.now() - 365 * 24 * HOUR_MS)).toBeLessThan(HOUR_MS);
  await expect(read(chain, good.key, expiresAtMs - 1)).resolves.toBeDefined();
  await expect(read(chain, good.key, expiresAtMs)).rejects.toThrow('ended at');
});

test.each([
  ['a certificate that is not there', null, good.key, 'TLS_CERTIFICATE_FILE', 'that can be read (ENOENT)'],
  ['a key that is not there', good.certificate, null, 'TLS_KEY_FILE', 'that can be read (ENOENT)'],
  ['no certificate', 'hunter2', good.key, 'TLS_CERTIFICATE_FILE', 'with a certificate in PEM'],
  ['no key', good.certificate, 'hunter2', 'TLS_KEY_FILE', 'with a private key in PEM'],
  ['both in each other’s place', good.key, good.certificate, 'TLS_CERTIFICATE_FILE', 'with a certificate in PEM'],
  ['a key that is encrypted', good.certificate, locked, 'TLS_KEY_FILE', 'that is not encrypted'],
  ['the key of another', good.certificate, other.key, 'TLS_KEY_FILE', 'must name the key of TLS_CERTIFICATE_FILE'],
  ['a certificate that has ended', ended.certificate, ended.key, 'TLS_CERTIFICATE_FILE', 'this one ended at 20'],
  ['one that is not good yet', early.certificate, early.key, 'TLS_CERTIFICATE_FILE', 'this one is from 20'],
])(
  '%s is told by its variable, in one line that repeats nothing of it',
  async (_, certificate, key, variable, words) => {
    const error = await read(certificate, key).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CertificateUnusable);
    const { message, ...told } = error as CertificateUnusable;
    expect(told.variable).toBe(variable);
    expect(message).toMatch(/^must name [^\n]+$/);
    expect(message).toContain(words);
    expect(message).not.toMatch(/hunter2|BEGIN|castellan tests/);
  },
);

test('castellan doctor finds a pair that fits, and tells of one without the other beside everything else', async () => {
  await read(good.certificate, good.key);
  const [TLS_CERTIFICATE_FILE, TLS_KEY_FILE] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  expect((await examine({ TLS_CERTIFICATE_FILE, TLS_KEY_FILE })).ok).toBe(true);
  const half = await examine({ TLS_KEY_FILE });
  expect(half.lines.at(-1)).toBe('TLS_KEY_FILE must come with TLS_CERTIFICATE_FILE: TLS is spoken with both');
  expect(half.lines[0]).toMatch(/^NODE_ENV +development/);
});
