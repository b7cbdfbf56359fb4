import { setTimeout as pause } from 'node:timers/promises';
import { ask, type Reply } from './clients.ts';
import type { Instance } from './cluster.ts';

const ASKS_EVERY_MS = 100;

/** What stands in front of instances: it sends to those that say they are ready, in turn. */
export class Balancer {
  readonly #instances: readonly Instance[];
  readonly #looking: Promise<void>;
  #ready: readonly Instance[];
  #turn = 0;
  #stopped = false;

  /** @param instances whatever is added to them is found */
  constructor(instances: readonly Instance[]) {
    this.#instances = instances;
    this.#ready = [...instances];
    this.#looking = this.#look();
  }

  /** Another one is tried where no connection came about: nothing was sent. Keep-alive as a gateway has it. */
  async ask(query: string, options: { token?: string; variables?: object } = {}): Promise<Reply> {
    for (let tries = 1; ; tries += 1) {
      const instance = this.#ready[(this.#turn += 1) % this.#ready.length];
      try {
        return await ask(instance?.url ?? '', query, { ...options, once: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED' || tries === this.#instances.length) throw error;
      }
    }
  }

  has(instance: Instance): boolean {
    return this.#ready.includes(instance);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      await pause(ASKS_EVERY_MS);
      const found = await Promise.all(
        this.#instances.map(async (instance) => ((await isReady(instance)) ? [instance] : [])),
      );
      this.#ready = found.flat();
    }
  }
}

export async function isReady({ url, running }: Instance): Promise<boolean> {
  if (!running) return false;
  const response = await fetch(`${url}/health/ready`).catch(() => null);
  await response?.text();
  return response?.ok === true;
}
