import { Client } from 'pg';
import { newId } from '../../src/kit/ids.ts';
import type { Subject } from './tokens.ts';

const BATCH = 10_000;

/** Many sessions, put straight into the database: the sign-ins that make them are not what is measured. */
export class SessionRows implements AsyncDisposable {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(databaseUrl: string): Promise<SessionRows> {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    return new SessionRows(client);
  }

  /** One more session for each of these users, like a session that there is. */
  async add(like: string, userIds: readonly string[]): Promise<readonly Subject[]> {
    const added = userIds.map((userId) => ({ userId, sessionId: newId('session') }));
    for (let from = 0; from < added.length; from += BATCH) await this.#insert(like, added.slice(from, from + BATCH));
    return added;
  }

  /** What the planner knows comes from this, and it is not left to chance whether it has come yet. */
  async settle(): Promise<void> {
    await this.#client.query('vacuum analyze sessions');
  }

  /** Of the table with its indexes, and of the table alone, for each row. */
  async bytesEach(): Promise<{ readonly total: number; readonly table: number }> {
    const { rows } = await this.#client.query<{ total: number; table: number }>(
      `select pg_total_relation_size('sessions')::float8 / n as total, pg_table_size('sessions')::float8 / n as table
       from (select count(*) as n from sessions) c`,
    );
    const [bytes] = rows;
    if (bytes === undefined) throw new TypeError('there are no sessions');
    return bytes;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.end();
  }

  async #insert(like: string, added: readonly Subject[]): Promise<void> {
    // Whatever other columns there are, they are those of the original.
    await this.#client.query(
      `insert into sessions select copy.* from sessions s, unnest($2::text[], $3::text[]) as c (id, user_id),
         jsonb_populate_record(s, jsonb_build_object(
           'id', c.id, 'user_id', c.user_id, 'refresh_hash', encode(sha256(c.id::bytea), 'base64'))) copy
       where s.id = $1`,
      [like, added.map(({ sessionId }) => sessionId), added.map(({ userId }) => userId)],
    );
  }
}
