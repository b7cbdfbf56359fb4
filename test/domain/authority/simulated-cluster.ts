import { sameEpoch } from '../../../src/domain/authority/position.ts';
import { Bus } from './simulated-bus.ts';
import { Database } from './simulated-database.ts';
import { Instance } from './simulated-instance.ts';
import type { World } from './simulated-world.ts';
import { Observer } from './simulation-observer.ts';

/** All instances, those of the past too, what is between them, and who looks on. */
export class Cluster {
  readonly world: World;
  readonly observer: Observer;
  readonly database: Database;
  readonly bus: Bus;
  readonly instances: Instance[] = [];

  constructor(world: World) {
    this.world = world;
    this.observer = new Observer(world);
    this.database = new Database(world, this.observer);
    this.bus = new Bus(world, this.database);
  }

  get living(): readonly Instance[] {
    return this.instances.filter(({ state }) => state !== 'gone');
  }

  /** Unless its place is taken. */
  boot(slot: number): void {
    if (this.living.some((each) => each.slot === slot)) return;
    const instance = new Instance(this, slot);
    this.instances.push(instance);
    instance.start();
  }

  /** Runs event after event until `done`, watched by the observer; whether that came within `ms`. */
  until(done: () => boolean, ms: number): Promise<boolean> {
    return this.world.until(done, ms, () => this.observer.look(this.instances));
  }

  /** Whether every instance knows all that is in the log. */
  get isAtHead(): boolean {
    const { epoch, head } = this.database;
    return this.living.every(({ tail: { position } }) => sameEpoch(position.epoch, epoch) && position.seq === head);
  }

  describe(): string {
    const each = this.living.map(
      ({ slot, state, tail, changesOpen }) =>
        `${slot} ${state} at ${tail.position.seq}, lease ${tail.leaseMarginMs}, ${changesOpen} open`,
    );
    return `head ${this.database.head}; ${each.join('; ')}`;
  }
}
