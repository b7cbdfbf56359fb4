import { isInOrder } from '../../domain/policy/matching.ts';
import { ELEMENT, type Filter, type FilterValue, type OrderOperator } from '../../domain/policy/filter.ts';

/**
 * Where an attribute of a record comes from: the same value as the record's, as SQL. Nothing else ever becomes part of a
 * statement's text; values are parameters.
 */
export type AttributeSql = OrderedSql | { readonly kind: 'boolean'; readonly sql: string } | FewSql | ListSql;

/** One of a few numbers, never null. */
export interface FewSql {
  readonly kind: 'few';
  readonly sql: string;
  readonly values: readonly number[];
}

export interface OrderedSql {
  readonly kind: 'text' | 'instant';
  readonly sql: string;
}

/** A list of different texts, never null. */
export interface ListSql {
  readonly kind: 'texts';
  /** A select of one column with the elements; an element may come twice. */
  readonly elements: string;
  /** Whether one of the elements is in this array, where that can be told at less cost than by looking at each. */
  readonly hasAny?: (array: string) => string;
}

/** Every attribute the records of a type have; of any other it is certain that they lack it. */
export type SubjectSql = Readonly<Record<string, AttributeSql>>;

/** The values of a statement, in order. */
export class Parameters {
  readonly values: unknown[] = [];

