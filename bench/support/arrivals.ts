import { setTimeout as sleep } from 'node:timers/promises';
import { Line, type Outcome } from './line.ts';
import { quantile } from './statistics.ts';

/** Requests that come for so long, so many a second. */
export interface Stretch {
  readonly perSecond: number;
  readonly seconds: number;
}

/** What became of those that came in one stretch. */
export interface Came {
  /** How many were to be sent, and how many were not, since no connection was free. */
  readonly due: number;
  readonly unsent: number;
  /** How long after its time one was sent: the 99th of a hundred. */
  readonly lateMs: number;
  /** Answered within the stretch, whenever they had come, in a second of it. */
  readonly goodput: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** From when they were to be sent to their answers, or refusals. */
  readonly answeredMs: Float64Array;
  readonly refusedMs: Float64Array;
}

/** What is noted while they come. */
interface Notes {
  readonly startsMs: number;
  readonly endsMs: number;
  readonly stretch: Stretch;
  readonly lateMs: number[];
  readonly tookMs: Record<Outcome, number[]>;
  due: number;
  unsent: number;
  answeredWithin: number;
}

const TICK_MS = 1;
/** Of those that were sent last: who is not answered by then is lost. */
const WAIT_MS = 10_000;
const OPENED_AT_ONCE = 64;

/**
 * Requests that come when they come, whatever becomes of those before, each over a connection on which nothing is asked. One for
 * which there is none is not sent, and counted as that: a queue here would be measured as one of the server.
 */
export class Arrivals implements Disposable {
  readonly #url: string;
  readonly #lines = new Set<Line>();
  #free: Line[] = [];
  #closed = false;

  private constructor(url: string) {
    this.#url = url;
  }

