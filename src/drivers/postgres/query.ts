import type { Pool } from 'pg';
import { tracing } from '../../kit/tracing.ts';

/** Runs one statement; `name` makes it a prepared one where the connection allows it. Parameters are `$1`, `$2` … */
export type Query = <Row>(name: string, text: string, values: readonly unknown[]) => Promise<readonly Row[]>;

export const POSTGRESQL = { 'db.system.name': 'postgresql' } as const;

export function queryOn(pool: Pool, preparedStatements: boolean): Query {
  return async <Row>(name: string, text: string, values: readonly unknown[]) => {
    const { rows } = await pool.query({ ...(preparedStatements && { name }), text, values: [...values] });
    return rows as Row[]; // the statement names its columns; a contract test runs each
  };
}

export function traced(query: Query): Query {
  return <Row>(name: string, text: string, values: readonly unknown[]) =>
    tracedStatement(name, () => query<Row>(name, text, values));
}

/** Spans tell which statement it was, and nothing of its text and values. */
export function tracedStatement<T>(name: string, ask: () => Promise<T>): Promise<T> {
  return tracing.asked(`postgresql ${name}`, POSTGRESQL, ask);
}
