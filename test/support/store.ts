import { Client } from 'pg';
import type { AuthorityLog } from '../../src/domain/authority/log.ts';
import type { Store } from '../../src/domain/store.ts';
import { createAuthorityLog } from '../../src/drivers/postgres/authority-log.ts';
import { openDatabase, type Database } from '../../src/drivers/postgres/database.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { createLog } from '../../src/kit/log.ts';
import { Secret } from '../../src/kit/secret.ts';
import { until } from './castellan.ts';
import { createDatabase, runOn } from './database.ts';

/** The PostgreSQL driver on a database of its own, with the rights of an instance, and a connection beside it with all. */
export interface TestStore {
  readonly url: string;
  readonly database: Database;
  readonly store: Store;
  readonly log: AuthorityLog;
  /** Runs one statement on the connection beside it. */
  readonly rows: <Row>(text: string, ...values: readonly unknown[]) => Promise<readonly Row[]>;
  /** A further connection, which waits for nothing and is never ended by a timeout. */
  readonly connect: () => Promise<Client>;
  /** Resolves when so many statements wait for a lock. */
  readonly untilWaiting: (count: number) => Promise<void>;
  readonly release: () => Promise<void>;
}

export async function openTestStore(poolMax = 12): Promise<TestStore> {
  const created = await createDatabase();
  const { url } = created;
  // Deadlocks are meant here, and need no patience.
  await runOn(url, `alter database ${new URL(url).pathname.slice(1)} set deadlock_timeout = '50ms'`);
  const database = await openDatabase({
    url: new Secret(created.instanceUrl),
    poolMax,
    preparedStatements: true,
    logger: createLog('silent'),
  });
  const clients: Client[] = [];
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString: url, application_name: 'beside' });
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
    return client;
  };
  const beside = await connect();
  const rows = async <Row>(text: string, ...values: readonly unknown[]) =>
    (await beside.query(text, [...values])).rows as Row[]; // the statement names its columns

  return {
    url,
    database,
    store: createStore(database),
    log: createAuthorityLog(database.query, database.reserved),
    rows,
    connect,

    async untilWaiting(count) {
      const text = `select count(*)::int as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => ((await rows<{ waiting: number }>(text))[0]?.waiting ?? 0) >= count);
    },

    async release() {
      await Promise.allSettled(clients.map((client) => client.end()));
      await database.close();
      await created.drop();
    },
  };
}
