/**
 * A small-step model of the revocation protocol, to be searched over every interleaving.
 *
 * Time is kept as countdowns that each tick lowers, never as a date, so runs are unbounded in length and the states
 * are still finite. Freezing needs no transition: nobody is ever obliged to take a step while the clock ticks.
 * Redis is an adversary by construction. A poll may start at any moment, with or without a hint, so hints may be lost,
 * late, repeated or forged. A signed acknowledgement, once sent, may be read at any later time or never. A stored
 * cache entry or token may be presented to any instance at any later time.
 */
export const MISTAKES = {
  m1: 'the lease is counted from the reply',
  m2: 'the change is acknowledged without waiting',
  m3: 'the members are read before the commit',
  m4: 'an instance registers after its first poll',
  m5: 'a dead instance is collected in one phase',
  m6: 'positions do not follow commit order',
  m7: 'a cache entry is labelled with the applied position',
  m8: 'the wait is measured from before the commit',
  m9: 'a hint is acknowledged before it is applied',
  m10: 'an acknowledgement is not authenticated',
  m11: 'a token is labelled after its rows were read',
  m12: 'a later `changed` overwrites the `revoked` tombstone of its target',
  m13: 'a window trimmed to its end is not seen as a gap',
  m14: 'the wait has no slack for a slow clock',
  m15: 'a marked instance no longer counts as a member',
  m16: 'a loaded ability is used without checking the lease again',
  m17: 'a change that found nothing to do is acknowledged at once',
  m18: 'a loaded ability is used without checking the tombstones again',
} as const;
export type Mistake = keyof typeof MISTAKES;
export type Mistakes = ReadonlySet<Mistake>;

export type Scenario = {
  /** How many instances serve from the start, and how many may boot later. */
  readonly serving: number;
  readonly late: number;
  /** All changes have the same target; change n takes position n + 1. */
  readonly changes: readonly ('revoked' | 'changed')[];
  /** The index of the change that each call asks for; two calls may ask for the same one. */
  readonly calls: readonly number[];
  /** How often one instance may register before it must stay away: the only bound on the length of a run. */
  readonly incarnationsMax: number;
  readonly leaseTicks: number;
  readonly with: ReadonlySet<'crashes' | 'collection' | 'fills' | 'signIns' | 'trimming' | 'slowClocks'>;
};

const ROW_STATES = ['active', 'marked', 'deleted'] as const;
const INSTANCE_PHASES = ['down', 'unregistered', 'registered'] as const;
const CALL_PHASES = ['idle', 'numbered', 'committed', 'returned', 'waiting', 'enforced'] as const;

// Jest's module scope looks each global up in its sandbox, which the innermost loops would feel.
const { clz32, max } = Math;
const { fromCharCode } = String;

/** Sets of changes are bit masks: the change at position p is bit p − 1. */
export type Changes = number;

export type Row = {
  readonly state: (typeof ROW_STATES)[number];
  /** Ticks until a marked row may be deleted. */
  readonly waitTicks: number;
  readonly acknowledged: number;
  /** The calls, as bits, that wait for this row. */
  readonly awaitedBy: number;
};

/** What one statement of a poll sees at the database. */
export type Snapshot = { readonly visible: Changes; readonly trimmed: number; readonly active: boolean };

export type Instance = {
  readonly phase: (typeof INSTANCE_PHASES)[number];
  /** One row per incarnation; the last one is the current one. */
  readonly rows: readonly Row[];
  readonly applied: number;
  readonly tombstones: Changes;
  readonly horizon: number;
  readonly leaseTicks: number;
  /** Age in ticks since the moment before sending; the reply once the database has answered. */
  readonly poll: { readonly ageTicks: number; readonly reply: Snapshot | null } | null;
  /** The changes seen by a load whose result is not stored yet. */
  readonly fill: Changes | null;
  readonly slowTicksLeft: number;
};

export type Call = {
  readonly phase: (typeof CALL_PHASES)[number];
  readonly waitTicks: number;
};

export type State = {
  readonly visible: Changes;
  readonly trimmed: number;
  readonly instances: readonly Instance[];
  readonly calls: readonly Call[];
  /** Every token and every ability ever made, as a set of `labelled` bits. */
  readonly tokens: number;
  readonly abilities: number;
  readonly signIn: { readonly label: number | null; readonly seen: Changes | null };
};

const LABELS = 3;
/** The bit for something that was read when `seen` was visible and is labelled `label`. */
export const labelled = (seen: Changes, label: number): number => 1 << (seen * LABELS + label);
export const head = (changes: Changes): number => 32 - clz32(changes);
export const bitOf = (index: number): number => 1 << index;
export const after = (changes: Changes, position: number): Changes => (changes >> position) << position;

