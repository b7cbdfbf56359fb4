/** What somebody was told of a feed, judged by what is in the database once everything is quiet. */

/** An event as its row has it. */
export interface Told {
  /** Its number in the feed. */
  readonly seq: number;
  /** Given when it was written, before anybody committed it: whatever was written later has a higher one. */
  readonly writtenAs: number;
}

export interface History {
  /** The numbers it was told, in the order in which they came. */
  readonly numbers: readonly number[];
  /** Whether it was told that its access has ended. */
  readonly ended: boolean;
  /** What it saw on the way that no client may see. */
  readonly problems: readonly string[];
}

/**
 * What is wrong with it; nothing, when it was told each event once and in order.
 *
 * @param due everything in its feed, in order
 * @param lastWritten of one whose access was taken away: the last that was given when the receipt came, null where none did;
 * undefined of one who stays
 */
export function problemsOf(
  { numbers, ended, problems }: History,
  due: readonly Told[],
  lastWritten?: number | null,
): readonly string[] {
  const stays = lastWritten === undefined;
  const upTo = stays ? Infinity : (numbers.at(-1) ?? 0);
  const expected = new Set(due.map(({ seq }) => seq).filter((seq) => seq <= upTo));
  const told = new Set(numbers);
  const found = [...problems];
  if (stays && ended) found.push('shut out, though its access goes on');
  const seen = new Set<number>();
  const twice = numbers.filter((seq) => seen.size === seen.add(seq).size);
  if (twice.length > 0) found.push(`told twice: ${twice.join()}`);
  const missing = [...expected].filter((seq) => !told.has(seq));
  if (missing.length > 0) found.push(`not told: ${missing.join()}`);
  const unknown = numbers.filter((seq) => !expected.has(seq));
  if (unknown.length > 0) found.push(`told, and not its own: ${unknown.join()}`);
  const outOfOrder = numbers.filter((seq, n) => seq < (numbers[n - 1] ?? 0));
  if (outOfOrder.length > 0) found.push(`told after a later one: ${outOfOrder.join()}`);
  if (typeof lastWritten === 'number') {
    const late = due.filter(({ seq, writtenAs }) => told.has(seq) && writtenAs > lastWritten);
    if (late.length > 0) found.push(`told though it happened after the receipt: ${late.map(({ seq }) => seq).join()}`);
  }
  return found;
}
