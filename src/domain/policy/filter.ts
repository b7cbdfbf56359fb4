/**
 * A condition on records as data, for whoever looks through many of them without having them: a database. It is true or
 * false of every record, never unknown; what an attribute that is null, missing or a list does is what CASL does.
 */
export type Filter =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  | { readonly kind: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly kind: 'not'; readonly filter: Filter }
  /** The attribute, or one element of it when it is a list, is the value. Null is also what is missing. */
  | { readonly kind: 'equals'; readonly attribute: string; readonly value: FilterValue | null }
  /** The same for any of the values. */
  | { readonly kind: 'among'; readonly attribute: string; readonly values: readonly FilterValue[] }
  /** As JavaScript orders them, and what is neither the same nor greater is less: nothing at all, too. */
  | {
      readonly kind: 'order';
      readonly attribute: string;
      readonly operator: OrderOperator;
      readonly value: FilterValue;
    }
  /** The attribute is a text with that value somewhere in it. */
  | { readonly kind: 'includes'; readonly attribute: string; readonly value: string }
  /** The record has the attribute, if only as null. */
  | { readonly kind: 'present'; readonly attribute: string }
  /** The attribute is a list with all of the values, … */
  | { readonly kind: 'contains'; readonly attribute: string; readonly values: readonly FilterValue[] }
  /** … one of so many elements, … */
  | { readonly kind: 'size'; readonly attribute: string; readonly size: number }
  /** … or one with an element that the filter holds for; there the attribute is {@link ELEMENT}. */
  | { readonly kind: 'some'; readonly attribute: string; readonly filter: Filter };

export type FilterValue = string | number | boolean;
export type OrderOperator = 'gt' | 'gte' | 'lt' | 'lte';

/** No attribute is called that. */
export const ELEMENT = '*';

export const ALL: Filter = { kind: 'all' };
export const NONE: Filter = { kind: 'none' };

export function and(filters: readonly Filter[]): Filter {
  const parts = distinct(filters.flatMap((filter) => (filter.kind === 'and' ? filter.filters : [filter])));
  if (parts.some(({ kind }) => kind === 'none')) return NONE;
  const left = parts.filter(({ kind }) => kind !== 'all');
  return left.length > 1 ? { kind: 'and', filters: left } : (left[0] ?? ALL);
}

export function or(filters: readonly Filter[]): Filter {
  const parts = distinct(filters.flatMap((filter) => (filter.kind === 'or' ? filter.filters : [filter])));
  if (parts.some(({ kind }) => kind === 'all')) return ALL;
  const left = parts.filter(({ kind }) => kind !== 'none');
  return left.length > 1 ? { kind: 'or', filters: left } : (left[0] ?? NONE);
}

export function not(filter: Filter): Filter {
  if (filter.kind === 'all') return NONE;
  if (filter.kind === 'none') return ALL;
  return filter.kind === 'not' ? filter.filter : { kind: 'not', filter };
}

/** Several roles often say the same. */
function distinct(filters: readonly Filter[]): readonly Filter[] {
  if (filters.length < 2) return filters;
  return [...new Map(filters.map((filter) => [JSON.stringify(filter), filter])).values()];
}
