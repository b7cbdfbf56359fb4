import type { ApiKey, ApiKeyInputs, ApiKeyReader, ApiKeyVersion, ApiKeyWriter } from '../../domain/api-keys/api-key.ts';
import { prefixOf } from '../../domain/api-keys/key-format.ts';
import type { Pages } from '../../domain/pages.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopesSql } from './scope-store.ts';
import type { Statements } from './transactions.ts';

interface ApiKeySqlRow {
  readonly id: string;
  readonly owner_id: string;
  readonly environment: string;
  readonly name: string;
  readonly permissions: readonly string[] | null;
  readonly address_ranges: readonly string[];
  readonly allowed_origins: readonly string[];
  readonly read_only: boolean;
  readonly created_at: string | Date;
  readonly created_by: string;
  readonly expires_at: string | Date | null;
  readonly revoked_at: string | Date | null;
  readonly revoked_reason: string | null;
  readonly last_four: string;
  readonly last_used_at: string | Date | null;
  readonly scope: string | null;
  readonly scopes: readonly string[] | null;
}

interface VersionSqlRow {
  readonly key_id: string;
  readonly number: number;
  readonly last_four: string;
  readonly created_at: string | Date;
  readonly valid_until: string | Date | null;
  readonly last_used_at: string | Date | null;
}

const LAST_USED = '(select max(used.last_used_at) from api_key_uses used where used.key_id = k.id)';
const LAST_FOUR = '(select v.last_four from api_key_versions v where v.key_id = k.id order by v.number desc limit 1)';
const COLUMNS = `k.id, k.owner_id, k.environment, k.name, k.permissions, k.address_ranges, k.allowed_origins, k.read_only,
    k.created_at, k.created_by, k.expires_at, k.revoked_at, k.revoked_reason, ${LAST_FOUR} as last_four,
    ${LAST_USED} as last_used_at, home.path as scope, home.paths as scopes`;
const TABLES = 'api_keys k join users u on u.id = k.owner_id left join scopes home on home.id = u.scope_id';

/** Everything the record of a key has. */
export const API_KEY_SQL = {
  id: { kind: 'text', sql: 'k.id' },
  ownerId: { kind: 'text', sql: 'k.owner_id' },
  name: { kind: 'text', sql: 'k.name' },
  prefix: { kind: 'text', sql: `('ck_' || k.environment || '_' || substr(k.id, 5))` },
  lastFour: { kind: 'text', sql: LAST_FOUR },
  unrestricted: { kind: 'boolean', sql: '(k.permissions is null)' },
  permissions: { kind: 'texts', elements: 'select unnest(k.permissions)' },
  addressRanges: { kind: 'texts', elements: 'select unnest(k.address_ranges)' },
  allowedOrigins: { kind: 'texts', elements: 'select unnest(k.allowed_origins)' },
  readOnly: { kind: 'boolean', sql: 'k.read_only' },
  createdAt: { kind: 'instant', sql: 'k.created_at' },
  createdBy: { kind: 'text', sql: 'k.created_by' },
  expiresAt: { kind: 'instant', sql: 'k.expires_at' },
  revokedAt: { kind: 'instant', sql: 'k.revoked_at' },
  revokedReason: { kind: 'text', sql: 'k.revoked_reason' },
  lastUsedAt: { kind: 'instant', sql: LAST_USED },
  scope: { kind: 'text', sql: 'home.path' },
  scopes: scopesSql('home'),
} satisfies SubjectSql;

export function createApiKeyPages(query: Query): Pages<ApiKey> {
  return createPages<ApiKeySqlRow, ApiKey>(query, {
    list: 'api-key',
    columns: COLUMNS,
    from: TABLES,
    subject: API_KEY_SQL,
    toRecord: toApiKey,
  });
}

function toApiKey(row: ApiKeySqlRow): ApiKey {
  return {
    __typename: 'ApiKey',
    id: row.id,
    ownerId: row.owner_id,
    name: row.name,
    prefix: prefixOf(row.id, row.environment),
    lastFour: row.last_four,
    unrestricted: row.permissions === null,
    permissions: row.permissions ?? [],
    addressRanges: row.address_ranges,
    allowedOrigins: row.allowed_origins,
    readOnly: row.read_only,
    createdAt: instant(row.created_at),
    createdBy: row.created_by,
    expiresAt: instantOrNull(row.expires_at),
    revokedAt: instantOrNull(row.revoked_at),
    revokedReason: row.revoked_reason,
    lastUsedAt: instantOrNull(row.last_used_at),
    scope: row.scope,
    scopes: row.scopes ?? [],
  };
}