export const NEW_ROW: Row = { state: 'active', waitTicks: 0, acknowledged: 0, awaitedBy: 0 };
export const DELETED_ROW: Row = { ...NEW_ROW, state: 'deleted' };
/** What a process that has just started knows. */
export const NOTHING = {
  phase: 'down',
  applied: 0,
  tombstones: 0,
  horizon: 0,
  leaseTicks: 0,
  poll: null,
  fill: null,
} as const;

export function initialState({ serving, late, calls, with: features }: Scenario): State {
  const down: Instance = { ...NOTHING, rows: [], slowTicksLeft: features.has('slowClocks') ? 1 : 0 };
  const registered: Instance = { ...down, phase: 'registered', rows: [NEW_ROW] };
  return {
    visible: 0,
    trimmed: 0,
    instances: Array.from({ length: serving + late }, (_, i) => (i < serving ? registered : down)),
    calls: calls.map(() => ({ phase: 'idle', waitTicks: 0 })),
    tokens: labelled(0, 0),
    abilities: labelled(0, 0),
    signIn: { label: null, seen: null },
  };
}

/** Would this instance, checking now, permit something that the change at `position` forbids? */
export function permitsIgnoring(
  state: State,
  instance: Instance,
  position: number,
  scenario: Scenario,
  mistakes: Mistakes,
): boolean {
  if (instance.phase !== 'registered') return false;
  const change = bitOf(position - 1);
  const { tombstones, horizon, fill } = instance;
  // What was looked at before the load began held then; only a look after it counts.
  const loaded = fill !== null && !(fill & change);
  if (loaded && mistakes.has('m16') && head(fill) >= head(tombstones)) return true;
  if (loaded && mistakes.has('m18') && instance.leaseTicks > 0) return true;
  if (instance.leaseTicks === 0) return false;

  const refusing = scenario.changes[position - 1] === 'revoked';
  const made = refusing ? state.tokens : state.abilities;
  const newest = refusing ? newestRevocation(tombstones, scenario, mistakes) : head(tombstones);
  for (let seen = 0; seen < bitOf(scenario.changes.length); seen += 1) {
    if (seen & change) continue;
    for (let label = max(newest, horizon); label < LABELS; label += 1) {
      if (made & labelled(seen, label)) return true;
    }
  }
  return false;
}

function newestRevocation(tombstones: Changes, { changes }: Scenario, mistakes: Mistakes): number {
  const revocations = changes.reduce((mask, kind, i) => (kind === 'revoked' ? mask | bitOf(i) : mask), 0);
  if (!mistakes.has('m12')) return head(tombstones & revocations);
  return bitOf(head(tombstones) - 1) & revocations ? head(tombstones) : 0;
}

/** R: once a call has answered `enforced: true`, no instance permits while ignoring its change. */
export function refusals(scenario: Scenario, mistakes: Mistakes): (state: State) => boolean {
  return (state) =>
    state.calls.every(
      ({ phase }, c) =>
        phase !== 'enforced' ||
        !state.instances.some((it) => permitsIgnoring(state, it, scenario.calls[c]! + 1, scenario, mistakes)),
    );
}

/** Instances are interchangeable, so their order is left out of the code: one code for all permutations. */
export function encode({ visible, trimmed, instances, calls, tokens, abilities, signIn }: State): string {
  const world = packed(visible, trimmed, (signIn.label ?? -1) + 1, (signIn.seen ?? -1) + 1);
  const waits = calls.map(({ phase, waitTicks }) => packed(CALL_PHASES.indexOf(phase), waitTicks));
  return fromCharCode(world, tokens, abilities, ...waits) + instances.map(encodeInstance).toSorted().join('');
}

function encodeInstance(me: Instance): string {
  const reply = me.poll?.reply;
  return fromCharCode(
    packed(INSTANCE_PHASES.indexOf(me.phase), me.applied, me.tombstones, me.horizon),
    packed(me.leaseTicks, (me.fill ?? -1) + 1, me.slowTicksLeft, (me.poll?.ageTicks ?? -1) + 1),
    packed((reply?.visible ?? -1) + 1, reply?.trimmed ?? 0, reply?.active ? 1 : 0, me.rows.length),
    ...me.rows.map((row) => packed(ROW_STATES.indexOf(row.state), row.waitTicks, row.acknowledged, row.awaitedBy)),
  );
}

/** Four numbers below 16 in one UTF-16 unit. */
const packed = (a: number, b: number, c = 0, d = 0): number => (a << 12) | (b << 8) | (c << 4) | d;
