import type { EntityManager } from '@mikro-orm/postgresql';
import { Refusal } from '../../domain/refusals.ts';
import type { Pages } from '../../domain/pages.ts';
import {
  EMAIL_FOLDED,
  foldEmail,
  GRANTED_ROLE_IDS,
  type User,
  type UserReader,
  type UserWriter,
} from '../../domain/users/user.ts';
import { instant, queryIn, type Query } from './database.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { PasswordRow } from './rows.ts';
import { scopeIdSql, scopesSql, suspendedSql } from './scope-store.ts';

export interface UserSqlRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: User['status'];
  readonly scope: string | null;
  readonly scopes: readonly string[] | null;
  readonly suspended: boolean;
  readonly created_at: string | Date;
  readonly roles: readonly string[];
}

/** The names of all roles that the user `u` holds, those that custom ones are made of included; one may come twice. */
const ROLE_NAMES = `select held.name from grants g
    join role_closure closure on closure.role_id = g.role_id join roles held on held.id = closure.held_id
    where g.principal_id = u.id and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())`;

/** The tables that {@link USER_COLUMNS} and {@link USER_SQL} read. */
export const USER_TABLES = 'users u left join scopes home on home.id = u.scope_id';

export const USER_COLUMNS = `u.id, u.email, u.name, u.status, home.path as scope, home.paths as scopes,
    ${suspendedSql('home')} as suspended, u.created_at,
    array(select distinct name from (${ROLE_NAMES}) as names order by name) as roles`;

/** Everything a user's record has, the address as it is compared, and the ids of what was granted. */
export const USER_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'u.id' },
  email: { kind: 'text', sql: 'u.email' },
  [EMAIL_FOLDED]: { kind: 'text', sql: 'u.email_folded' },
  name: { kind: 'text', sql: 'u.name' },
  status: { kind: 'text', sql: 'u.status' },
  roles: { kind: 'texts', elements: ROLE_NAMES },
  [GRANTED_ROLE_IDS]: {
    kind: 'texts',
    elements: `select g.role_id from grants g
      where g.principal_id = u.id and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())`,
  },
  scope: { kind: 'text', sql: 'home.path' },
  scopes: scopesSql('home'),
  suspended: { kind: 'boolean', sql: suspendedSql('home') },
  createdAt: { kind: 'instant', sql: 'u.created_at' },
};

export function createUserPages(query: Query): Pages<User> {
  return createPages<UserSqlRow, User>(query, {
    list: 'user',
    columns: USER_COLUMNS,
    from: USER_TABLES,
    subject: USER_SQL,
    toRecord: toUser,
  });
}

export function toUser({ id, email, name, status, scope, scopes, suspended, created_at, roles }: UserSqlRow): User {
  return {
    __typename: 'User',
    id,
    email,
    name,
    status,
    roles,
    scope,
    scopes: scopes ?? [],
    suspended,
    createdAt: instant(created_at),
  };
}

export function createUserReader(query: Query, lock = ''): UserReader {
  return {
    async find(id) {
      const [row] = await query<UserSqlRow>(
        'user-find',
        `select ${USER_COLUMNS} from ${USER_TABLES} where u.id = $1 ${lock}`,
        [id],
      );
      return row === undefined ? null : toUser(row);
    },

    async findMany(ids) {
      const rows = await query<UserSqlRow>(
        'user-find-many',
        `select ${USER_COLUMNS} from ${USER_TABLES} where u.id = any($1) order by u.id ${lock}`,
        [ids],
      );
      return rows.map(toUser);
    },

    async findByEmail(email) {
      const [row] = await query<UserSqlRow & { hash: string | null }>(
        'user-find-by-email',
        `select ${USER_COLUMNS}, (select hash from passwords where user_id = u.id) as hash
         from ${USER_TABLES} where u.email_folded = $1 ${lock}`,
        [foldEmail(email)],
      );
      return row === undefined ? null : { user: toUser(row), passwordHash: row.hash };
    },
  };
}

/** A principal's row is locked by the fence before it is changed; reading it here keeps it from changing at least. */
export function createUserWriter(em: EntityManager): UserWriter {
  const query = queryIn(em);
  return {
    ...createUserReader(query, 'for share of u'),

    async add({ id, email, name, status, scope, createdAt }, passwordHash) {
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'user-add',
        `insert into users (id, email, email_folded, name, status, scope_id, created_at)
         values ($1, $2, $3, $4, $5, ${scopeIdSql('$6')}, $7) on conflict (email_folded) do nothing returning id`,
        [id, email, foldEmail(email), name, status, scope, createdAt],
      );
      if (added.length === 0) throw new Refusal('CONFLICT', 'Another user has this address.', { field: 'email' });
      if (passwordHash === null) return;
      await em.insert(PasswordRow, { user: id, hash: passwordHash, changedAt: new Date(createdAt) });
    },

    async save({ id, email, name, status, scope }) {
      await query(
        'user-save',
        `update users set email = $2, email_folded = $3, name = $4, status = $5, scope_id = ${scopeIdSql('$6')} where id = $1`,
        [id, email, foldEmail(email), name, status, scope],
      );
    },
  };
}
