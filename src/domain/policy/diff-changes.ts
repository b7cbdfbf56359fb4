import type { Records } from './population.ts';

type Field = string | null;

/** Fields that are gained and lost; null among them is the question about the record as a whole. */
export interface Outcome {
  readonly gains: readonly Field[];
  readonly loses: readonly Field[];
}

export interface Pair {
  readonly principal: string;
  readonly record: string;
}

/** One thing that is gained or lost. Either everyone on every record, but for the exceptions, or certain pairs. */
export interface PolicyChange {
  readonly effect: 'gains' | 'loses';
  readonly subject: string;
  readonly action: string;
  /** The fields; null is the action as such, which is allowed when any field is. */
  readonly fields: readonly Field[];
  /** Whether these are all fields. */
  readonly whole: boolean;
  readonly principals: readonly string[];
  readonly records: readonly string[];
  readonly except: readonly Pair[];
  readonly pairs: readonly Pair[];
}

/** Every principal with every record that the change is about. */
export function* pairsOf({ principals, records, except, pairs }: PolicyChange): Generator<Pair> {
  const excepted = new Set(except.map((pair) => JSON.stringify([pair.principal, pair.record])));
  for (const principal of principals) {
    for (const record of records) {
      if (!excepted.has(JSON.stringify([principal, record]))) yield { principal, record };
    }
  }
  yield* pairs;
}

/** Asks both sides about each field; null when they agree. */
export function outcomeOf(fields: readonly Field[], allows: (side: 0 | 1, field: Field) => boolean): Outcome | null {
  const gains: Field[] = [];
  const loses: Field[] = [];
  for (const field of fields) {
    const was = allows(0, field);
    if (was === allows(1, field)) continue;
    (was ? loses : gains).push(field);
  }
  return gains.length + loses.length === 0 ? null : { gains, loses };
}

/** What a change is about, but for who and which record. */
export interface Cell {
  readonly subject: string;
  readonly action: string;
  readonly fieldCount: number;
}

type Draft = {
  -readonly [K in keyof PolicyChange]: PolicyChange[K] extends readonly (infer T)[] ? T[] : PolicyChange[K];
};

/** What was found, gathered so that the same change of many principals is one. */
export class PolicyChanges {
  readonly #drafts = new Map<string, Draft>();

  /** Changes that principals with the same roles share. */
  shared(cell: Cell, usual: ReadonlyMap<number, Outcome>, records: Records) {
    const grouped = Map.groupBy(usual, ([, outcome]) => JSON.stringify(outcome));
    const drafts = new Map<string, readonly Draft[]>();
    for (const [key, entries] of grouped) {
      const ids = entries.map(([at]) => records.list[at]?.id ?? '').toSorted();
      const outcome = entries[0]?.[1];
      if (outcome !== undefined) drafts.set(key, this.#draftsOf(cell, outcome, ids));
    }
    const all = [...drafts.values()].flat();
    return {
      add(principal: string): void {
        for (const draft of all) draft.principals.push(principal);
      },
      /** For this principal and record, it is this that changes. */
      correct: (principal: string, at: number, record: string, outcome: Outcome | null): void => {
        const expected = usual.get(at);
        if (expected === undefined && outcome === null) return;
        const key = JSON.stringify(expected);
        if (key === JSON.stringify(outcome)) return;
        for (const draft of drafts.get(key) ?? []) draft.except.push({ principal, record });
        if (outcome === null) return;
        for (const draft of this.#draftsOf(cell, outcome, [])) draft.pairs.push({ principal, record });
      },
    };
  }

  /** In an order that depends on what is in them only. */
  list(): readonly PolicyChange[] {
    return [...this.#drafts]
      .map(([key, draft]) => ({ key, change: tidied(draft) }))
      .filter(({ change }) => change.pairs.length > 0 || change.principals.length > 0)
      .toSorted((a, b) => compareText(a.key, b.key))
      .map(({ change }) => change);
  }

  #draftsOf({ subject, action, fieldCount }: Cell, { gains, loses }: Outcome, records: string[]): readonly Draft[] {
    return (['gains', 'loses'] as const).flatMap((effect) => {
      const fields = [...(effect === 'gains' ? gains : loses)];
      if (fields.length === 0) return [];
      const key = JSON.stringify([subject, action, effect, fields, records]);
      const known = this.#drafts.get(key);
      if (known !== undefined) return [known];
      const whole = fields.length === fieldCount;
      const draft = { effect, subject, action, fields, whole, principals: [], records, except: [], pairs: [] };
      this.#drafts.set(key, draft);
      return [draft];
    });
  }
}

/** Without those to whom it does not apply at all, and in order. */
function tidied({ principals, records, except, pairs, ...rest }: Draft): PolicyChange {
  const excepted = Map.groupBy(except, ({ principal }) => principal);
  const touched = principals.filter((principal) => (excepted.get(principal)?.length ?? 0) < records.length);
  const kept = new Set(touched);
  return {
    ...rest,
    principals: touched.toSorted(),
    records,
    except: except.filter(({ principal }) => kept.has(principal)).toSorted(byPair),
    pairs: pairs.toSorted(byPair),
  };
}

const byPair = (a: Pair, b: Pair) => compareText(a.principal, b.principal) || compareText(a.record, b.record);

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));
