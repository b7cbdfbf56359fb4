import { ELEMENT, type Filter } from '../../../src/domain/policy/filter.ts';

/** What a filter says of a record, read as plainly as it can be. */
export function holds(filter: Filter, record: Readonly<Record<string, unknown>>): boolean {
  switch (filter.kind) {
    case 'all':
      return true;
    case 'none':
      return false;
    case 'and':
      return filter.filters.every((each) => holds(each, record));
    case 'or':
      return filter.filters.some((each) => holds(each, record));
    case 'not':
      return !holds(filter.filter, record);
    default:
  }
  const there = Object.hasOwn(record, filter.attribute);
  const { [filter.attribute]: value } = record;
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  switch (filter.kind) {
    case 'equals':
      return values.includes(filter.value) || (filter.value === null && !there);
    case 'among':
      return values.some((each) => (filter.values as readonly unknown[]).includes(each));
    case 'order':
      return values.some((each) => isOrdered(each, filter.operator, filter.value));
    case 'includes':
      return typeof value === 'string' && value.includes(filter.value);
    case 'present':
      return there;
    case 'contains':
      return Array.isArray(value) && filter.values.every((each) => value.includes(each));
    case 'size':
      return Array.isArray(value) && value.length === filter.size;
    case 'some':
      return Array.isArray(value) && value.some((element: unknown) => holds(filter.filter, { [ELEMENT]: element }));
    default:
      throw new TypeError(`a filter of a kind that is none: ${JSON.stringify(filter)}`);
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- JavaScript orders any two values, TypeScript does not.
function isOrdered(a: any, operator: string, b: any): boolean {
  if (a === b) return operator.endsWith('e');
  return operator.startsWith('g') === a > b;
}
