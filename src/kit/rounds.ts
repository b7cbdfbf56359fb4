import type { Clock, Timer } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { Failures } from './failures.ts';
import type { Log } from './log.ts';

/** A round that takes longer is left to itself when all is closed. */
const STOP_MS = 5_000;

/**
 * Work that is done in the background, again and again, one round at a time. A round that fails is logged, and the next comes all
 * the same; further ones that fail in the same way are not logged, until one has gone well again.
 */
export class Rounds {
  readonly #everyMs: number;
  readonly #work: () => Promise<void>;
  readonly #writesRest: boolean;
  readonly #clock: Clock;
  readonly #failures: Failures;
  #timer: Timer | null = null;
  #soon: Timer | null = null;
  #stopped = false;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;

  constructor(parts: {
    everyMs: number;
    work: () => Promise<void>;
    /** What is logged where a round fails that nobody waits for. */
    failed: string;
    /** That one more round is done when all is closed. */
    writesRest?: boolean;
    clock: Clock;
    logger: Log;
  }) {
    this.#everyMs = parts.everyMs;
    this.#work = parts.work;
    this.#writesRest = parts.writesRest ?? false;
    this.#clock = parts.clock;
    this.#failures = new Failures(parts);
  }

  /** For how long no round that nobody waits for has gone well; 0 where the last one has. */
  get failingSeconds(): number {
    return this.#failures.seconds;
  }

  /** Whether what is under way should come to its end. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** The first round comes after `everyMs`; none does once it was stopped. */
  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#clock.after(this.#everyMs, () => {
      this.start();
      this.begin();
    });
  }

  /** Nothing begins by itself any more. Resolves when nothing is under way, and rejects if that takes too long or the last round fails. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#soon?.cancel();
    this.#soon = null;
    const underWay = this.#queued ?? this.#running;
    const ended = this.#writesRest ? this.next() : underWay?.catch(() => {});
    if (ended !== undefined) await withDeadline(this.#clock, ended, STOP_MS, 'What was under way');
  }

  /** One round that starts after this call, shared by all who ask while another is under way. */
  next(): Promise<void> {
    if (this.#queued !== null) return this.#queued;
    if (this.#running === null) return this.#run();
    this.#queued = this.#running
      .catch(() => {})
      .then(() => {
        this.#queued = null;
        return this.#run();
      });
    this.#queued.catch(() => {});
    return this.#queued;
  }

  /** As {@link next}, for whoever does not wait. */
  begin(): void {
    this.next().then(
      () => this.#failures.well(),
      (error: unknown) => {
        if (!this.#stopped) this.#failures.wrong(error);
      },
    );
  }

  /** One round after `ms`, shared by all who ask until then. Whether this call is the first of them. */
  soon(ms: number): boolean {
    if (this.#soon !== null || this.#stopped) return false;
    this.#soon = this.#clock.after(ms, () => {
      this.#soon = null;
      this.begin();
    });
    return true;
  }

  #run(): Promise<void> {
    const running = this.#work().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }
}