  /** What stands for the value in the statement. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/**
 * The filter as a condition. Where it is not true it may be unknown, which `where`, `and` and `or` take for false and every
 * negation made here does, too.
 *
 * @throws TypeError for an order that JavaScript has and SQL lacks: that of a text and a number, or a text beyond ASCII
 */
export function filterSql(filter: Filter, subject: SubjectSql, parameters: Parameters): string {
  switch (filter.kind) {
    case 'all':
      return 'true';
    case 'none':
      return 'false';
    case 'and':
    case 'or':
      return `(${filter.filters.map((each) => filterSql(each, subject, parameters)).join(` ${filter.kind} `)})`;
    case 'not':
      return notSql(filter.filter, subject, parameters);
    default:
      return leafSql(filter, subject, parameters);
  }
}

function notSql(filter: Filter, subject: SubjectSql, parameters: Parameters): string {
  if (filter.kind === 'equals' && typeof filter.value === 'string' && isStorable(filter.value)) {
    const attribute = attributeOf(subject, filter.attribute);
    if (attribute?.kind === 'text') return `${attribute.sql} is distinct from ${parameters.add(filter.value)}`;
  }
  return `(${filterSql(filter, subject, parameters)}) is not true`;
}

type Leaf = Exclude<Filter, { readonly kind: 'all' | 'none' | 'and' | 'or' | 'not' }>;

function leafSql(leaf: Leaf, subject: SubjectSql, parameters: Parameters): string {
  const attribute = attributeOf(subject, leaf.attribute);
  if (attribute === undefined) return literal(holdsForMissing(leaf));
  if (leaf.kind === 'present') return 'true';
  if (attribute.kind === 'texts') return listSql(leaf, attribute, parameters);
  // Only a list has any of these.
  if (leaf.kind === 'contains' || leaf.kind === 'size' || leaf.kind === 'some') return 'false';
  if (leaf.kind === 'includes') return includesSql(leaf.value, attribute, parameters);
  if (attribute.kind === 'boolean')
    return casesSql(leaf, [true, false, null], (value) => `${attribute.sql} is ${value}`);
  if (attribute.kind === 'few') return casesSql(leaf, attribute.values, (value) => `${attribute.sql} = ${value}`);
  if (leaf.kind === 'order') return orderSql(leaf, attribute, parameters);
  if (leaf.kind === 'equals' && leaf.value === null) return `${attribute.sql} is null`;
  const values = leaf.kind === 'equals' ? [leaf.value] : leaf.values;
  return attribute.kind === 'text'
    ? textIn(attribute.sql, values, parameters)
    : instantIn(attribute.sql, values, parameters);
}

const attributeOf = (subject: SubjectSql, name: string): AttributeSql | undefined =>
  Object.hasOwn(subject, name) ? subject[name] : undefined;

const literal = (holds: boolean): string => String(holds);

/** Nothing is null, is less than anything, and is no list. */
function holdsForMissing(leaf: Leaf): boolean {
  if (leaf.kind === 'equals') return leaf.value === null;
  return leaf.kind === 'order' && compares(undefined, leaf);
}

interface Order {
  readonly operator: OrderOperator;
  readonly value: FilterValue;
}

function compares(value: unknown, { operator, value: operand }: Order): boolean {
  return isInOrder(value, operator, operand);
}

// Single values

/** Text that PostgreSQL cannot hold equals none that it does. Half a character would be sent as another one. */
const isStorable = (value: FilterValue): value is string =>
  typeof value === 'string' && !value.includes('\0') && value.isWellFormed();

function textIn(sql: string, values: readonly (FilterValue | null)[], parameters: Parameters): string {
  const texts = values.filter((value) => value !== null && isStorable(value));
  if (texts.length === 0) return 'false';
  return texts.length === 1 ? `${sql} = ${parameters.add(texts[0])}` : `${sql} = any(${parameters.add(texts)}::text[])`;
}

/** No character of the value means anything but itself. */
function includesSql(value: string, { kind, sql }: AttributeSql & { sql: string }, parameters: Parameters): string {
  return kind === 'text' && isStorable(value) ? `strpos(${sql}, ${parameters.add(value)}) > 0` : 'false';
}

function instantIn(sql: string, values: readonly (FilterValue | null)[], parameters: Parameters): string {
  const instants = values.filter(isInstant);
  if (instants.length === 0) return 'false';
  return `${sql} = any(${parameters.add(instants)}::timestamptz[])`;
}

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

/** As records hold them. Other texts may look alike, such as the 30th of February, and equal none of these. */
function isInstant(value: unknown): value is string {
  if (typeof value !== 'string' || !INSTANT.test(value) || value.startsWith('0000')) return false;
  const time = Date.parse(value);
  return Number.isFinite(time) && new Date(time).toISOString() === value;
}

const asText = (instant: string): string => `to_char(${instant} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

function orderSql(order: Order, { kind, sql }: OrderedSql, parameters: Parameters): string {
  const { operator, value } = order;
  const greater = operator === 'gt' || operator === 'lte' ? '>' : '>=';
  // Null is a number to JavaScript: greater than those below zero.
  const forNull = isInOrder(null, 'gt', value) ? ` or ${sql} is null` : '';
  const exceeds = `(${comparison()}${forNull})`;
  // What is neither the same nor greater is less.
  return operator === 'gt' || operator === 'gte' ? exceeds : `${exceeds} is not true`;

  function textComparison(text: string): string {
    if (typeof value !== 'string' || !ASCII.test(value))
      throw new TypeError(`the order of texts and "${value}" has no SQL`);
    return `${text} collate "C" ${greater} ${parameters.add(value)}`;
  }

  function comparison(): string {
    if (typeof value === 'string' && kind === 'instant') {
      return isInstant(value) ? `${sql} ${greater} ${parameters.add(value)}::timestamptz` : textComparison(asText(sql));
    }
    // Instants are texts that are no numbers, and none of these is greater than a number.
    if (kind === 'instant') return 'false';
    if (typeof value !== 'string')
      throw new TypeError(`the order of a text and the ${typeof value} ${value} has no SQL`);
    return textComparison(sql);
  }
}

/** Beyond it JavaScript orders by UTF-16 and PostgreSQL by code points. To an ASCII text all others compare alike. */
const ASCII = /^[ -~]*$/;

/** Where there are few values that it can have, each is asked about here. */
function casesSql<V extends number | boolean | null>(
  leaf: Leaf,
  values: readonly V[],
  isSql: (value: V) => string,
): string {
  const holds = (value: V): boolean => {
    if (leaf.kind === 'equals') return value === leaf.value;
    if (leaf.kind === 'among') return value !== null && leaf.values.includes(value);
    return leaf.kind === 'order' && compares(value, leaf);
  };
  const cases = values.filter(holds).map(isSql);
  return cases.length === 0 ? 'false' : `(${cases.join(' or ')})`;
}

// Lists

function listSql(leaf: Leaf, list: ListSql, parameters: Parameters): string {
  const from = `from (${list.elements}) as elements (element)`;
  const texts = (values: readonly (FilterValue | null)[]) =>
    values.filter((value) => value !== null && isStorable(value));
  switch (leaf.kind) {
    case 'equals':
    case 'among': {
      const wanted = texts(leaf.kind === 'equals' ? [leaf.value] : leaf.values);
      if (wanted.length === 0) return 'false';
      const array = `${parameters.add(wanted)}::text[]`;
      return list.hasAny?.(array) ?? `exists (select ${from} where element = any(${array}))`;
    }
    case 'contains': {
      const wanted = texts(leaf.values);
      if (wanted.length < leaf.values.length) return 'false';
      return `array(select element ${from}) @> ${parameters.add(wanted)}::text[]`;
    }
    case 'size':
      return leaf.size > 1_000_000
        ? 'false'
        : `(select count(distinct element) ${from}) = ${parameters.add(leaf.size)}::int`;
    case 'some':
      return `exists (select ${from} where ${filterSql(leaf.filter, ELEMENT_SQL, parameters)})`;
    case 'order': {
      const filter: Filter = { ...leaf, attribute: ELEMENT };
      return `exists (select ${from} where ${filterSql(filter, ELEMENT_SQL, parameters)})`;
    }
    default:
      return 'true';
  }
}

const ELEMENT_SQL: SubjectSql = { [ELEMENT]: { kind: 'text', sql: 'elements.element' } };
