/** One atomic step of one actor. The label names the rule, so that coverage can be asked for by rule. */
export type Transition<State> = {
  readonly label: string;
  readonly actor: string;
  readonly guard: (state: State) => boolean;
  readonly effect: (state: State) => State;
};

export type Search<State> = {
  readonly initial: State;
  readonly transitions: readonly Transition<State>[];
  /** Equal codes mean states that no transition and no invariant tells apart. */
  readonly encode: (state: State) => string;
  readonly invariant: (state: State) => boolean;
  readonly statesMax: number;
};

export type Exploration = {
  readonly visited: number;
  /** The shortest run from the initial state to one that breaks the invariant, or null when there is none. */
  readonly violation: readonly string[] | null;
  /** How often each label was taken, over all visited states. */
  readonly coverage: ReadonlyMap<string, number>;
};

/** Breadth first over every interleaving: the first violation met is a shortest one. */
export function explore<State>(search: Search<State>): Exploration {
  const { initial, transitions, encode, invariant, statesMax } = search;
  const seen = new Set([encode(initial)]);
  const states = [initial];
  const cameFrom = [-1];
  const cameBy = [-1];
  const taken = transitions.map(() => 0);

  const result = (violation: readonly string[] | null): Exploration => {
    const coverage = new Map<string, number>();
    transitions.forEach(({ label }, t) => coverage.set(label, (coverage.get(label) ?? 0) + taken[t]!));
    return { visited: states.length, violation, coverage };
  };

  const trace = (at: number): string[] => {
    const steps: string[] = [];
    for (let index = at; index > 0; index = cameFrom[index]!) {
      const { actor, label } = transitions[cameBy[index]!]!;
      steps.push(`${actor} ${label}`);
    }
    return steps.toReversed();
  };

  for (let at = 0; at < states.length; at += 1) {
    const state = states[at]!;
    if (!invariant(state)) return result(trace(at));

    for (let t = 0; t < transitions.length; t += 1) {
      const { guard, effect } = transitions[t]!;
      if (!guard(state)) continue;
      taken[t]! += 1;
      const next = effect(state);
      if (next === state) continue;
      const code = encode(next);
      if (seen.has(code)) continue;
      seen.add(code);
      states.push(next);
      cameFrom.push(at);
      cameBy.push(t);
    }
    // A search cut short proves nothing, so it must not look like a clean one.
    if (states.length > statesMax) throw new RangeError(`more than ${statesMax} states: the search is not exhaustive`);
  }
  return result(null);
}
