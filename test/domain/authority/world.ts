/** The world around the protocol: faults, the clock, and what others do at the database meanwhile. */
import type { Transition } from './explore.ts';
import {
  DELETED_ROW,
  head,
  NOTHING,
  permitsIgnoring,
  type Instance,
  type Mistakes,
  type Row,
  type Scenario,
  type State,
} from './model.ts';

export type Step = Transition<State>;

export const NAMES = ['A', 'B', 'C'];
/** Covers ρ and δ: over one lease no two clocks drift apart by more than a tick. */
export const SLACK_TICKS = 1;

/** Crash, departure and the collection of the dead, or of those who only seem to be. */
export function faultSteps(
  i: number,
  { leaseTicks, incarnationsMax, with: features }: Scenario,
  mistakes: Mistakes,
): Step[] {
  const step = instanceStep(i);
  const steps: Step[] = [];
  if (features.has('crashes')) {
    steps.push(
      step(
        'crashes or stops',
        ({ phase }) => phase !== 'down',
        (me) => ({ ...me, ...NOTHING }),
      ),
      // leave: stop serving first, then delete the own row.
      step(
        'deletes its own row',
        ({ phase, rows }) => phase === 'down' && rows.length > 0 && rows.at(-1)!.state !== 'deleted',
        (me) => withCurrentRow(me, () => DELETED_ROW),
      ),
    );
  }
  if (!features.has('collection')) return steps;

  for (let r = 0; r < incarnationsMax; r += 1) {
    steps.push(
      // Anyone may be suspected at any time: safety must not hang on last_seen.
      step(
        'is marked as dead',
        ({ rows }) => rows[r]?.state === 'active',
        (me) => {
          const waitTicks = mistakes.has('m5') ? 0 : leaseTicks + SLACK_TICKS;
          return { ...me, rows: me.rows.with(r, { ...me.rows[r]!, state: 'marked', waitTicks }) };
        },
      ),
      step(
        'is collected',
        ({ rows }) => rows[r]?.state === 'marked' && rows[r]?.waitTicks === 0,
        (me) => ({ ...me, rows: me.rows.with(r, DELETED_ROW) }),
      ),
    );
  }
  return steps;
}

/** Not of the protocol: they change nothing, and show that the search met instances that permit and refuse. */
export function observations(i: number, scenario: Scenario, mistakes: Mistakes): Step[] {
  const observe = (label: string, guard: (me: Instance, state: State) => boolean): Step => ({
    label,
    actor: NAMES[i]!,
    guard: (state) => guard(state.instances[i]!, state),
    effect: (state) => state,
  });
  const permits = (me: Instance, state: State) => permitsIgnoring(state, me, 1, scenario, mistakes);

  return [
    observe('permits before the change', (me, state) => !(state.visible & 1) && permits(me, state)),
    observe('permits a committed change', (me, state) => (state.visible & 1) !== 0 && permits(me, state)),
    observe('refuses by a tombstone', (me, state) => me.leaseTicks > 0 && me.tombstones > 0 && !permits(me, state)),
  ];
}

export function clockSteps({ leaseTicks, serving, late, with: features }: Scenario): Step[] {
  const lower = (ticks: number) => Math.max(0, ticks - 1);
  const ofInstance = (me: Instance): Instance => {
    const poll = me.poll && { ...me.poll, ageTicks: Math.min(leaseTicks, me.poll.ageTicks + 1) };
    return me.leaseTicks || poll ? { ...me, leaseTicks: lower(me.leaseTicks), poll } : me;
  };
  const tick = (state: State, slow: number): State => {
    const instances = state.instances.map((me, i) =>
      i === slow ? { ...me, slowTicksLeft: me.slowTicksLeft - 1 } : ofInstance(me),
    );
    const calls = state.calls.map((call) => ({ ...call, waitTicks: lower(call.waitTicks) }));
    return mapRows({ ...state, instances, calls }, (row) =>
      row.waitTicks > 0 ? { ...row, waitTicks: lower(row.waitTicks) } : row,
    );
  };

  const steps: Step[] = [{ label: 'ticks', actor: 'the clock', guard: () => true, effect: (state) => tick(state, -1) }];
  for (let i = 0; features.has('slowClocks') && i < serving + late; i += 1) {
    steps.push({
      label: `ticks, but not for ${NAMES[i]}`,
      actor: 'the clock',
      guard: (state) => state.instances[i]!.slowTicksLeft > 0,
      effect: (state) => tick(state, i),
    });
  }
  if (features.has('trimming')) {
    steps.push({
      label: 'is trimmed by one position',
      actor: 'the log',
      guard: ({ visible, trimmed }) => trimmed < head(visible),
      effect: (state) => ({ ...state, trimmed: state.trimmed + 1 }),
    });
  }
  return steps;
}

export function instanceStep(i: number) {
  return (
    label: string,
    guard: (me: Instance, state: State) => boolean,
    effect: (me: Instance, state: State) => Instance,
  ): Step => ({
    label,
    actor: NAMES[i]!,
    guard: (state) => guard(state.instances[i]!, state),
    effect: (state) => ({ ...state, instances: state.instances.with(i, effect(state.instances[i]!, state)) }),
  });
}

export function mapRows(state: State, change: (row: Row) => Row): State {
  const instances = state.instances.map((me) => {
    const rows = me.rows.map(change);
    return rows.some((row, r) => row !== me.rows[r]) ? { ...me, rows } : me;
  });
  return { ...state, instances };
}

export function withCurrentRow(me: Instance, change: (row: Row) => Row): Instance {
  return { ...me, rows: me.rows.with(me.rows.length - 1, change(me.rows.at(-1)!)) };
}
