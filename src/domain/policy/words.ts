const patterns = {
  subject: /^[A-Z][A-Za-z0-9]{0,63}$/,
  action: /^[a-z][A-Za-z0-9]{0,63}$/,
  attribute: /^[a-z][A-Za-z0-9]{0,63}$/,
  role: /^[a-z][a-z0-9-]{0,63}$/,
};
const shapes = {
  subject: 'a capital letter, then letters and digits',
  action: 'a small letter, then letters and digits',
  attribute: 'a small letter, then letters and digits',
  role: 'a small letter, then small letters, digits and hyphens',
};

export type WordKind = keyof typeof patterns;

/** What names of this kind look like, as a regular expression. */
export const namePattern = (kind: WordKind): string => patterns[kind].source;

/** Stand for everything in a rule; expanded at load, so they never reach CASL, where they would match unknown names too. */
export const ANY_ACTION = 'manage';
export const ANY_SUBJECT = 'all';

/**
 * Names that JavaScript gives a meaning of its own. CASL reads attributes through the prototype chain, so that an
 * attribute of such a name would have a value in every record.
 */
export function isForbidden(word: string): boolean {
  return word.startsWith('__') || word === 'prototype' || Object.hasOwn(Object.prototype, word);
}

/** Why this word cannot be declared as a name of this kind, or null. */
export function refusedName(kind: WordKind, word: string): string | null {
  if (isForbidden(word)) return `"${clip(word)}" is a reserved name`;
  if (word === ANY_ACTION || word === ANY_SUBJECT) return `"${word}" stands for everything and cannot be declared`;
  if (kind === 'attribute' && word === 'scopes') return '"scopes" is part of every subject that has a scope';
  return patterns[kind].test(word) ? null : `"${clip(word)}" is no name for ${article(kind)}: ${shapes[kind]}`;
}

const article = (kind: WordKind) => (kind === 'action' || kind === 'attribute' ? `an ${kind}` : `a ${kind}`);

/** Quotes only so much of what somebody else wrote. */
export const clip = (text: string): string => (text.length > 64 ? `${text.slice(0, 61)}...` : text);

/** More than that is no slip. */
const slipMax = 5;
/** Of names that are shorter, most are as far from each other as a slip and another. */
const shortMax = 3;
/** So many words are listed where none is near. */
const listedMax = 12;
/** Looking through more would cost more than it helps. */
const candidatesMax = 500;

/**
 * `did you mean "update"?`, when one of the known words is close enough to be meant.
 * @param slipsMax letters that are wrong, missing or too many, at most
 */
export function didYouMean(
  word: string,
  known: Iterable<string>,
  slipsMax = word.length <= shortMax ? 1 : Math.min(slipMax, Math.max(2, Math.floor(word.length / 3))),
): string | undefined {
  if (word.length > 64) return undefined;
  let best: string | undefined;
  let least = slipsMax + 1;
  let looked = 0;
  for (const candidate of known) {
    if ((looked += 1) > candidatesMax) break;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === undefined ? undefined : `did you mean "${best}"?`;
}

/** The word that is meant, or where none is near, those that there are. */
export function nearOrAll(word: string, known: Iterable<string>): string | undefined {
  const all = [...known];
  const near = didYouMean(word, all);
  if (near !== undefined || all.length === 0) return near;
  const more = all.length - listedMax;
  return `there ${all.length === 1 ? 'is' : 'are'} ${all.slice(0, listedMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** Levenshtein distance; `limit` when it is not below the limit. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Uint8Array.from({ length: b.length + 1 }, (_, index) => Math.min(index, limit));
  for (let i = 1; i <= a.length; i++) {
    const next = new Uint8Array(b.length + 1).fill(limit);
    let nearest = Math.min(i, limit);
    next[0] = nearest;
    // Further from the diagonal nothing is below the limit.
    for (let j = Math.max(1, i - limit); j <= Math.min(b.length, i + limit); j++) {
      const change = (row[j - 1] ?? limit) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const distance = Math.min(change, (row[j] ?? limit) + 1, (next[j - 1] ?? limit) + 1, limit);
      next[j] = distance;
      nearest = Math.min(nearest, distance);
    }
    if (nearest >= limit) return limit;
    row = next;
  }
  return row[b.length] ?? limit;
}
