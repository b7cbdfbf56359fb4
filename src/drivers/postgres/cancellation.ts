import { Query as Statement, type Connection, type Pool, type PoolClient } from 'pg';
import { Refusal } from '../../domain/refusals.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import type { ConnectionQueue } from './connection-queue.ts';
import type { Query } from './query.ts';

/** What `@types/pg` does not say of a client: its connection, and the process of the server that answers on it. */
type Backend = PoolClient & { readonly connection: Connection; readonly processID: number };

type Callback = (error: unknown, result: unknown) => void;

/**
 * Reads that end on the server, or give up their place in the queue, when nobody waits for them any more. Only for what one operation reads for itself: what several
 * share is not any one's to give up. A connection on which a statement was cancelled is closed, so that a cancel that comes
 * late finds nothing of anybody else. Cancels go over `reserve`.
 */
export function cancellable(
  { pool, queue, reserve }: { readonly pool: Pool; readonly queue: ConnectionQueue; readonly reserve: Pool },
  query: Query,
): Query {
  const backends = new WeakMap<Connection, Backend>();
  pool.on('acquire', (client) => {
    const backend = client as Backend;
    backends.set(backend.connection, backend);
  });

  return async <Row>(name: string, text: string, values: readonly unknown[]) => {
    const undertaking = Undertaking.current();
    if (undertaking === null || undertaking.goesOn) return query<Row>(name, text, values);
    if (undertaking.abandoned) throw givenUp();
    const statement = new Statement({ name, text, values: [...values] }) as Statement & { callback: Callback };
    const submit = statement.submit.bind(statement);
    let forget = (): void => {};
    // It begins when its turn comes on a connection.
    statement.submit = (connection) => {
      if (undertaking.abandoned) return givenUp();
      let cancelled = false;
      const { callback } = statement;
      statement.callback = (error, result) => callback(error ?? (cancelled ? givenUp() : error), result);
      forget = undertaking.whenAbandoned(() => {
        cancelled = true;
        cancel(reserve, backends.get(connection));
      });
      return submit(connection);
    };
    try {
      const { rows } = await queue.abandonable(
        () => pool.query(statement) as unknown as Promise<{ readonly rows: Row[] }>,
      );
      return rows; // the statement names its columns; a contract test runs each
    } finally {
      forget();
    }
  };
}

function cancel(reserve: Pool, backend: Backend | undefined): void {
  if (backend === undefined) return;
  const asked = { name: 'statement-cancel', text: 'select pg_cancel_backend($1)', values: [backend.processID] };
  // Its own time ends it otherwise.
  reserve.query(asked).catch(() => {});
}

/** What is said to whom nobody waits for. */
export function givenUp(): Refusal {
  return new Refusal('AUTHORITY_UNAVAILABLE', 'This was given up: nobody waits for it.', { retryAfterSeconds: 1 });
}