  static async open(url: string, connections: number): Promise<Arrivals> {
    const arrivals = new Arrivals(url);
    try {
      for (let left = connections; left > 0; left -= OPENED_AT_ONCE) {
        await Promise.all(Array.from({ length: Math.min(left, OPENED_AT_ONCE) }, () => arrivals.#add()));
      }
      return arrivals;
    } catch (error) {
      arrivals[Symbol.dispose]();
      throw error;
    }
  }

  /** One stretch after the other, without a pause. @param request the n-th of them all */
  async run(request: (n: number) => Buffer, stretches: readonly Stretch[]): Promise<readonly Came[]> {
    const all = notesOf(stretches);
    const startMs = performance.now();
    const asked = new Set<Line>();
    let n = 0;
    for (const notes of all) {
      const { startsMs, endsMs, stretch } = notes;
      for (let next = 0; next < notes.due;) {
        const nowMs = performance.now() - startMs;
        for (; next < notes.due && startsMs + (next * 1_000) / stretch.perSecond <= nowMs; next += 1) {
          const line = this.#freeLine();
          if (line === null) {
            notes.unsent += 1;
            continue;
          }
          const dueMs = startsMs + (next * 1_000) / stretch.perSecond;
          notes.lateMs.push(performance.now() - startMs - dueMs);
          asked.add(line);
          line.ask(request(n), (outcome) => {
            const atMs = performance.now() - startMs;
            asked.delete(line);
            notes.tookMs[outcome].push(atMs - dueMs);
            if (outcome === 'answered') {
              const within = all.find((each) => atMs < each.endsMs);
              if (within !== undefined) within.answeredWithin += 1;
            }
            this.#goesOn(line);
          });
          n += 1;
        }
        await sleep(TICK_MS);
      }
      await sleep(Math.max(0, endsMs - (performance.now() - startMs)));
    }
    const givesUpMs = performance.now() + WAIT_MS;
    while (asked.size > 0 && performance.now() < givesUpMs) await sleep(TICK_MS);
    if (asked.size > 0) await this.#replaceBusy();
    return all.map(cameOf);
  }

  /** How many are answered in a second where so many ask again as soon as they are. Throws where none is answered. */
  async most(
    request: (n: number) => Buffer,
    { at, seconds }: { readonly at: number; readonly seconds: number },
  ): Promise<number> {
    const startMs = performance.now();
    const counts: Record<Outcome, number> = { answered: 0, refused: 0, failed: 0, lost: 0 };
    let n = 0;
    const repeat = (line: Line): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const again = (): void => {
        if (performance.now() - startMs >= seconds * 1_000) {
          this.#goesOn(line);
          return resolve();
        }
        line.ask(request(n), (outcome) => {
          counts[outcome] += 1;
          if (outcome === 'lost') return resolve();
          again();
        });
        n += 1;
      };
      again();
      return promise;
    };
    const lines = Array.from({ length: at }, () => this.#freeLine()).filter((line) => line !== null);
    const ended = Promise.all(lines.map(repeat)).then(() => true);
    const tookMs = ended.then(() => performance.now() - startMs);
    const stopped = new AbortController();
    const late = sleep(seconds * 1_000 + WAIT_MS, false, { signal: stopped.signal }).catch(() => false);
    if (!(await Promise.race([ended, late]))) await this.#replaceBusy();
    stopped.abort();
    if (counts.answered === 0)
      throw new Error(`nothing was answered: ${JSON.stringify(counts)}\n${this.failure ?? ''}`);
    return counts.answered / ((await tookMs) / 1_000);
  }

  /** Asks once. @returns what became of it, and after how long */
  async ask(request: Buffer): Promise<{ readonly outcome: Outcome; readonly tookMs: number }> {
    const line = this.#freeLine();
    if (line === null) throw new TypeError('no connection is free');
    const startMs = performance.now();
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const timer = setTimeout(() => line.close(), WAIT_MS);
    line.ask(request, resolve);
    const outcome = await promise;
    clearTimeout(timer);
    this.#goesOn(line);
    return { outcome, tookMs: performance.now() - startMs };
  }

  /** The beginning of an answer that was a failure, if there was one. */
  get failure(): string | null {
    return [...this.#lines].find(({ failure }) => failure !== null)?.failure ?? null;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const line of this.#lines) line.close();
  }

  /** The one that was used last, so that no more are in use than must be; null when there is none. */
  #freeLine(): Line | null {
    for (let line = this.#free.pop(); line !== undefined; line = this.#free.pop()) {
      if (line.isOpen) return line;
      this.#replace(line);
    }
    return null;
  }

  #goesOn(line: Line): void {
    if (line.isOpen) this.#free.push(line);
    else this.#replace(line);
  }

  #replace(line: Line): void {
    line.close();
    this.#lines.delete(line);
    // Where it cannot be, there is one fewer.
    if (!this.#closed) this.#add().catch(() => {});
  }

  async #replaceBusy(): Promise<void> {
    const free = new Set(this.#free);
    for (const line of this.#lines) if (!free.has(line)) line.close();
    await sleep(TICK_MS);
  }

  async #add(): Promise<void> {
    const line = await Line.open(this.#url);
    if (this.#closed) return line.close();
    this.#lines.add(line);
    this.#free.push(line);
  }
}

function notesOf(stretches: readonly Stretch[]): readonly Notes[] {
  let startsMs = 0;
  return stretches.map((stretch) => {
    const notes: Notes = {
      startsMs,
      endsMs: startsMs + stretch.seconds * 1_000,
      stretch,
      lateMs: [],
      tookMs: { answered: [], refused: [], failed: [], lost: [] },
      due: Math.round(stretch.perSecond * stretch.seconds),
      unsent: 0,
      answeredWithin: 0,
    };
    startsMs = notes.endsMs;
    return notes;
  });
}

function cameOf({ due, unsent, lateMs, stretch, answeredWithin, tookMs }: Notes): Came {
  const { answered, refused, failed, lost } = tookMs;
  return {
    due,
    unsent,
    lateMs: quantile(lateMs, 0.99),
    goodput: answeredWithin / stretch.seconds,
    outcomes: { answered: answered.length, refused: refused.length, failed: failed.length, lost: lost.length },
    answeredMs: Float64Array.from(answered),
    refusedMs: Float64Array.from(refused),
  };
}
