/** The steps of the protocol; a mistake changes the step that it is made in. */
import {
  after,
  bitOf,
  head,
  labelled,
  NEW_ROW,
  type Call,
  type Instance,
  type Mistakes,
  type Scenario,
  type State,
} from './model.ts';
import {
  clockSteps,
  faultSteps,
  instanceStep,
  mapRows,
  NAMES,
  observations,
  SLACK_TICKS,
  withCurrentRow,
  type Step,
} from './world.ts';

export function protocol(scenario: Scenario, mistakes: Mistakes = new Set()): Step[] {
  const instances = Array.from({ length: scenario.serving + scenario.late }, (_, i) => i);
  return [
    ...scenario.calls.flatMap((_, c) => callSteps(c, scenario, mistakes)),
    ...instances.flatMap((i) => instanceSteps(i, scenario, mistakes)),
    ...instances.flatMap((i) => faultSteps(i, scenario, mistakes)),
    ...instances.flatMap((i) => observations(i, scenario, mistakes)),
    ...(scenario.with.has('signIns') ? signInSteps(mistakes) : []),
    ...clockSteps(scenario),
  ];
}

/** What the caller of a change does, up to its receipt. */
function callSteps(c: number, { calls, leaseTicks }: Scenario, mistakes: Mistakes): Step[] {
  const change = bitOf(calls[c]!);
  const waitTicks = leaseTicks + (mistakes.has('m14') ? 0 : SLACK_TICKS);

  const numbered = (state: State) =>
    state.calls.reduce((mask, { phase }, i) => (phase === 'numbered' ? mask | bitOf(calls[i]!) : mask), state.visible);
  const to = (state: State, call: Call): State => ({ ...state, calls: state.calls.with(c, call) });
  const awaitMembers = (state: State): State =>
    mapRows(state, (row) => {
      const isMember = row.state === 'active' || (row.state === 'marked' && !mistakes.has('m15'));
      return isMember ? { ...row, awaitedBy: row.awaitedBy | bitOf(c) } : row;
    });
  const enforce = (state: State): State =>
    mapRows(to(state, { phase: 'enforced', waitTicks: 0 }), (row) =>
      row.awaitedBy & bitOf(c) ? { ...row, awaitedBy: row.awaitedBy & ~bitOf(c) } : row,
    );
  // A deleted row is not waited for: its instance stopped before, or had no lease left.
  const allAcknowledged = (state: State) =>
    state.instances.every(({ rows }) =>
      rows.every((row) => !(row.awaitedBy & bitOf(c)) || row.acknowledged > calls[c]! || mistakes.has('m10')),
    );
  const step = (label: string, guard: (call: Call, state: State) => boolean, effect: Step['effect']): Step => ({
    label,
    actor: `call ${c + 1}`,
    guard: (state) => guard(state.calls[c]!, state),
    effect,
  });

  return [
    // Positions follow commit order: the head stays locked from taking the number until the commit is visible.
    step(
      'takes a position inside its commit',
      ({ phase }, state) =>
        phase === 'idle' && numbered(state) === change - 1 && (state.visible === change - 1 || mistakes.has('m6')),
      (state) => {
        const next = to(state, { phase: 'numbered', waitTicks: mistakes.has('m8') ? waitTicks : 0 });
        return mistakes.has('m3') ? awaitMembers(next) : next;
      },
    ),
    step(
      'commits',
      ({ phase }) => phase === 'numbered',
      (state) => to({ ...state, visible: state.visible | change }, { ...state.calls[c]!, phase: 'committed' }),
    ),
    // tCommit is read AFTER the commit returned.
    step(
      'sees its commit return',
      ({ phase }) => phase === 'committed',
      (state) =>
        to(state, { phase: 'returned', waitTicks: mistakes.has('m8') ? state.calls[c]!.waitTicks : waitTicks }),
    ),
    // A change that found nothing to do waits likewise: the first call may still be waiting.
    step(
      'finds nothing to do',
      ({ phase }, state) => phase === 'idle' && (state.visible & change) !== 0,
      (state) => (mistakes.has('m17') ? enforce(state) : to(state, { phase: 'returned', waitTicks })),
    ),
    // Members are read AFTER the commit; a marked row still counts, for its lease may still be valid.
    step(
      'reads the members',
      ({ phase }) => phase === 'returned',
      (state) => to(mistakes.has('m3') ? state : awaitMembers(state), { ...state.calls[c]!, phase: 'waiting' }),
    ),
    step('is enforced by acknowledgements', ({ phase }, s) => phase === 'waiting' && allAcknowledged(s), enforce),
    // monotonic() ≥ tCommit + L(1+ρ)+δ, never earlier.
    step(
      mistakes.has('m2') ? 'answers without waiting' : 'is enforced by time',
      ({ phase, waitTicks }) =>
        (phase === 'returned' || phase === 'waiting') && (waitTicks === 0 || mistakes.has('m2')),
      enforce,
    ),
  ];
}

