/** What a command found: for people as lines, for programs as one JSON object. */
export interface Report {
  /** False makes the exit code 1. */
  readonly ok: boolean;
  readonly lines: readonly string[];
  readonly facts: object;
}

export interface OutputOptions {
  readonly json: boolean;
}

/** A command that was called in a way it cannot be called: exit code 2. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a report; the answer is the exit code. */
export function printReport({ ok, lines, facts }: Report, { json }: OutputOptions): number {
  print(json ? JSON.stringify({ ok, ...facts }) : lines.join('\n'));
  return ok ? 0 : 1;
}
