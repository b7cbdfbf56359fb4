import { randomBytes } from 'node:crypto';
import { Client } from 'pg';

export interface TestDatabase {
  /** As a superuser, who made the tables. */
  readonly url: string;
  /** As the role of instances. */
  readonly instanceUrl: string;
  /** Drops it, whoever is still connected. */
  drop(): Promise<void>;
}

/** A migrated, empty database of the caller's own on the server that `npm test` started. */
export async function createDatabase(): Promise<TestDatabase> {
  const server = process.env['TEST_POSTGRES_URL'];
  if (server === undefined) throw new Error('TEST_POSTGRES_URL is not set: run this test with npm test -- <path>');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOn(server, `create database ${name} template castellan_template`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    instanceUrl: asInstance(url.href),
    drop: () => runOn(server, `drop database if exists ${name} with (force)`),
  };
}

/** The role that instances have in tests: what it may do is all that an instance may. */
export const INSTANCE_ROLE = 'castellan_instance';
const INSTANCE_PASSWORD = 'the password of the instances';

/** Makes {@link INSTANCE_ROLE} where there is none: a server may be used for more than one run. */
export const MAKE_INSTANCE_ROLE = `do $$ begin
    create role ${INSTANCE_ROLE} login password '${INSTANCE_PASSWORD}';
  exception when duplicate_object then null;
  end $$`;

/** The same database, as whoever made the tables of it. */
export function asOwner(url: string): string {
  const own = new URL(url);
  const { username, password } = new URL(process.env['TEST_POSTGRES_URL'] ?? '');
  return Object.assign(own, { username, password }).href;
}

function asInstance(url: string): string {
  const own = new URL(url);
  own.username = INSTANCE_ROLE;
  own.password = INSTANCE_PASSWORD;
  return own.href;
}

/** Runs statements one after the other, none of them in a transaction: databases are not made inside one. */
export async function runOn(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000, query_timeout: 60_000 });
  // A connection that dies between two statements reports it here, and ends the process if nobody listens.
  client.on('error', () => {});
  try {
    await client.connect();
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
