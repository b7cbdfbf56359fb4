import { Client } from 'pg';

/** All rows of a database, as one moment had them, and where its sequences stood: what a logical backup holds. */
export interface Snapshot {
  /** All of it, for {@link snapshotOf}. */
  readonly text: string;
  /** Puts it in place of all rows of a database with the same tables. */
  restoreInto(url: string): Promise<void>;
}

interface TableRows {
  readonly table: string;
  readonly columns: string;
  /** As PostgreSQL wrote them: no number passes through ours. */
  readonly rows: string;
}

interface Sequence {
  readonly name: string;
  readonly at: string;
}

const TABLES = `select c.relname as table, string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns
  from pg_class c join pg_attribute a on a.attrelid = c.oid
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = ''
  group by c.relname order by c.relname`;
const SEQUENCES = `select quote_ident(sequencename) as name, last_value as at from pg_sequences
  where schemaname = 'public' and last_value is not null`;

/** Taken while others write, as `pg_dump` does: all of it is read in one snapshot. */
export async function takeSnapshot(url: string): Promise<Snapshot> {
  const tables: TableRows[] = [];
  let sequences: readonly Sequence[] = [];
  await connected(url, async (client) => {
    await client.query('begin isolation level repeatable read read only');
    const found = await client.query<Omit<TableRows, 'rows'>>(TABLES);
    for (const { table, columns } of found.rows) {
      const text = `select coalesce(json_agg(t), '[]')::text as rows from public."${table}" t`;
      const { rows } = await client.query<{ rows: string }>(text);
      tables.push({ table, columns, rows: rows[0]?.rows ?? '[]' });
    }
    sequences = (await client.query<Sequence>(SEQUENCES)).rows;
    await client.query('commit');
  });
  return snapshotOf(JSON.stringify({ tables, sequences }));
}

export function snapshotOf(text: string): Snapshot {
  const { tables, sequences } = JSON.parse(text) as {
    readonly tables: readonly TableRows[];
    readonly sequences: readonly Sequence[];
  };
  return {
    text,
    restoreInto: (target) =>
      connected(target, async (client) => {
        await client.query('begin');
        // Neither triggers nor references: the rows are as they were.
        await client.query('set local session_replication_role = replica');
        for (const { table } of tables) await client.query(`delete from public."${table}"`);
        for (const { table, columns, rows } of tables) {
          await client.query(
            `insert into public."${table}" (${columns}) overriding system value
             select ${columns} from json_populate_recordset(null::public."${table}", $1)`,
            [rows],
          );
        }
        for (const { name, at } of sequences) await client.query('select setval($1, $2)', [`public.${name}`, at]);
        await client.query('commit');
      }),
  };
}

async function connected(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end();
  }
}
