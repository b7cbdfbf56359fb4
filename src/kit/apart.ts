import { parentPort, Worker } from 'node:worker_threads';
import { giveWay } from './give-way.ts';
import { Undertaking } from './undertaking.ts';

/** Work that was done apart wanted more memory than it may have. */
export class TooMuchMemory extends Error {
  override readonly name = 'TooMuchMemory';
}

/** A thread that nobody has needed for so long ends. */
const IDLE_MS = 10_000;

/**
 * Computes on a thread of its own, which gives way to all others, what would keep this one from everything else. One thing after
 * the other, each until nobody waits for it any more. What goes there and comes back is plain data, and is copied.
 */
export class Apart<I, O> {
  readonly #module: URL;
  readonly #memoryMib: number;
  #last: Promise<unknown> = Promise.resolve();
  #worker: Worker | null = null;
  #timer: NodeJS.Timeout | null = null;
  #busy = false;

  /** @param module calls {@link answerApart} */
  constructor(module: URL, { memoryMib }: { readonly memoryMib: number }) {
    this.#module = module;
    this.#memoryMib = memoryMib;
  }

  /** @throws {TooMuchMemory} */
  ask(input: I): Promise<O> {
    const turn = this.#last.then(() => this.#ask(input));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Ends the thread if nobody needs it right now. */
  async rest(): Promise<void> {
    if (this.#busy) return;
    const worker = this.#worker;
    this.#forget();
    await worker?.terminate();
  }

  async #ask(input: I): Promise<O> {
    const undertaking = Undertaking.current();
    if (undertaking?.abandoned === true) throw new Error('nobody waits for this any more');
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#busy = true;
    const { promise, resolve, reject } = Promise.withResolvers<O>();
    const worker = this.#worker ?? this.#open();
    worker.ref();
    const gone = undertaking?.whenAbandoned(() => void worker.terminate());
    const settled = new AbortController();
    const on = (event: string, listener: (given: unknown) => void): void => {
      worker.once(event, listener);
      settled.signal.addEventListener('abort', () => worker.off(event, listener));
    };
    on('message', (output) => resolve(output as O)); // what the module of this thread answers with
    on('error', (error) => reject(Object(error).code === 'ERR_WORKER_OUT_OF_MEMORY' ? new TooMuchMemory() : error));
    on('exit', () => reject(new Error('a thread has ended without an answer')));
    try {
      worker.postMessage(input);
      return await promise;
    } finally {
      settled.abort();
      gone?.();
      this.#busy = false;
      worker.unref();
      this.#timer = setTimeout(() => void this.rest(), IDLE_MS).unref();
    }
  }

  #open(): Worker {
    const resourceLimits = { maxOldGenerationSizeMb: this.#memoryMib };
    const worker = new Worker(this.#module, { name: 'apart', resourceLimits });
    const lost = (): void => {
      if (this.#worker === worker) this.#forget();
    };
    // Whoever waits for an answer is told; without one there is nobody to tell.
    worker.on('error', lost);
    worker.on('exit', lost);
    this.#worker = worker;
    return worker;
  }

  #forget(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#worker = null;
  }
}

/** What the module of such a thread does with each thing that it is given. */
export function answerApart(work: (input: never) => unknown): void {
  giveWay();
  parentPort?.on('message', (input: unknown) => parentPort?.postMessage(work(input as never))); // what it is asked with
}
