import { TIMING } from '../../../src/domain/authority/timing.ts';
import type { Clock, Timer } from '../../../src/kit/clock.ts';
import { EPOCH_MS, type Process, type World } from './simulated-world.ts';

/** Runs at its own speed, within what two clocks may drift apart, and can be made to stand still or to jump. */
export class DriftingClock implements Clock {
  readonly #world: World;
  readonly #owner: Process;
  readonly #rate: number;
  readonly #wallRate: number;
  readonly #startedAt: number;
  stoodStillMs = 0;
  wallShiftMs: number;

  constructor(world: World, owner: Process) {
    this.#world = world;
    this.#owner = owner;
    const tooSlow = world.flaw === 'clocksTooSlow' && owner.slot === 0;
    this.#rate = tooSlow ? 0.5 : 1 + world.random() * TIMING.driftMax;
    // One that is slow alone shows against the other.
    this.#wallRate = tooSlow ? 0.5 : 1;
    this.#startedAt = world.between(0, 1_000_000);
    this.wallShiftMs = world.between(-500, 500);
  }

  now(): number {
    return EPOCH_MS + this.#world.nowMs * this.#wallRate + this.wallShiftMs;
  }

  monotonicMs(): number {
    return this.#startedAt + (this.#world.nowMs - this.stoodStillMs) * this.#rate;
  }

  after(ms: number, fn: () => void): Timer {
    const dueAt = this.monotonicMs() + ms;
    let cancelled = false;
    const arm = (): void => {
      const lateMs = this.#world.hostile && this.#world.chance(0.02) ? this.#world.between(0, 80) : 0.001;
      this.#world.schedule((dueAt - this.monotonicMs()) / this.#rate + lateMs, fire, this.#owner);
    };
    const fire = (): void => {
      if (cancelled) return;
      // It stood still meanwhile.
      if (this.monotonicMs() < dueAt) return arm();
      fn();
    };
    arm();
    return { cancel: () => (cancelled = true) };
  }
}
