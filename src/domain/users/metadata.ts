import { badInput } from '../refusals.ts';

/** A small object of single values, which clients keep about a user. */
export type Metadata = Readonly<Record<string, string | number | boolean>>;

const KEY = /^[a-z][A-Za-z0-9_]{0,63}$/;
const BYTES_MAX = 4_096;

/**
 * The object as JSON with its names in order, so that the same metadata is the same text. Refuses with BAD_USER_INPUT what is
 * no such object, is over 4 KiB, or has a name that every object of JavaScript has.
 */
export function parseMetadata(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badInput('metadata', 'Metadata is an object of names and single values.');
  }
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  for (const [key, each] of entries) {
    if (!KEY.test(key) || key in Object.prototype) {
      throw badInput(
        'metadata',
        'A name in metadata has up to 64 letters, digits and _, and begins with a small letter.',
      );
    }
    if (!isSingle(each)) throw badInput('metadata', `${key} is a text, a finite number, true or false.`);
  }
  const text = JSON.stringify(Object.fromEntries(entries));
  if (Buffer.byteLength(text) > BYTES_MAX)
    throw badInput('metadata', `Metadata has at most ${BYTES_MAX} bytes as JSON.`);
  return text;
}

/** What {@link parseMetadata} wrote. */
export function metadataOf(text: string): Metadata {
  return JSON.parse(text) as Metadata;
}

function isSingle(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  return typeof value === 'boolean' || Number.isFinite(value);
}
