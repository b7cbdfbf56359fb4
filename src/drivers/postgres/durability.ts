import type { Query } from './database.ts';

/** What a server must have on, or a crash of it loses what was acknowledged, revocations among it. */
const REQUIRED = ['fsync', 'synchronous_commit'] as const;

/** What keeps a server from production, as our own connections find it; the message goes on after the name of the variable. */
export async function durabilityProblems(query: Query): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(
    'durability',
    `select name from pg_settings where name = any($1) and setting = 'off' order by name`,
    [REQUIRED],
  );
  return rows.map(
    ({ name }) =>
      `must name a server that has ${name} on in production: without it a crash takes back what was revoked`,
  );
}
