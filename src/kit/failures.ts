import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** A server that goes away fails in a few ways in turn. */
const KINDS_MAX = 8;

/**
 * What fails again and again, such as all that asks a server which is away. The first failure is logged, and further ones only where
 * they are of another kind; and once it has gone well again, how many there were.
 */
export class Failures {
  readonly #failed: string;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #logger: Log;
  readonly #kinds = new Set<string>();
  #count = 0;
  #sinceMs: number | null = null;

  /** @param parts `failed` is what is logged */
  constructor(parts: { failed: string; clock: Pick<Clock, 'monotonicMs'>; logger: Log }) {
    this.#failed = parts.failed;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** For how long it has not gone well; 0 where it has. */
  get seconds(): number {
    return this.#sinceMs === null ? 0 : (this.#clock.monotonicMs() - this.#sinceMs) / 1_000;
  }

  well(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#kinds.clear();
    this.#count = 0;
    this.#sinceMs = null;
    this.#logger.info({ rounds: count, failed: this.#failed }, 'what failed goes on');
  }

  /** @param facts are told with it, and tell no failure from another */
  wrong(error: unknown, facts: object = {}): void {
    this.#count += 1;
    this.#sinceMs ??= this.#clock.monotonicMs();
    const kind = kindOf(error);
    if (this.#kinds.has(kind) || this.#kinds.size >= KINDS_MAX) return;
    this.#kinds.add(kind);
    this.#logger.warn({ err: error, ...facts }, this.#failed);
  }
}

/** Messages tell times and ids, which differ each time. */
function kindOf(error: unknown): string {
  const { name, code } = Object(error) as { name?: unknown; code?: unknown };
  return `${String(name)} ${String(code)}`;
}
