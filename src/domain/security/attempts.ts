import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Clock } from '../../kit/clock.ts';
import { Folding } from '../../kit/folding.ts';
import type { Log } from '../../kit/log.ts';
import { networkOf } from '../../kit/networks.ts';
import { Rounds } from '../../kit/rounds.ts';
import { REFUSALS } from '../refusals.ts';
import type { Protocol } from '../sessions/activity.ts';

/** What is nobody's attempt: a client whose token has run out asks with the next one, and the others are our own state. */
const NO_ATTEMPT: ReadonlySet<string> = new Set(['TOKEN_EXPIRED', 'AUTHORITY_UNAVAILABLE']);
const TOLD: ReadonlySet<string> = new Set(Object.keys(REFUSALS).filter((code) => !NO_ATTEMPT.has(code)));

const WINDOW_MS = 60_000;
const TELL_MS = 5_000;
/** Told apart within a minute: at two lines each, they are what the log grows by at most, however many ask from however many places. */
const TOLD_APART_MAX = 500;
/** Networks of addresses that were met lately, since making them out costs more than all else here. */
const NETWORKS_MAX = 2_000;

/** Who was refused, as far as is known, and where they came in. */
export interface Attempt {
  readonly code: string;
  readonly door: Protocol;
  readonly network: string | null;
  readonly principalId: string | null;
}

/**
 * What was refused at any door is told in the log: bad input, documents and limits, what shows no credential that holds, and pages
 * of other sites. The first of a kind is a line at once, and what follows within a minute is one line with how often; so a flood
 * cannot fill a disk, or hide behind one.
 */
export class Attempts {
  readonly #logger: Log;
  readonly #folding: Folding<Attempt>;
  readonly #networks = new BoundedMap<string, string>(NETWORKS_MAX);
  readonly rounds: Rounds;

  constructor(parts: { clock: Clock; logger: Log }) {
    this.#logger = parts.logger;
    this.#folding = new Folding({ whileMs: WINDOW_MS, kindsMax: TOLD_APART_MAX, ...parts });
    const failed = 'what was attempted was not told';
    this.rounds = new Rounds({
      everyMs: TELL_MS,
      work: () => Promise.resolve(this.#tell()),
      failed,
      writesRest: true,
      ...parts,
    });
  }

  /** Attempts without a line of their own, since this instance started. */
  get folded(): number {
    return this.#folding.folded;
  }

  /** @param code of the refusal; what is none is told elsewhere */
  note(code: string, door: Protocol, address: string | null, principalId: string | null): void {
    if (!TOLD.has(code)) return;
    const network = address === null ? null : this.#networkOf(address);
    const attempt = { code, door, network, principalId };
    const first = this.#folding.first(`${code} ${door} ${network} ${principalId}`, attempt);
    if (first !== null) this.#logger.info(attempt, 'an attempt was refused');
  }

  #networkOf(address: string): string {
    const known = this.#networks.get(address);
    if (known !== undefined) return known;
    const network = networkOf(address);
    this.#networks.set(address, network);
    return network;
  }

  #tell(): void {
    for (const { what, repeated } of this.#folding.over(this.rounds.stopped)) {
      if (repeated > 0) this.#logger.info({ ...what, times: repeated }, 'attempts were refused again');
    }
    const times = this.#folding.takeBeyond();
    if (times > 0) this.#logger.info({ times }, 'attempts were refused that are not told apart');
  }
}
