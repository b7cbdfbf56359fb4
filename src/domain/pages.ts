import { badInput } from './refusals.ts';
import type { Filter } from './policy/filter.ts';

/** What a list may be ordered by: attributes that are never null, each with what its values are. */
export type Orders = Readonly<Record<string, 'text' | 'instant'>>;

/** The place of a record in its list: the value it is ordered by, and its id among equal ones. */
export interface PageKey {
  /** Null in a list that is ordered by nothing but ids. */
  readonly value: string | null;
  readonly id: string;
}

export interface PageOrder {
  /** An attribute; texts are ordered by their bytes in UTF-8. Null is the order of ids, which means nothing and is always there. */
  readonly by: string | null;
  readonly descending: boolean;
}

export interface PageQuery {
  readonly filter: Filter;
  readonly order: PageOrder;
  /** Begins behind this place, whether or not a record is there. */
  readonly after: PageKey | null;
  readonly limit: number;
}

export interface Pages<T> {
  /** The first records that the filter is true of, in order, behind `after`; at most `limit`. One statement. */
  page(query: PageQuery): Promise<readonly T[]>;
}

/** A page as Relay has it. */
export interface Connection<T> {
  readonly edges: { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
}

/** The page that begins with these, of which one more than `first` tells that there is a next page. */
export function connectionOf<T>(
  found: readonly T[],
  { first, after, cursorOf }: { first: number; after: PageKey | null; cursorOf: (node: T) => string },
): Connection<T> {
  const edges = found.slice(0, first).map((node) => ({ cursor: cursorOf(node), node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: found.length > first,
      hasPreviousPage: after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

/** What every list is asked with. */
export interface PageArguments {
  readonly first: number;
  readonly after?: string | null | undefined;
  readonly orderBy?:
    | { readonly field: string; readonly direction?: 'ascending' | 'descending' | undefined }
    | null
    | undefined;
}

export const PAGE_MAX = 100;
/** Names and addresses are far shorter. */
const CURSOR_LENGTH_MAX = 4_096;
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** Refuses with BAD_USER_INPUT what is no number of records for one page. */
export function parseFirst(first: number): number {
  if (Number.isInteger(first) && first >= 1 && first <= PAGE_MAX) return first;
  throw badInput('first', `A page has 1 to ${PAGE_MAX} records.`);
}

/**
 * A place in a list for whoever asks for the next page. It is no secret and no permission: what it holds was on the page, and
 * the next one shows what the policy allows whatever the cursor says.
 */
export function formatCursor(list: string, { by, descending }: PageOrder, { value, id }: PageKey): string {
  return Buffer.from(JSON.stringify([list, by, descending, value, id])).toString('base64url');
}

/** Refuses with BAD_USER_INPUT what {@link formatCursor} never wrote for this list in this order. */
export function parseCursor(
  cursor: string,
  { list, order, kind }: { list: string; order: PageOrder; kind: 'text' | 'instant' | null },
): PageKey {
  const key = cursor.length > CURSOR_LENGTH_MAX ? null : keyIn(cursor, kind);
  // Only one text stands for each place: what was written otherwise was not written here.
  if (key !== null && formatCursor(list, order, key) === cursor) return key;
  throw badInput('after', 'This is not a cursor of this list in this order.');
}

function keyIn(cursor: string, kind: 'text' | 'instant' | null): PageKey | null {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
  if (!Array.isArray(parts)) return null;
  const [, , , value, id] = parts as readonly unknown[];
  if (!isText(id)) return null;
  if (kind === null) return value === null ? { value, id } : null;
  if (!isText(value) || (kind === 'instant' && !isInstant(value))) return null;
  return { value, id };
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && !value.includes('\0') && value.isWellFormed();

function isInstant(value: string): boolean {
  const time = INSTANT.test(value) && !value.startsWith('0000') ? Date.parse(value) : NaN;
  return Number.isFinite(time) && new Date(time).toISOString() === value;
}