function toVersion(row: VersionSqlRow): ApiKeyVersion {
  return {
    keyId: row.key_id,
    number: row.number,
    lastFour: row.last_four,
    createdAt: instant(row.created_at),
    validUntil: instantOrNull(row.valid_until),
    lastUsedAt: instantOrNull(row.last_used_at),
  };
}

export function createApiKeyReader(query: Query, lock = ''): ApiKeyReader {
  return {
    async find(id) {
      const text = `select ${COLUMNS} from ${TABLES} where k.id = $1 ${lock}`;
      const [row] = await query<ApiKeySqlRow>('api-key-find', text, [id]);
      return row === undefined ? null : toApiKey(row);
    },

    async findMany(ids) {
      const text = `select ${COLUMNS} from ${TABLES} where k.id = any($1) order by k.id ${lock}`;
      return (await query<ApiKeySqlRow>('api-key-find-many', text, [ids])).map(toApiKey);
    },

    async versionsOf(keyIds) {
      const rows = await query<VersionSqlRow>(
        'api-key-versions-of',
        `select v.key_id, v.number, v.last_four, v.created_at, v.valid_until, used.last_used_at
         from api_key_versions v left join api_key_uses used on used.key_id = v.key_id and used.version = v.number
         where v.key_id = any($1) order by v.key_id, v.number desc`,
        [keyIds],
      );
      return rows.map(toVersion);
    },

    async sealedAfter(keyId, limit) {
      const rows = await query<{ key_id: string; number: number; sealed_hash: string }>(
        'api-key-sealed-after',
        `select key_id, number, sealed_hash from api_key_versions
         where key_id in (select id from api_keys where id > $1 order by id limit $2) order by key_id, number`,
        [keyId, limit],
      );
      return rows.map((row) => ({ keyId: row.key_id, number: row.number, sealedHash: row.sealed_hash }));
    },
  };
}

