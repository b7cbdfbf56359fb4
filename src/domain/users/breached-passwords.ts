import { createHash } from 'node:crypto';
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';

/** Who knows which passwords are in breaches, and is told of none more than five digits of a hash: the protocol of Pwned Passwords. */
export interface PasswordRanges {
  /**
   * The other 35 hexadecimal digits, in capitals, of the SHA-1 of every breached password whose hash begins with these five. Must
   * come or throw within two seconds, and must throw where the answer is none.
   */
  suffixes(prefix: string): Promise<ReadonlySet<string>>;
}

const PREFIX_DIGITS = 5;
const AT_ONCE_MAX = 64;
const SAID_EVERY_MS = 60_000;

/** Whether passwords are in breaches, as far as somebody else can say: nobody waits for that any longer, and nothing depends on it. */
export class BreachedPasswords {
  readonly #ranges: PasswordRanges | null;
  readonly #clock: Clock;
  readonly #logger: Log;
  #asking = 0;
  #unanswered = 0;
  #saidAtMs = -Infinity;

  /** @param parts `ranges` is null where nobody is asked */
  constructor(parts: { ranges: PasswordRanges | null; clock: Clock; logger: Log }) {
    this.#ranges = parts.ranges;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** How often there was no answer. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Whether it is one. Where there is no answer, it is none as far as is known. */
  async has(password: string): Promise<boolean> {
    if (this.#ranges === null) return false;
    // As it is hashed; SHA-1 is what the protocol says, and protects nothing here.
    const digits = createHash('sha1').update(password.normalize('NFKC')).digest('hex').toUpperCase();
    this.#asking += 1;
    try {
      if (this.#asking > AT_ONCE_MAX) throw new Error(`${AT_ONCE_MAX} are asked about already`);
      return (await this.#ranges.suffixes(digits.slice(0, PREFIX_DIGITS))).has(digits.slice(PREFIX_DIGITS));
    } catch (error) {
      this.#unanswered += 1;
      this.#say(error);
      return false;
    } finally {
      this.#asking -= 1;
    }
  }

  #say(error: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidAtMs < SAID_EVERY_MS) return;
    this.#saidAtMs = nowMs;
    this.#logger.warn({ err: error }, 'whether new passwords are in breaches is not known: BREACHED_PASSWORDS_URL');
  }
}
