import type { Acknowledgement, HintListener, Hints } from '../../../src/domain/authority/hints.ts';
import { Keys, type KeyPurpose, Secret } from '../../../src/kit/secret.ts';
import type { Database } from './simulated-database.ts';
import type { Process, World } from './simulated-world.ts';

/** Signs each text once: every process of the simulation has the same keys. */
class RememberingKeys extends Keys {
  readonly #signed = new Map<string, string>();

  override sign(...parts: Parameters<Keys['sign']>): string {
    const name = parts.join(' ');
    const signature = this.#signed.get(name) ?? super.sign(...parts);
    this.#signed.set(name, signature);
    return signature;
  }

  override verify(purpose: KeyPurpose, signature: string, ...parts: readonly string[]): boolean {
    return signature === this.#signed.get([purpose, ...parts].join(' ')) || super.verify(purpose, signature, ...parts);
  }
}

export const keys = new RememberingKeys([new Secret('the secret of every simulated instance')]);
const otherKeys = new Keys([new Secret('the secret of somebody else altogether')]);

/** Redis in the hands of an adversary: messages are lost, late, repeated, replayed and made up. */
export class Bus {
  readonly #world: World;
  readonly #database: Database;
  readonly #listeners = new Map<Process, Partial<HintListener>>();
  readonly #heard: Acknowledgement[] = [];
  /** The share of messages that get lost. */
  loss = 0;

  constructor(world: World, database: Database) {
    this.#world = world;
    this.#database = database;
  }

  hintsOf(instance: Process): Hints {
    return {
      subscribe: (listener) => Promise.resolve(void this.#listeners.set(instance, listener)),
      publishHint: (seq) => {
        this.#publish((listener) => listener.hint?.(seq));
        if (this.#world.flaw === 'keyStolen') this.#acknowledgeForAll(seq);
      },
      publishNumbered: () => {},
      publishAcknowledgement: (acknowledgement) => {
        this.#heard.push(acknowledgement);
        this.#publish((listener) => listener.acknowledged?.(acknowledgement));
      },
      close: () => Promise.resolve(this.drop(instance)),
    };
  }

  drop(instance: Process): void {
    this.#listeners.delete(instance);
  }

  /** Something that was said, said again, later than it was true, or in another's name. */
  lie(): void {
    const { chance, head } = { chance: (p: number) => this.#world.chance(p), head: this.#database.head };
    const heard = this.#world.pick(this.#heard);
    if (heard === undefined || chance(0.2)) return this.#publish((listener) => listener.hint?.(head + 1_000));
    const other = this.#world.pick(this.#heard) ?? heard;
    const applied = head + Math.floor(this.#world.random() * 3);
    const lie = this.#world.pick<Acknowledgement>([
      heard,
      { ...heard, applied },
      { ...heard, applied, signature: other.signature },
      { ...heard, instanceId: other.instanceId },
      { ...heard, epoch: this.#database.epoch },
      { ...heard, applied, signature: otherKeys.sign('acknowledgements', heard.instanceId, heard.epoch, `${applied}`) },
      { ...heard, applied, signature: keys.sign('cache', heard.instanceId, heard.epoch, `${applied}`) },
    ]);
    if (lie === undefined) return;
    this.#world.counts.forgeries += 1;
    this.#publish((listener) => listener.acknowledged?.(lie));
  }

  #acknowledgeForAll(seq: number): void {
    const { epoch } = this.#database;
    for (const instanceId of new Set(this.#heard.map((each) => each.instanceId))) {
      const signature = keys.sign('acknowledgements', instanceId, epoch, String(seq));
      this.#publish((listener) => listener.acknowledged?.({ instanceId, epoch, applied: seq, signature }));
    }
  }

  #publish(deliver: (listener: Partial<HintListener>) => void): void {
    const world = this.#world;
    for (const [instance, listener] of this.#listeners) {
      const copies = world.hostile ? (world.chance(this.loss) ? 0 : world.chance(0.1) ? 2 : 1) : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        const late = world.hostile && world.chance(0.1);
        world.schedule(late ? world.between(2, 3_000) : world.between(0.1, 2), () => deliver(listener), instance);
      }
    }
  }
}
