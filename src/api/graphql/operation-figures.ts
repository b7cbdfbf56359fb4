import { type DocumentNode, Kind, type OperationDefinitionNode, type SelectionSetNode } from 'graphql';
import { Durations } from '../../kit/durations.ts';
import type { Labelled } from '../../kit/metrics.ts';

/** In place of a name where an operation asks for several fields, and where nothing is known of what it asks for. */
const SEVERAL = 'several';
const NONE = 'none';

/** How it went with all operations of one kind that ask for one field: whoever counts often keeps the one to count with. */
export class OperationFigure {
  readonly kind: string;
  readonly field: string;
  readonly durations = new Durations();
  /** By the code of their first error. */
  readonly errors = new Map<string, number>();
  /** Subscriptions that run, and events that were told in them. */
  running = 0;
  events = 0;

  constructor(kind: string, field: string) {
    this.kind = kind;
    this.field = field;
  }

  /** @param code of its first error, or null */
  answered(ms: number, code: string | null): void {
    this.durations.add(ms);
    if (code !== null) this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  get failed(): number {
    return [...this.errors.values()].reduce((sum, each) => sum + each, 0);
  }
}

/**
 * Figures by kind and root field. There are as many as the schema has root fields, since only what was found valid is counted
 * by its name.
 */
export class OperationFigures {
  readonly #figures = new Map<string, OperationFigure>();
  readonly #refused = new Map<string, number>();
  /** For what is no operation that anybody knows. */
  readonly unknown = this.of('unknown', NONE);

  of(kind: string, field: string): OperationFigure {
    const key = `${kind} ${field}`;
    const known = this.#figures.get(key);
    if (known !== undefined) return known;
    const figure = new OperationFigure(kind, field);
    this.#figures.set(key, figure);
    return figure;
  }

  /** A request that was refused before its operation began. */
  refused(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  get all(): readonly OperationFigure[] {
    return [...this.#figures.values()];
  }

  get refusals(): readonly Labelled<number>[] {
    return [...this.#refused].map(([code, value]) => ({ labels: { code }, value }));
  }
}

/**
 * The field that a valid operation asks for, or {@link SEVERAL}. `__typename` beside others is not one.
 * @param document valid: what it spreads is there, and not in circles
 */
export function rootFieldOf({ definitions }: DocumentNode, { selectionSet }: OperationDefinitionNode): string {
  const names = new Set<string>();
  const walked = new Set<SelectionSetNode>();
  const walk = (set: SelectionSetNode): void => {
    if (walked.has(set)) return;
    walked.add(set);
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) names.add(selection.name.value);
      else if (selection.kind === Kind.INLINE_FRAGMENT) walk(selection.selectionSet);
      else {
        const { value } = selection.name;
        const spread = definitions.find((each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === value);
        if (spread?.kind === Kind.FRAGMENT_DEFINITION) walk(spread.selectionSet);
      }
    }
  };
  walk(selectionSet);
  const asked = names.size === 1 ? names : new Set([...names].filter((name) => name !== '__typename'));
  const [first = NONE] = asked;
  return asked.size > 1 ? SEVERAL : first;
}
