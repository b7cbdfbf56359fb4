import type { Cluster } from './simulated-cluster.ts';

/** Whatever may go wrong does, and once in a while the database is restored from a backup. */
export function scheduleFaults(cluster: Cluster, withinMs: number): void {
  const { world, database, bus } = cluster;
  const faults: readonly (() => void)[] = [
    () => crash(cluster),
    () => pause(cluster),
    () => pause(cluster),
    () => depart(cluster),
    () => cut(cluster),
    () => cut(cluster),
    () => jump(cluster),
    () => {
      world.counts.outages += 1;
      database.downUntilMs = world.nowMs + world.between(50, 4_500);
    },
    () => void (bus.loss = world.pick([0, 0.3, 1]) ?? 0),
  ];
  world.repeat(100, 1_800, () => world.pick(faults)?.());
  if (world.chance(0.1)) world.schedule(world.between(2_000, withinMs), () => world.hostile && database.restore());
}

function crash(cluster: Cluster): void {
  const { world } = cluster;
  const instance = world.pick(cluster.living);
  if (instance === undefined) return;
  world.counts.crashes += 1;
  instance.die();
  bootLater(cluster, instance.slot);
}

function depart(cluster: Cluster): void {
  const { world } = cluster;
  const instance = world.pick(cluster.living.filter(({ state }) => state === 'running'));
  if (instance === undefined) return;
  world.counts.departures += 1;
  instance.leave().then(
    () => bootLater(cluster, instance.slot),
    () => {},
  );
}

function bootLater(cluster: Cluster, slot: number): void {
  const { world } = cluster;
  world.schedule(world.between(10, 2_000), () => cluster.boot(slot));
}

/** SIGSTOP and the like; or the whole machine, and then its monotonic clock does not see the time pass. */
function pause(cluster: Cluster): void {
  const { world } = cluster;
  const instance = world.pick(cluster.living.filter(({ state }) => state === 'running'));
  if (instance === undefined) return;
  const suspended = world.chance(0.4);
  const ms = suspended ? world.between(150, 8_000) : world.between(20, 8_000);
  world.counts[suspended ? 'suspensions' : 'pauses'] += 1;
  const pausedAtMs = world.nowMs;
  instance.pause();
  const resume = (): void => {
    if (instance.state === 'paused') instance.resume(suspended ? world.nowMs - pausedAtMs : 0);
  };
  world.schedule(ms, resume);
}

function cut(cluster: Cluster): void {
  const { world } = cluster;
  const instance = world.pick(cluster.living);
  if (instance === undefined) return;
  world.counts.cuts += 1;
  instance.cutUntilMs = world.nowMs + world.between(100, 9_000);
}

function jump(cluster: Cluster): void {
  const { world } = cluster;
  const instance = world.pick(cluster.living);
  if (instance === undefined) return;
  world.counts['jumps of the wall clock'] += 1;
  instance.clock.wallShiftMs += world.between(-12_000, 12_000);
}
