/** A cell that is a number is aligned right; null shows as a dash. */
export type Cell = string | number | null;

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What one must know to read it. */
  readonly notes: readonly string[];
}

export interface Options {
  /** A shorter run, to see that everything works: its numbers say little. */
  readonly quick: boolean;
  /** The `main.ts` of other Castellans, each to be measured as one more candidate. */
  readonly against: readonly string[];
}

/** One question, answered by candidates that run side by side. */
export interface Bench {
  readonly name: string;
  readonly title: string;
  run(options: Options): Promise<Table>;
}

export function format({ columns, rows, notes }: Table): string {
  const texts = [columns, ...rows.map((row) => row.map(formatCell))];
  const widths = columns.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? '').length)));
  const isNumeric = columns.map((_, column) => rows.some((row) => typeof row[column] === 'number'));
  const lines = texts.map((row) =>
    row
      .map((text, column) =>
        isNumeric[column] === true ? text.padStart(at(widths, column)) : text.padEnd(at(widths, column)),
      )
      .join('  ')
      .trimEnd(),
  );
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  const [head = '', ...body] = lines;
  return [head, rule, ...body, ...notes.map((note) => `  ${note}`)].join('\n');
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? 0;
}

function formatCell(cell: Cell): string {
  if (cell === null) return '–';
  if (typeof cell === 'string') return cell;
  if (Number.isInteger(cell)) return cell.toLocaleString('en-US');
  const digits = Math.abs(cell) >= 100 ? 0 : Math.abs(cell) >= 10 ? 1 : 2;
  return cell.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
