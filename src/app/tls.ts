import type { CertifiedKey, TlsIdentity } from '../api/http/listener.ts';
import { ConfigError, type Config } from '../config.ts';
import { type Certificate, CertificateUnusable, readCertificate } from '../drivers/files/certificate.ts';
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import { Rounds } from '../kit/rounds.ts';

/** Renewing is two files, one after the other: between them, neither fits. */
const LOOK_MS = 10_000;

type Files = NonNullable<Config['tls']>;

/** The certificate that TLS is spoken with, which is replaced when its files are. */
export class TlsCertificate implements TlsIdentity {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly rounds: Rounds;
  readonly #follow: ((pair: CertifiedKey) => void)[] = [];
  #current: Certificate;

  private constructor(current: Certificate, files: Files, { clock, logger }: { clock: Clock; logger: Log }) {
    this.#current = current;
    this.#files = files;
    this.#clock = clock;
    this.#logger = logger;
    this.rounds = new Rounds({
      everyMs: LOOK_MS,
      work: () => this.#look(),
      failed: 'the renewed certificate cannot be used: TLS goes on with the one before',
      clock,
      logger,
    });
  }

  /** Null where TLS is not spoken here. A ConfigError names the file that cannot be used. */
  static async open(
    { tls }: Pick<Config, 'tls'>,
    parts: { readonly clock: Clock; readonly logger: Log },
  ): Promise<TlsCertificate | null> {
    if (tls === null) return null;
    try {
      return new TlsCertificate(await readCertificate(tls, parts.clock.now()), tls, parts);
    } catch (error) {
      if (!(error instanceof CertificateUnusable)) throw error;
      const { variable, message } = error;
      throw new ConfigError([{ variable, message }]);
    }
  }

  get current(): CertifiedKey {
    return { cert: this.#current.cert, key: this.#current.key };
  }

  get secondsLeft(): number {
    return Math.floor((this.#current.expiresAtMs - this.#clock.now()) / 1_000);
  }

  renewed(follow: (pair: CertifiedKey) => void): void {
    this.#follow.push(follow);
  }

  async #look(): Promise<void> {
    const found = await readCertificate(this.#files, this.#clock.now()).catch((error: unknown) => {
      if (!(error instanceof CertificateUnusable)) throw error;
      throw new Error(`${error.variable} ${error.message}`);
    });
    if (found.cert === this.#current.cert && found.key === this.#current.key) return;
    this.#current = found;
    for (const follow of this.#follow) follow(this.current);
    this.#logger.info({ expiresAt: new Date(found.expiresAtMs).toISOString() }, 'the certificate was renewed');
  }
}
