/** Where something stands in a policy file. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface PolicyProblem extends Place {
  readonly message: string;
  readonly hint?: string;
}

/** A place as people and editors write it: `policies/users.yaml:12`. */
export const label = (place: Place): string => `${place.file}:${place.line}`;

const describe = ({ file, line, column, message, hint }: PolicyProblem) =>
  `${file}:${line}:${column} ${message}${hint === undefined ? '' : ` (${hint})`}`;

/** Policy files that cannot be used, with every problem in them; nothing of them is in force. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    super(problems.map(describe).join('\n'));
    this.problems = problems;
  }
}

/** Nobody reads on, and whoever writes files of nothing but problems must not keep everybody else waiting. */
export const PROBLEMS_MAX = 200;
const textLengthMax = 500;

/** Collects, so that an author sees every problem at once instead of one per attempt. */
export class Problems {
  readonly #found: PolicyProblem[] = [];
  readonly #max: number;

  constructor(max = Infinity) {
    this.#max = max;
  }

  /** @throws {PolicyError} with those that were found, when there are more than there may be */
  add({ file, line, column }: Place, message: string, hint?: string): void {
    if (this.#found.length >= this.#max) this.raise();
    const told = {
      message: message.slice(0, textLengthMax),
      ...(hint !== undefined && { hint: hint.slice(0, textLengthMax) }),
    };
    this.#found.push({ file, line, column, ...told });
  }

  get count(): number {
    return this.#found.length;
  }

  get list(): readonly PolicyProblem[] {
    return this.#found.toSorted(
      (a, b) => (a.file < b.file ? -1 : Number(a.file > b.file)) || a.line - b.line || a.column - b.column,
    );
  }

  /** @throws {PolicyError} when anything was found */
  raise(): void {
    if (this.#found.length > 0) throw new PolicyError(this.list);
  }
}
