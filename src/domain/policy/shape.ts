import type { Entry, MapNode, Node } from './document.ts';
import type { Place, Problems } from './problems.ts';
import { otherWord } from './other-words.ts';
import { clip, didYouMean, nearOrAll } from './words.ts';

/** A word of the file together with where it stands. */
export interface Word {
  readonly text: string;
  readonly place: Place;
}

const kinds = { map: 'a map', list: 'a list', scalar: 'a single value' };

/** The node as a map, or null with a problem. `what` names it in the message. */
export function mapOf(node: Node, what: string, problems: Problems, hint?: string): MapNode | null {
  if (node.kind === 'map') return node;
  problems.add(node.place, `${what} is a map, not ${kinds[node.kind]}`, hint);
  return null;
}

/** The node as a map that has no keys but the known ones. */
export function recordOf(
  node: Node,
  what: string,
  known: readonly string[],
  problems: Problems,
): ReadonlyMap<string, Entry> | null {
  const map = mapOf(node, what, problems);
  if (map === null) return null;
  for (const { key, place } of map.entries.values()) {
    if (known.includes(key)) continue;
    const hint = otherWord(what, key) ?? didYouMean(key, known) ?? `it has ${known.join(', ')}`;
    problems.add(place, `${what} has no "${clip(key)}"`, hint);
  }
  return map.entries;
}

export function listOf(node: Node, what: string, problems: Problems): readonly Node[] {
  if (node.kind === 'list') return node.items;
  problems.add(node.place, `${what} is a list, not ${kinds[node.kind]}`);
  return [];
}

export function textOf(node: Node, what: string, problems: Problems): Word | null {
  if (node.kind === 'scalar' && typeof node.value === 'string' && node.value !== '') {
    return { text: node.value, place: node.place };
  }
  const hint = node.kind === 'scalar' && node.value !== null && node.value !== '' ? 'quote it' : undefined;
  problems.add(node.place, `${what} is a text`, hint);
  return null;
}

/** One word, or a list of different words with at least one in it. */
export function wordsOf(node: Node, what: string, problems: Problems): readonly Word[] {
  if (node.kind !== 'list') {
    const word = textOf(node, what, problems);
    return word === null ? [] : [word];
  }
  if (node.items.length === 0) problems.add(node.place, `${what} names nothing`);
  const seen = new Set<string>();
  const words: Word[] = [];
  for (const item of node.items) {
    const word = textOf(item, what, problems);
    if (word === null) continue;
    if (seen.has(word.text)) problems.add(word.place, `"${clip(word.text)}" stands here twice`);
    seen.add(word.text);
    words.push(word);
  }
  return words;
}

/** The words that are known; the others are reported. */
export function knownWords(
  words: readonly Word[],
  known: { has(word: string): boolean; keys(): Iterable<string> },
  unknown: (word: string) => string,
  problems: Problems,
  hint?: (word: string) => string | undefined,
): readonly Word[] {
  return words.filter(({ text, place }) => {
    if (known.has(text)) return true;
    problems.add(place, unknown(clip(text)), hint?.(text) ?? nearOrAll(text, known.keys()));
    return false;
  });
}