/** Boot, poll, acknowledge and load. */
function instanceSteps(i: number, scenario: Scenario, mistakes: Mistakes): Step[] {
  const step = instanceStep(i);
  const mayRegister = ({ phase, rows }: Instance) => phase === 'unregistered' && rows.length < scenario.incarnationsMax;

  const steps = [
    // boot: the retained window becomes tombstones; the horizon is its oldest position − 1.
    step(
      'boots and reads the window',
      ({ phase, rows }) => phase === 'down' && rows.length < scenario.incarnationsMax,
      (me, { visible, trimmed }) => ({
        ...me,
        phase: 'unregistered',
        applied: head(visible),
        tombstones: after(visible, trimmed),
        horizon: trimmed,
      }),
    ),
    // The row is committed BEFORE the first poll, under a new id; serving starts only after it.
    step(
      'registers',
      (me) => mayRegister(me) && me.poll === null && (me.leaseTicks > 0 || !mistakes.has('m4')),
      (me) => ({ ...me, phase: 'registered', rows: [...me.rows, NEW_ROW] }),
    ),
    // Single flight; tSent is read BEFORE sending.
    step(
      'sends a poll',
      (me) => me.poll === null && (me.phase === 'registered' || (mistakes.has('m4') && mayRegister(me))),
      (me) => ({ ...me, poll: { ageTicks: 0, reply: null } }),
    ),
    // One statement, so one snapshot of the log, the head and the own row.
    step(
      'has its poll answered',
      ({ poll }) => poll?.reply === null,
      (me, { visible, trimmed }) => {
        const active = me.phase === 'unregistered' || me.rows.at(-1)!.state === 'active';
        return { ...me, poll: { ageTicks: me.poll!.ageTicks, reply: { visible, trimmed, active } } };
      },
    ),
    step(
      'applies the reply',
      ({ poll }) => poll !== null && poll.reply !== null,
      (me) => applyReply(me, scenario.leaseTicks, mistakes),
    ),
    step(
      'loses its poll',
      ({ poll }) => poll !== null,
      (me) => ({ ...me, poll: null }),
    ),
    // A signed acknowledgement of this incarnation, sent AFTER applying.
    step(
      'acknowledges',
      ({ phase, rows, applied }) => phase === 'registered' && rows.at(-1)!.acknowledged < applied,
      (me) => withCurrentRow(me, (row) => ({ ...row, acknowledged: me.applied })),
    ),
  ];
  if (mistakes.has('m9')) {
    steps.push(
      step(
        'acknowledges a hint',
        ({ phase, rows }, { visible }) => phase === 'registered' && rows.at(-1)!.acknowledged < head(visible),
        (me, { visible }) => withCurrentRow(me, (row) => ({ ...row, acknowledged: head(visible) })),
      ),
    );
  }
  if (scenario.with.has('fills')) {
    // REPEATABLE READ: what is loaded and the head that labels it come from one snapshot.
    steps.push(
      step(
        'loads an ability',
        ({ phase, leaseTicks, fill }) => phase === 'registered' && leaseTicks > 0 && fill === null,
        (me, { visible }) => ({ ...me, fill: visible }),
      ),
      {
        label: 'stores the ability with its label',
        actor: NAMES[i]!,
        guard: (state) => state.instances[i]!.fill !== null,
        effect: (state) => {
          const me = state.instances[i]!;
          const entry = labelled(me.fill!, mistakes.has('m7') ? me.applied : head(me.fill!));
          const instances = state.instances.with(i, { ...me, fill: null });
          return { ...state, instances, abilities: state.abilities | entry };
        },
      },
    );
  }
  return steps;
}

function applyReply(me: Instance, leaseTicks: number, mistakes: Mistakes): Instance {
  const { ageTicks, reply } = me.poll!;
  // state ≠ active: drop the lease, register anew.
  if (!reply!.active) return { ...me, phase: 'unregistered', leaseTicks: 0, poll: null };

  const { visible, trimmed } = reply!;
  const rows = after(visible, Math.max(me.applied, trimmed));
  // The window was trimmed past what was applied, be it up to the head so that no row is left to tell.
  const gap = trimmed > me.applied && (rows !== 0 || !mistakes.has('m13'));
  return {
    ...me,
    applied: gap ? head(visible) : Math.max(me.applied, head(rows)),
    tombstones: me.tombstones | rows,
    horizon: gap ? trimmed : me.horizon,
    leaseTicks: Math.max(me.leaseTicks, leaseTicks - (mistakes.has('m1') ? 0 : ageTicks)),
    poll: null,
  };
}

/** The label is read before, or in the same snapshot as, every row that the token vouches for. */
function signInSteps(mistakes: Mistakes): Step[] {
  const late = mistakes.has('m11');
  const actor = 'sign-in';
  return [
    {
      label: 'reads the head as its label',
      actor,
      guard: ({ signIn: { label, seen } }) => label === null && (seen !== null || !late),
      effect: (state) => ({ ...state, signIn: { ...state.signIn, label: head(state.visible) } }),
    },
    {
      label: 'reads the rows',
      actor,
      guard: ({ signIn: { label, seen } }) => seen === null && (label !== null || late),
      effect: (state) => ({ ...state, signIn: { ...state.signIn, seen: state.visible } }),
    },
    {
      label: 'signs the token',
      actor,
      guard: ({ signIn: { label, seen } }) => label !== null && seen !== null,
      effect: (state) => ({
        ...state,
        tokens: state.tokens | labelled(state.signIn.seen!, state.signIn.label!),
        signIn: { label: null, seen: null },
      }),
    },
  ];
}
