import type { HeldGrant } from '../../domain/principals/principal.ts';
import type { PopulationReader, PrincipalInputs, SnapshotReader } from '../../domain/store.ts';
import type { Session } from '../../domain/sessions/session.ts';
import type { SessionInputs } from '../../domain/sessions/session-states.ts';
import { readApiKeys } from './api-key-store.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { grantScopeIdsSql, heldSql, toHeld } from './held-grants.ts';
import { toServiceAccount } from './service-account-store.ts';
import { principalTables, toUser, USER_COLUMNS, type UserSqlRow } from './user-store.ts';

interface PopulationRow extends UserSqlRow {
  readonly grants: readonly HeldGrant[];
  readonly live_sessions: number;
}

interface PrincipalRow extends UserSqlRow {
  readonly epoch: string;
  readonly as_of: string;
  readonly policy_version: string | null;
  readonly grants: readonly HeldGrant[];
  readonly dormant: readonly HeldGrant[];
  readonly home_ids: readonly string[] | null;
  readonly grant_scope_ids: readonly string[];
}

/** One statement is one snapshot. A principal that does not exist still gets the row that says at which position. */
const PRINCIPALS = `
  select h.epoch, h.seq as as_of, p.version as policy_version, u.*
  from authority_head h join policy_head p on p.id = 1
  left join lateral (
    select ${USER_COLUMNS}, ${heldSql('u.id', 'in force')} as grants, ${heldSql('u.id', 'dormant')} as dormant,
      home.lineage as home_ids, ${grantScopeIdsSql('u.id')} as grant_scope_ids
    from ${principalTables()} where u.id = any($1)
  ) u on true
  where h.id = 1`;

interface SessionRow {
  readonly epoch: string;
  readonly as_of: string;
  readonly id: string;
  readonly user_id: string;
  readonly aal: Session['aal'];
  readonly authenticated_at: string | Date;
  readonly expires_at: string | Date;
  readonly revoked: boolean;
  readonly user_agent: string | null;
  readonly address: string | null;
  readonly device_kind: Session['deviceKind'];
  readonly browser: string | null;
  readonly os: string | null;
}

const SESSIONS = `
  select h.epoch, h.seq as as_of, s.*
  from authority_head h left join lateral (
    select id, user_id, aal, authenticated_at, expires_at, revoked_at is not null as revoked, user_agent, address,
      device_kind, browser, os
    from sessions where id = any($1)
  ) s on true
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
            dormant: toHeld(row.dormant),
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

    async sessions(ids) {
      const rows = await query<SessionRow>('snapshot-sessions', SESSIONS, [ids]);
      const [first] = rows;
      if (first === undefined) throw new Error('authority_head has no row: the database is not migrated');
      const sessions = rows.filter((row) => row.id !== null).map((row) => [row.id, toSessionInputs(row)] as const);
      return { epoch: first.epoch, asOf: Number(first.as_of), sessions: new Map(sessions) };
    },

    apiKeys: (ids) => readApiKeys(query, ids),
  };
}

function toSessionInputs(row: SessionRow): SessionInputs {
  return {
    userId: row.user_id,
    aal: row.aal,
    authenticatedAt: instant(row.authenticated_at),
    expiresAt: instant(row.expires_at),
    revoked: row.revoked,
    userAgent: row.user_agent,
    address: row.address,
    deviceKind: row.device_kind,
    browser: row.browser,
    os: row.os,
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
         from ${principalTables()} where u.id > $1 and u.status = 'active' order by u.id limit $2`,
        [afterId, limit],
      );
      return rows.map((row) => ({
        record: row.kind === 'service' ? toServiceAccount(row) : toUser(row),
        grants: toHeld(row.grants),
        liveSessions: row.live_sessions,
      }));
    },
  };
}