/** Its owner is locked by the fence before a key is changed. */
export function createApiKeyWriter({ query, send }: Statements): ApiKeyWriter {
  const addVersion = (id: string, version: Parameters<ApiKeyWriter['rotate']>[1]) =>
    send(
      'api-key-add-version',
      'insert into api_key_versions (key_id, number, sealed_hash, last_four, created_at) values ($1, $2, $3, $4, $5)',
      [id, version.number, version.sealedHash, version.lastFour, version.createdAt],
    );
  return {
    ...createApiKeyReader(query, 'for update of k'),

    async add(key, version) {
      await send(
        'api-key-add',
        `insert into api_keys (id, owner_id, environment, name, permissions, address_ranges, allowed_origins, read_only,
           created_at, created_by, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
        [
          key.id,
          key.ownerId,
          key.environment,
          key.name,
          key.unrestricted ? null : key.permissions,
          key.addressRanges,
          key.allowedOrigins,
          key.readOnly,
          key.createdAt,
          key.createdBy,
          key.expiresAt,
        ],
      );
      await addVersion(key.id, version);
    },

    async save(id, name, { permissions, addressRanges, allowedOrigins, readOnly, expiresAt }) {
      await send(
        'api-key-save',
        `update api_keys set name = $2, permissions = $3, address_ranges = $4, allowed_origins = $5, read_only = $6,
           expires_at = $7 where id = $1`,
        [id, name, permissions, addressRanges, allowedOrigins, readOnly, expiresAt],
      );
    },

    async rotate(id, version, previousUntil) {
      // What was good for a while yet makes room for the one that is replaced now.
      await send(
        'api-key-end-versions',
        `update api_key_versions set valid_until = case when number = $2::int - 1 then $3::timestamptz
             else least(valid_until, $4::timestamptz) end where key_id = $1`,
        [id, version.number, previousUntil, version.createdAt],
      );
      await send(
        'api-key-forget-versions',
        'delete from api_key_versions where key_id = $1 and number <= $2::int - 10',
        [id, version.number],
      );
      await addVersion(id, version);
    },

    async revoke(id, at, reason) {
      await send(
        'api-key-revoke',
        'update api_keys set revoked_at = $2, revoked_reason = $3 where id = $1 and revoked_at is null',
        [id, at, reason],
      );
    },

    async tellExpired(by, limit) {
      const [row] = await query<{ told: number }>(
        'api-key-tell-expired',
        `with head as (
           select keys_expired_until as since from outbox_head where id = 1 for update
         ), ended as (
           select k.id, k.owner_id, k.expires_at from head
           join api_keys k on k.expires_at > head.since and k.expires_at <= $1 and k.revoked_at is null
           order by k.expires_at fetch first ($2::int) rows with ties
         ), told as (
           insert into outbox (kind, subject_id, user_id, at)
           select 'api_key.expired', id, owner_id, expires_at from ended order by expires_at, id returning id
         ), looked as (
           update outbox_head set keys_expired_until = greatest(keys_expired_until,
             case when (select count(*) from ended) < $2 then $1 else (select max(expires_at) from ended) end)
           where id = 1 and keys_expired_until < $1
         )
         select count(*)::int as told from told`,
        [by, limit],
      );
      return row?.told ?? 0;
    },

    async reseal(id, number, sealedHash) {
      await send('api-key-reseal', 'update api_key_versions set sealed_hash = $3 where key_id = $1 and number = $2', [
        id,
        number,
        sealedHash,
      ]);
    },

    async noteUses(uses) {
      // In one order, so that two instances that note the same keys never wait for each other in a circle.
      await send(
        'api-key-note-uses',
        `insert into api_key_uses (key_id, version, last_used_at)
         select key_id, version, at from unnest($1::text[], $2::smallint[], $3::timestamptz[]) as u (key_id, version, at)
         order by key_id, version
         on conflict (key_id, version) do update set
           last_used_at = greatest(api_key_uses.last_used_at, excluded.last_used_at)`,
        [uses.map(({ keyId }) => keyId), uses.map(({ version }) => version), uses.map(({ lastUsedAt }) => lastUsedAt)],
      );
    },
  };
}

/** A row for every key, and one at least, which says at which position. One statement is one snapshot. */
const SNAPSHOT = `
  select h.epoch, h.seq as as_of, k.*
  from authority_head h left join lateral (
    select k.id, k.owner_id, k.permissions, k.address_ranges, k.allowed_origins, k.read_only, k.expires_at, k.revoked_at,
      home.lineage as home_ids, (
        select json_agg(json_build_object('number', v.number, 'sealedHash', v.sealed_hash, 'validUntil', v.valid_until)
          order by v.number desc)
        from api_key_versions v where v.key_id = k.id) as versions
    from ${TABLES} where k.id = any($1)
  ) k on true where h.id = 1`;

interface SnapshotRow extends ApiKeySqlRow {
  readonly epoch: string;
  readonly as_of: string;
  readonly home_ids: readonly string[] | null;
  readonly versions: ApiKeyInputs['versions'] | null;
}

export async function readApiKeys(query: Query, ids: readonly string[]) {
  const rows = await query<SnapshotRow>('snapshot-api-keys', SNAPSHOT, [ids]);
  const [first] = rows;
  if (first === undefined) throw new Error('authority_head has no row: the database is not migrated');
  const found = rows.filter((row) => row.id !== null).map((row) => [row.id, toInputs(row)] as const);
  return { epoch: first.epoch, asOf: Number(first.as_of), keys: new Map(found) };
}

function toInputs(row: SnapshotRow): ApiKeyInputs & { readonly homeIds: readonly string[] } {
  return {
    ownerId: row.owner_id,
    permissions: row.permissions,
    addressRanges: row.address_ranges,
    allowedOrigins: row.allowed_origins,
    readOnly: row.read_only,
    expiresAt: instantOrNull(row.expires_at),
    revokedAt: instantOrNull(row.revoked_at),
    // JSON made by PostgreSQL has its own form of instants.
    versions: (row.versions ?? []).map((each) => ({ ...each, validUntil: instantOrNull(each.validUntil) })),
    homeIds: row.home_ids ?? [],
  };
}
