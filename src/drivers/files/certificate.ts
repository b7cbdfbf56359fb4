import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';

/** Both are read alike, and each is said to be wrong by its own name. */
export type TlsVariable = 'TLS_CERTIFICATE_FILE' | 'TLS_KEY_FILE';

export interface TlsFiles {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** A certificate and its key, both PEM, which belong together and are good now. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly expiresAtMs: number;
}

/** Cannot be used; the message goes on after the name of the variable, and repeats nothing of the key. */
export class CertificateUnusable extends Error {
  override readonly name = 'CertificateUnusable';
  readonly variable: TlsVariable;

  constructor(variable: TlsVariable, message: string) {
    super(message);
    this.variable = variable;
  }
}

/** @throws CertificateUnusable for what cannot be read, does not belong together, or is not good at this time */
export async function readCertificate({ certificateFile, keyFile }: TlsFiles, nowMs: number): Promise<Certificate> {
  const cert = await read('TLS_CERTIFICATE_FILE', certificateFile);
  const key = await read('TLS_KEY_FILE', keyFile);
  const first = certificateIn(cert);
  if (!first.checkPrivateKey(keyIn(key))) {
    throw new CertificateUnusable('TLS_KEY_FILE', 'must name the key of TLS_CERTIFICATE_FILE, and this is another');
  }
  const expiresAtMs = first.validToDate.getTime();
  if (first.validFromDate.getTime() > nowMs) {
    throw unusable(`must name a certificate that is good by now: this one is from ${instant(first.validFromDate)} on`);
  }
  if (expiresAtMs <= nowMs) {
    throw unusable(`must name a certificate that is good now: this one ended at ${instant(first.validToDate)}`);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw unusable(`must name a certificate that TLS can be spoken with (${codeOf(error)})`);
  }
  return { cert, key, expiresAtMs };
}

async function read(variable: TlsVariable, path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new CertificateUnusable(variable, `must name a file that can be read (${codeOf(error)})`);
  });
}

function certificateIn(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw unusable('must name a file with a certificate in PEM, which this one is not');
  }
}

function keyIn(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    // As Node says it, and as OpenSSL does that nobody answered.
    const isLocked = ['ERR_MISSING_PASSPHRASE', 'ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED'].includes(codeOf(error));
    const message = isLocked
      ? 'must name a key that is not encrypted: nobody is there to ask for its passphrase'
      : 'must name a file with a private key in PEM, which this one is not';
    throw new CertificateUnusable('TLS_KEY_FILE', message);
  }
}

function unusable(message: string): CertificateUnusable {
  return new CertificateUnusable('TLS_CERTIFICATE_FILE', message);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'it is none';
}

function instant(date: Date): string {
  return date.toISOString().slice(0, 19) + 'Z';
}
