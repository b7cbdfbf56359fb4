import type { PageOrder, PageQuery, Pages } from '../../domain/pages.ts';
import type { Query } from './query.ts';
import { filterSql, Parameters, type SubjectSql } from './policy-sql.ts';

/** A connection keeps what it prepared until it ends. Statements of further shapes are read anew each time. */
const PREPARED_MAX = 256;

/** Every shape that policies give to the list's statement, with the name it is prepared under. */
class StatementNames {
  readonly #list: string;
  readonly #names = new Map<string, string>();

  constructor(list: string) {
    this.#list = list;
  }

  of(text: string): string {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    if (this.#names.size >= PREPARED_MAX) return '';
    const name = `${this.#list}-page-${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }
}

/**
 * @param parts.list names its statements
 * @param parts.from tables, with the aliases that `columns` and `subject` use
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what `columns` gives and `toRecord` takes.
export function createPages<Row, T>(
  query: Query,
  parts: {
    readonly list: string;
    readonly columns: string;
    readonly from: string;
    readonly subject: SubjectSql;
    readonly toRecord: (row: Row) => T;
  },
): Pages<T> {
  const { columns, from, subject, toRecord } = parts;
  const names = new StatementNames(parts.list);
  return {
    async page(asked) {
      if (asked.filter.kind === 'none') return [];
      const parameters = new Parameters();
      const conditions = [filterSql(asked.filter, subject, parameters), ...behind(asked, subject, parameters)];
      const { keys, direction } = orderOf(asked.order, subject);
      const text = `select ${columns} from ${from} where ${conditions.join(' and ')}
        order by ${keys.map((key) => `${key} ${direction}`).join(', ')} limit ${parameters.add(asked.limit)}`;
      const rows = await query<Row>(names.of(text), text, parameters.values);
      return rows.map(toRecord);
    },
  };
}

function orderOf({ by, descending }: PageOrder, subject: SubjectSql) {
  const direction = descending ? 'desc' : 'asc';
  const id = orderable('id', subject).sql;
  if (by === null) return { keys: [id], cast: 'text', direction } as const;
  const { kind, sql } = orderable(by, subject);
  if (kind === 'instant') return { keys: [sql, id], cast: 'timestamptz', direction } as const;
  // Whatever order the database was made with: a cursor compares in the same one everywhere.
  return { keys: [`${sql} collate "C"`, id], cast: 'text', direction } as const;
}

function orderable(name: string, subject: SubjectSql) {
  const attribute = Object.hasOwn(subject, name) ? subject[name] : undefined;
  if (attribute?.kind === 'text' || attribute?.kind === 'instant') return attribute;
  throw new TypeError(`there is no order by ${name}`);
}

function behind({ order, after }: PageQuery, subject: SubjectSql, parameters: Parameters): readonly string[] {
  if (after === null) return [];
  const { keys, cast } = orderOf(order, subject);
  const values = order.by === null ? [after.id] : [after.value, after.id];
  const places = values.map((value) => parameters.add(value));
  if (places.length > 1) places[0] = `${places[0]}::${cast}`;
  return [`(${keys.join(', ')}) ${order.descending ? '<' : '>'} (${places.join(', ')})`];
}
