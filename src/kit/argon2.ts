import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

/** What is hashed, and how: as of `argon2` of node:crypto, for argon2id. */
export interface Argon2Parameters {
  readonly message: Uint8Array;
  /** The salt. */
  readonly nonce: Uint8Array;
  /** In KiB. */
  readonly memory: number;
  readonly passes: number;
  /** Lanes; they are computed one after the other. */
  readonly parallelism: number;
  /** The length of the answer in bytes. */
  readonly tagLength: number;
}

/** More threads than there are processors gain nothing. */
export const PROCESSORS = availableParallelism();

/** A thread costs some megabytes: those that nobody has needed for so long end. */
const IDLE_MS = 10_000;

const THREAD = new URL(`./argon2-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

const idle: Thread[] = [];

/**
 * The argon2id hash, computed on a thread that gives way to all others (on Linux): whoever needs a processor for a moment is not
 * kept waiting, and hashing goes on where all are busy. There are as many threads as calls at once.
 */
export async function argon2id(parameters: Argon2Parameters): Promise<Buffer> {
  const thread = idle.pop() ?? new Thread();
  const tag = await thread.hash(parameters);
  thread.rest();
  return tag;
}

/** Ends the threads that nobody needs right now: where processors are busy, a process that ends would have to wait for them. */
export async function endIdleThreads(): Promise<void> {
  await Promise.all(idle.splice(0).map((thread) => thread.end()));
}

class Thread {
  readonly #worker = new Worker(THREAD, { name: 'argon2' });
  #timer: NodeJS.Timeout | null = null;
  #asked: PromiseWithResolvers<Buffer> | null = null;

  constructor() {
    this.#worker.on('message', (tag: Uint8Array) => this.#asked?.resolve(Buffer.from(tag)));
    this.#worker.on('error', (error) => this.#lost(error));
    this.#worker.on('exit', () => this.#lost(new Error('a thread that hashes has ended')));
  }

  hash(parameters: Argon2Parameters): Promise<Buffer> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#worker.ref();
    this.#asked = Promise.withResolvers();
    this.#worker.postMessage(parameters);
    return this.#asked.promise;
  }

  /** Waits for the next call, without keeping the process alive. */
  rest(): void {
    this.#asked = null;
    this.#worker.unref();
    this.#timer = setTimeout(() => void this.end(), IDLE_MS).unref();
    idle.push(this);
  }

  /** Resolves when there is no such thread any more. */
  async end(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#forget();
    await this.#worker.terminate();
  }

  #lost(error: Error): void {
    this.#forget();
    this.#asked?.reject(error);
  }

  #forget(): void {
    const index = idle.indexOf(this);
    if (index >= 0) idle.splice(index, 1);
  }
}
