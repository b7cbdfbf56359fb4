/**
 * A seeded simulation of the revocation protocol as it is written: several instances, each with its own clock, over one
 * database and one untrusted bus, with crashes, pauses, cuts and lies. Everything that happens is an event in one
 * queue, so a seed decides the whole run, and an observer that no instance can deceive looks on after every event.
 */
import type { Receipt } from '../../../src/domain/authority/receipts.ts';
import { TIMING } from '../../../src/domain/authority/timing.ts';
import { Cluster } from './simulated-cluster.ts';
import { scheduleFaults } from './simulated-faults.ts';
import { World, type Count, type Flaw } from './simulated-world.ts';

export interface Report {
  readonly seed: number;
  /** Decisions that ignored a change after its receipt said that it was enforced. */
  readonly violations: readonly string[];
  /** What did not come right after everything was healthy again. */
  readonly stuck: readonly string[];
  readonly events: number;
  readonly counts: Readonly<Record<Count, number>>;
}

const FAULTS_MS = 12_000;
/** Collecting the dead takes at most 2L of silence, a round of the collector, the wait for their leases, and a round. */
const RECOVERY_MS = 40_000;
const TARGETS = ['sess_a', 'sess_b', 'sess_c', 'sess_d', 'user_a', 'user_b', 'policy'] as const;

/** Runs one history. The same seed and flaw give the same report. */
export async function simulate(seed: number, flaw: Flaw | null = null): Promise<Report> {
  const history = new History(new Cluster(new World(seed, flaw)));
  await history.live();
  return history.report();
}

/** Things go wrong for a while, and then must come right. */
class History {
  readonly #cluster: Cluster;
  readonly #stuck: string[] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async live(): Promise<void> {
    const cluster = this.#cluster;
    const { world, observer, database } = cluster;
    const slots = 2 + Math.floor(world.random() * 3);
    for (let slot = 0; slot < slots; slot += 1) cluster.boot(slot);
    scheduleFaults(cluster, FAULTS_MS);
    scheduleWork(cluster);
    const faultsMs = world.flaw === null ? FAULTS_MS : 4 * FAULTS_MS;
    await cluster.until(() => observer.violations.length > 0, faultsMs);
    if (world.flaw !== null || observer.violations.length > 0) return;

    world.hostile = false;
    database.downUntilMs = 0;
    for (const instance of cluster.instances) {
      instance.cutUntilMs = 0;
      if (instance.state === 'paused') instance.resume(0);
    }
    for (let slot = 0; slot < slots; slot += 1) cluster.boot(slot);
    await this.#recover(slots);
  }

  report(): Report {
    const { world, observer } = this.#cluster;
    const { seed, events, counts } = world;
    return { seed, violations: observer.violations, stuck: this.#stuck, events, counts };
  }

  /** Nobody lags, nobody is waited for in vain, and a change is in force as fast as news travels. */
  async #recover(slots: number): Promise<void> {
    const cluster = this.#cluster;
    const { database } = cluster;
    const isHealthy = () =>
      cluster.living.length === slots &&
      database.members === slots &&
      cluster.living.every(({ tail, changesOpen }) => tail.inForce() && changesOpen === 0) &&
      cluster.isAtHead;
    if (!(await cluster.until(isHealthy, RECOVERY_MS))) {
      this.#stuck.push(`after ${RECOVERY_MS} ms ${database.members} members of ${slots}: ${cluster.describe()}`);
      return;
    }
    const receipts: Receipt[] = [];
    for (const instance of cluster.living) instance.change('revoked', 'sess_a', (receipt) => receipts.push(receipt));
    await cluster.until(() => receipts.length === slots, TIMING.pollMs);
    const good = receipts.filter(
      ({ enforced, acknowledged, instances, waitedMs }) =>
        enforced && acknowledged === slots && instances === slots && waitedMs < TIMING.pollMs / 2,
    );
    if (good.length !== slots) this.#stuck.push(`receipts of a healthy cluster: ${JSON.stringify(receipts)}`);
    await cluster.until(() => cluster.isAtHead, TIMING.pollMs);
    if (!cluster.isAtHead) this.#stuck.push(cluster.describe());
  }
}

function scheduleWork(cluster: Cluster): void {
  const { world, database, bus } = cluster;
  world.repeat(20, 300, () => {
    const running = cluster.living.filter(({ state, tail }) => state === 'running' && tail.inForce());
    world.pick(running)?.change(world.chance(0.7) ? 'revoked' : 'changed', world.pick(TARGETS) ?? 'sess_a', () => {});
  });
  world.repeat(50, 300, () => world.pick(cluster.living)?.subscribe(world.pick(TARGETS) ?? 'sess_a'));
  world.repeat(500, 2_000, () => database.trim());
  world.repeat(20, 400, () => bus.lie());
}
