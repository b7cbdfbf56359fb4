/** As wide as the terminal, up to what is read well; where it is none, always the same. */
export const WIDTH = Math.min(100, Math.max(60, process.stdout.columns ?? 100));

/** A line of at most so many columns, broken between words. What stands in one piece stays so: a path, a hash. */
export function wrap(line: string, indent = '    '): readonly string[] {
  if (line.length <= WIDTH) return [line];
  const end = line.lastIndexOf(' ', WIDTH);
  const start = /^ */.exec(line)?.[0].length ?? 0;
  const at = end > Math.max(start, indent.length) ? end : line.indexOf(' ', WIDTH);
  if (at < 0) return [line];
  return [line.slice(0, at), ...wrap(`${indent}${line.slice(at + 1)}`, indent)];
}

/** The same line, cut where they end. */
export const fit = (line: string): string => clip(line, WIDTH);

export const clip = (text: string, columns: number): string =>
  text.length <= columns ? text : `${text.slice(0, columns - 1)}…`;

/** `1 user`, `2 users` */
export const count = (number: number, what: string): string => `${number} ${what}${number === 1 ? '' : 's'}`;

/** Enough of a version to tell it from others. */
export const short = (version: string): string => version.slice(0, 12);

/** The texts, the first few of them only when there are many. */
export function some(texts: readonly string[], most: number): string {
  const more = texts.length - most;
  return more > 0 ? `${texts.slice(0, most).join(', ')} and ${more} more` : texts.join(', ');
}
