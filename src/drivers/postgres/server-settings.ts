import { IDLE_IN_TRANSACTION_TIMEOUT_MS, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS } from './database.ts';
import type { Query } from './query.ts';

/** What a server must have on, or a crash of it loses what was acknowledged, revocations among it. */
const DURABLE = ['fsync', 'synchronous_commit'] as const;

/** As `server_version_num` has it, and as people say it. */
const OLDEST = { number: 160_000, name: 'PostgreSQL 16' };

/** What bounds every wait, where connections cannot bring it along: what the user must have been given. */
const BOUNDS: Readonly<Record<string, number>> = {
  statement_timeout: STATEMENT_TIMEOUT_MS,
  lock_timeout: LOCK_TIMEOUT_MS,
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
};

/** What keeps a server from being used, as our own connections find it; the message goes on after the name of the variable. */
export async function serverProblems(
  query: Query,
  { production, preparedStatements }: { readonly production: boolean; readonly preparedStatements: boolean },
): Promise<readonly string[]> {
  const rows = await query<{ name: string; setting: string }>(
    'server-settings',
    'select name, setting from pg_settings where name = any($1) order by name',
    [['server_version', 'server_version_num', ...DURABLE, ...Object.keys(BOUNDS)]],
  );
  const { setting: version = '' } = rows.find(({ name }) => name === 'server_version') ?? {};
  return rows.flatMap(({ name, setting }) => {
    if (name === 'server_version_num' && Number(setting) < OLDEST.number) {
      return [`must name a server of ${OLDEST.name} or newer, and this is ${version}`];
    }
    if (production && DURABLE.some((one) => one === name) && setting === 'off') {
      return [`must name a server that has ${name} on in production: without it a crash takes back what was revoked`];
    }
    const mostMs = preparedStatements ? undefined : BOUNDS[name];
    if (mostMs === undefined || (Number(setting) > 0 && Number(setting) <= mostMs)) return [];
    return [`must name a user of whom nothing waits for ever: alter role … set ${name} = '${mostMs}ms'`];
  });
}
