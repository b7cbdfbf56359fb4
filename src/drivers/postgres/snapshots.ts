import type { HeldGrant } from '../../domain/principals/principal.ts';
import type { FeedReader, PopulationReader, PrincipalInputs, SnapshotReader } from '../../domain/store.ts';
import { readApiKeys } from './api-key-store.ts';
import { toLogEntry, type LogRow } from './authority-log.ts';
import type { Query } from './database.ts';
import { grantScopeIdsSql, heldSql, toHeld } from './held-grants.ts';
import { suspendedSql } from './scope-store.ts';
import { toServiceAccount } from './service-account-store.ts';
import { principalTables, toUser, USER_COLUMNS, USER_TABLES, type UserSqlRow } from './user-store.ts';

interface PopulationRow extends UserSqlRow {
  readonly grants: readonly HeldGrant[];
  readonly live_sessions: number;
}

interface PrincipalRow extends UserSqlRow {
  readonly epoch: string;
  readonly as_of: string;
  readonly policy_version: string | null;
  readonly grants: readonly HeldGrant[];
  readonly home_ids: readonly string[] | null;
  readonly grant_scope_ids: readonly string[];
}

/** One statement is one snapshot. A principal that does not exist still gets the row that says at which position. */
const PRINCIPALS = `
  select h.epoch, h.seq as as_of, p.version as policy_version, u.*
  from authority_head h join policy_head p on p.id = 1
  left join lateral (
    select ${USER_COLUMNS}, ${heldSql('u.id')} as grants, home.lineage as home_ids,
      ${grantScopeIdsSql('u.id')} as grant_scope_ids
    from ${principalTables()} where u.id = any($1)
  ) u on true
  where h.id = 1`;

export function createSnapshotReader(query: Query): SnapshotReader {
  return {
    async principals(ids) {
      const rows = await query<PrincipalRow>('snapshot-principals', PRINCIPALS, [ids]);
      const [first] = rows;
      if (first === undefined) throw new Error('authority_head has no row: the database is not migrated');
      if (first.policy_version === null) throw new Error('no policy is in force: nothing can be permitted');
      const principals = rows
        .filter((row) => row.id !== null)
        .map((row) => {
          const inputs: PrincipalInputs = {
            record: row.kind === 'service' ? toServiceAccount(row) : toUser(row),
            grants: toHeld(row.grants),
            homeIds: row.home_ids ?? [],
            grantScopeIds: row.grant_scope_ids,
          };
          return [row.id, inputs] as const;
        });
      return {
        epoch: first.epoch,
        asOf: Number(first.as_of),
        policyVersion: first.policy_version,
        principals: new Map(principals),
      };
    },

    apiKeys: (ids) => readApiKeys(query, ids),

    async session(id) {
      const [row] = await query<{ epoch: string; as_of: string; live: boolean }>(
        'snapshot-session',
        `select h.epoch, h.seq as as_of, exists (
           select from sessions s join users u on u.id = s.user_id left join scopes home on home.id = u.scope_id
           where s.id = $1 and s.revoked_at is null and s.expires_at > now() and u.status = 'active'
             and not ${suspendedSql('home')}) as live
         from authority_head h where h.id = 1`,
        [id],
      );
      if (row === undefined) throw new Error('authority_head has no row: the database is not migrated');
      return { epoch: row.epoch, asOf: Number(row.as_of), live: row.live };
    },
  };
}

export function createPopulationReader(query: Query): PopulationReader {
  return {
    async page(afterId, limit) {
      const rows = await query<PopulationRow>(
        'population-page',
        `select ${USER_COLUMNS}, ${heldSql('u.id')} as grants, (
           select count(*)::int from sessions s
           where s.user_id = u.id and s.revoked_at is null and s.expires_at > now()) as live_sessions
         from ${USER_TABLES} where u.id > $1 and u.status = 'active' order by u.id limit $2`,
        [afterId, limit],
      );
      return rows.map((row) => ({
        user: toUser(row),
        grants: toHeld(row.grants),
        liveSessions: row.live_sessions,
      }));
    },
  };
}

export function createFeedReader(query: Query): FeedReader {
  return {
    async ofUser(userId, seq, limit) {
      const rows = await query<LogRow & { oldest: string | null; head: string }>(
        'feed-of-user',
        `select (select min(seq) from authority_log) as oldest, h.seq as head, l.*
         from authority_head h left join lateral (
           select seq, target, kind, user_id, reason, at from authority_log
           where user_id = $1 and seq > $2 order by seq limit $3
         ) l on true where h.id = 1 order by l.seq`,
        [userId, seq, limit],
      );
      const [first] = rows;
      return {
        oldest: Number(first?.oldest ?? Number(first?.head ?? 0) + 1),
        entries: rows.filter((row) => row.seq !== null).map(toLogEntry),
      };
    },
  };
}
