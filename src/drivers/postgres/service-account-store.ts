import type { Pages } from '../../domain/pages.ts';
import type {
  ServiceAccount,
  ServiceAccountReader,
  ServiceAccountWriter,
} from '../../domain/service-accounts/service-account.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopeIdSql } from './scope-store.ts';
import { endKeysOf, PRINCIPAL_COLUMNS, type PrincipalSqlRow, principalTables, USER_SQL } from './user-store.ts';
import type { Statements } from './transactions.ts';

const TABLES = principalTables(`kind = 'service'`);

const { id, name, status, roles, scope, scopes, suspended, createdAt } = USER_SQL;

/** Everything the record of a service account has. */
export const SERVICE_ACCOUNT_SQL = {
  id,
  name,
  status,
  roles,
  scope,
  scopes,
  suspended,
  createdAt,
} satisfies SubjectSql;

export function createServiceAccountPages(query: Query): Pages<ServiceAccount> {
  return createPages<PrincipalSqlRow, ServiceAccount>(query, {
    list: 'service-account',
    columns: PRINCIPAL_COLUMNS,
    from: TABLES,
    subject: SERVICE_ACCOUNT_SQL,
    toRecord: toServiceAccount,
  });
}

export function toServiceAccount(row: PrincipalSqlRow): ServiceAccount {
  return {
    __typename: 'ServiceAccount',
    id: row.id,
    name: row.name,
    status: row.status,
    roles: row.roles,
    scope: row.scope,
    scopes: row.scopes ?? [],
    suspended: row.suspended,
    createdAt: instant(row.created_at),
  };
}

export function createServiceAccountReader(query: Query, lock = ''): ServiceAccountReader {
  return {
    async find(id) {
      const text = `select ${PRINCIPAL_COLUMNS} from ${TABLES} where u.id = $1 ${lock}`;
      const [row] = await query<PrincipalSqlRow>('service-account-find', text, [id]);
      return row === undefined ? null : toServiceAccount(row);
    },

    async findMany(ids) {
      const text = `select ${PRINCIPAL_COLUMNS} from ${TABLES} where u.id = any($1) order by u.id ${lock}`;
      return (await query<PrincipalSqlRow>('service-account-find-many', text, [ids])).map(toServiceAccount);
    },
  };
}

/** Its row is locked by the fence before it is changed; reading it here keeps it from changing at least. */
export function createServiceAccountWriter({ query, send }: Statements): ServiceAccountWriter {
  return {
    ...createServiceAccountReader(query, 'for share of u'),

    async add(account) {
      await send(
        'service-account-add',
        `insert into users (id, kind, name, status, scope_id, created_at)
         values ($1, 'service', $2, $3, ${scopeIdSql('$4')}, $5)`,
        [account.id, account.name, account.status, account.scope, account.createdAt],
      );
    },

    async setName(id, name) {
      await send('service-account-set-name', 'update users set name = $2 where id = $1', [id, name]);
    },

    async setStatus(id, status) {
      await send('service-account-set-status', 'update users set status = $2 where id = $1', [id, status]);
    },

    async erase(id, at) {
      await send(
        'service-account-erase-grants',
        'update grants set revoked_at = $2 where principal_id = $1 and revoked_at is null',
        [id, at],
      );
      await endKeysOf(send, id, at);
      await send(
        'service-account-erase',
        `update users set name = '', scope_id = null, status = 'disabled', deleted_at = $2 where id = $1`,
        [id, at],
      );
    },
  };
}
