import {
  type Connection,
  connectionOf,
  formatCursor,
  type Orders,
  type PageArguments,
  type PageKey,
  type PageOrder,
  type Pages,
  parseCursor,
  parseFirst,
} from '../pages.ts';
import type { Principal, SubjectRecord } from '../principals/principal.ts';
import { badInput } from '../refusals.ts';
import { and, type Filter } from './filter.ts';
import type { Policy } from './policy.ts';

/** Something a list is narrowed by, and the field that it would tell the reader of. */
export interface Condition {
  /** Null is what is told to all who may read the record. */
  readonly field: string | null;
  readonly filter: Filter;
}

/**
 * A page of the records that `by` may read. Where a list is narrowed or ordered by a field, only those are in it of which
 * `by` may read that field: what is hidden must not be found by guessing at it, or by where it stands.
 */
export async function listReadable<T extends SubjectRecord>(
  by: Principal,
  parts: {
    readonly policy: Policy;
    readonly type: T['__typename'];
    readonly pages: Pages<T>;
    readonly orders: Orders;
    readonly conditions: readonly Condition[];
    readonly args: PageArguments;
  },
): Promise<Connection<T>> {
  const { policy, type, pages, conditions, args } = parts;
  const first = parseFirst(args.first);
  const order = parseOrder(args.orderBy, parts.orders);
  const kind = order.by === null ? null : (parts.orders[order.by] ?? null);
  const after = typeof args.after === 'string' ? parseCursor(args.after, { list: type, order, kind }) : null;

  const filter = readableFilter(by, { policy, type, conditions, orderedBy: order.by });
  // One more tells whether there is a next page.
  const found = await pages.page({ filter, order, after, limit: first + 1 });
  // The database chose by the same rules. That they say the same here is what everything rests on.
  const stray = found.slice(0, first).find((node) => !policy.decide(by, 'read', node).allowed);
  if (stray !== undefined) throw new Error(`a list let ${type} ${stray.id} through`);
  return connectionOf(found, { first, after, cursorOf: (node) => formatCursor(type, order, keyOf(node, order)) });
}

/** What is true of the records that meet the conditions and that `by` may read, with the fields that are compared. */
export function readableFilter(
  by: Principal,
  parts: {
    readonly policy: Policy;
    readonly type: string;
    readonly conditions: readonly Condition[];
    readonly orderedBy: string | null;
  },
): Filter {
  const { policy, type, conditions, orderedBy } = parts;
  const fields = new Set([...conditions.map(({ field }) => field), orderedBy]);
  return and([
    policy.filter(by, 'read', type),
    ...[...fields].filter((field) => field !== null).map((field) => policy.filter(by, 'read', type, field)),
    ...conditions.map(({ filter }) => filter),
  ]);
}

function parseOrder(orderBy: PageArguments['orderBy'], orders: Orders): PageOrder {
  if (orderBy === null || orderBy === undefined) return { by: null, descending: false };
  const { field, direction } = orderBy;
  if (!Object.hasOwn(orders, field)) throw badInput('orderBy', `There is no order by ${field}.`);
  return { by: field, descending: direction === 'descending' };
}

function keyOf(node: SubjectRecord, { by }: PageOrder): PageKey {
  if (by === null) return { value: null, id: node.id };
  const { [by]: value }: { readonly [attribute: string]: unknown } = { ...node };
  if (typeof value !== 'string') throw new TypeError(`${node.__typename}.${by} is no text to order by`);
  return { value, id: node.id };
}
