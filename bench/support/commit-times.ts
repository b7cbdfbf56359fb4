import { Client } from 'pg';
import { nowMs } from './client-process.ts';

/** What a PostgreSQL must have been started with to know. */
export const KEEPS_COMMIT_TIMES = { track_commit_timestamp: 'on' };

/** A row that a transaction has written, and none since. */
export interface Written {
  readonly table: 'api_keys' | 'sessions';
  readonly id: string;
}

/** When transactions were committed, as PostgreSQL notes it: a moment before what was committed is on the disk. */
export class CommitTimes implements AsyncDisposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(databaseUrl: string): Promise<CommitTimes> {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    return new CommitTimes(client);
  }

  /** On the clock that all processes share, in ms. */
  async of({ table, id }: Written): Promise<number> {
    const { rows } = await this.#client.query<{ ms: string }>(
      `select extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as ms from ${table} where id = $1`,
      [id],
    );
    const ms = Number(rows[0]?.ms ?? NaN);
    if (Number.isNaN(ms)) throw new Error(`PostgreSQL does not know when ${id} was committed`);
    return ms - wallAheadMs();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

/** By how much the wall clock, which tells milliseconds, is ahead of the one that all processes share: at the beginning of one. */
function wallAheadMs(): number {
  const fromMs = Date.now();
  let wallMs = fromMs;
  while (wallMs === fromMs) wallMs = Date.now();
  return wallMs - nowMs();
}
