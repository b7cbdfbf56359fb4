import type { LiveOperation } from '../../../src/domain/authority/live.ts';
import type { ChangeKind } from '../../../src/domain/authority/log.ts';
import { sameEpoch } from '../../../src/domain/authority/position.ts';
import type { Tail } from '../../../src/domain/authority/tail.ts';
import type { Tombstones } from '../../../src/domain/authority/tombstones.ts';
import type { Process, World } from './simulated-world.ts';

/** An instance as the observer sees it. */
interface Observed extends Process {
  readonly tail: Tail;
  readonly subscriptions: Iterable<LiveOperation & { readonly epoch: string; tell(): boolean }>;
}

/** So many times it looks, subscriptions are told something. */
const LOOKS = 8;

interface Change {
  readonly kind: ChangeKind;
  readonly target: string;
  readonly epoch: string;
  readonly seq: number;
}

/** Sees every instance at once, and real time. */
export class Observer {
  readonly violations: string[] = [];
  readonly #world: World;
  #committed: Change[] = [];
  #enforced: Change[] = [];
  #looks = 0;
  /** How many of the enforced ones are known to be refused. Tombstones only grow, or are replaced as a whole. */
  #held = new Map<Tombstones, number>();

  constructor(world: World) {
    this.#world = world;
  }

  committed(change: Change): void {
    this.#committed.push(change);
  }

  enforced(change: Change): void {
    const { kind, target, seq, epoch } = change;
    const row = this.#committed.find((it) => it.seq === seq && it.target === target && sameEpoch(it.epoch, epoch));
    // A restore took it back: nobody can be held to it.
    if (row?.kind !== kind) return;
    this.#enforced.push(change);
    this.#committed = this.#committed.filter((it) => it !== row);
  }

  /** The history that these belong to is no more. */
  forget(): void {
    this.#committed = [];
    this.#enforced = [];
    this.#held.clear();
  }

  look(instances: readonly Observed[]): void {
    this.#looks += 1;
    for (const instance of instances) {
      if (instance.state !== 'running') continue;
      if (!instance.tail.inForce()) {
        this.#world.counts['decisions refused without a lease'] += 1;
        continue;
      }
      if (this.#looks % LOOKS === 0) this.#tell(instance);
      const { tombstones } = instance.tail;
      for (const change of this.#enforced.slice(this.#held.get(tombstones) ?? 0)) this.#hold(instance, change);
      this.#held.set(tombstones, this.#enforced.length);
      const latest = this.#committed.at(-1);
      if (latest !== undefined && ignores(instance, latest)) this.#world.counts['permits of a committed change'] += 1;
    }
  }

  #tell({ slot, subscriptions }: Observed): void {
    for (const subscription of subscriptions) {
      if (subscription.tell()) continue;
      const [target] = subscription.credentialTargets;
      this.violations.push(`instance ${slot} vouches for ${target} at ${this.#world.nowMs.toFixed(1)} ms`);
    }
  }

  #hold(instance: Observed, change: Change): void {
    const what = `${change.kind} ${change.target} at ${change.seq}`;
    const who = `instance ${instance.slot} (applied ${instance.tail.position.seq}) at ${this.#world.nowMs.toFixed(1)} ms`;
    if (ignores(instance, change)) this.violations.push(`${who} permits as if ${what} had not been`);
    if (change.kind === 'changed') return;
    for (const { credentialTargets, label, epoch } of instance.subscriptions) {
      const isOver = credentialTargets.includes(change.target) && label < change.seq && sameEpoch(epoch, change.epoch);
      if (isOver) this.violations.push(`${who} goes on with a subscription though ${what} ended it`);
    }
  }
}

/** Would this instance, asked now, honour the newest credential or ability from before the change? */
function ignores({ tail: { tombstones, position } }: Observed, { kind, target, epoch, seq }: Change): boolean {
  const label = seq - 1;
  if (!sameEpoch(position.epoch, epoch) || label < tombstones.horizon) return false;
  return kind === 'revoked' ? !tombstones.revokedSince(target, label) : !tombstones.touchedSince([target], label);
}
