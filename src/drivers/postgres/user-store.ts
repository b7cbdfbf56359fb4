import type { EntityManager } from '@mikro-orm/postgresql';
import { Refusal } from '../../domain/refusals.ts';
import type { Pages } from '../../domain/pages.ts';
import {
  EMAIL_FOLDED,
  foldEmail,
  scopePaths,
  type User,
  type UserReader,
  type UserWriter,
} from '../../domain/users/user.ts';
import { instant, queryIn, type Query } from './database.ts';
import { createPages } from './pages.ts';
import type { ListSql, SubjectSql } from './policy-sql.ts';
import { PasswordRow, UserRow } from './rows.ts';

export interface UserSqlRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status: User['status'];
  readonly scope: string | null;
  readonly created_at: string | Date;
  readonly roles: readonly string[];
}

export const USER_COLUMNS = `u.id, u.email, u.name, u.status, u.scope, u.created_at, array(
    select distinct r.name from grants g join roles r on r.id = g.role_id
    where g.principal_id = u.id and g.revoked_at is null and (g.expires_at is null or g.expires_at > now()) order by r.name) as roles`;

/** The scope of the user `u` and all above it, as `scopePaths` has them. */
export const SCOPES_SQL: ListSql = {
  kind: 'texts',
  elements: `select array_to_string((string_to_array(u.scope, '/'))[1:n], '/')
    from generate_series(1, length(u.scope) - length(replace(u.scope, '/', '')) + 1) as n`,
  hasAny: (array) =>
    `(u.scope = any(${array}) or exists (select from unnest(${array}) as path where starts_with(u.scope, path || '/')))`,
};

/** Everything a user's record has, and the address as it is compared. */
export const USER_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'u.id' },
  email: { kind: 'text', sql: 'u.email' },
  [EMAIL_FOLDED]: { kind: 'text', sql: 'u.email_folded' },
  name: { kind: 'text', sql: 'u.name' },
  status: { kind: 'text', sql: 'u.status' },
  roles: {
    kind: 'texts',
    elements: `select r.name from grants g join roles r on r.id = g.role_id
      where g.principal_id = u.id and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())`,
  },
  scope: { kind: 'text', sql: 'u.scope' },
  scopes: SCOPES_SQL,
  createdAt: { kind: 'instant', sql: 'u.created_at' },
};

export function createUserPages(query: Query): Pages<User> {
  return createPages<UserSqlRow, User>(query, {
    list: 'user',
    columns: USER_COLUMNS,
    from: 'users u',
    subject: USER_SQL,
    toRecord: toUser,
  });
}

export function toUser({ id, email, name, status, scope, created_at, roles }: UserSqlRow): User {
  return {
    __typename: 'User',
    id,
    email,
    name,
    status,
    roles,
    scope,
    scopes: scopePaths(scope),
    createdAt: instant(created_at),
  };
}

export function createUserReader(query: Query, lock = ''): UserReader {
  return {
    async find(id) {
      const [row] = await query<UserSqlRow>(
        'user-find',
        `select ${USER_COLUMNS} from users u where u.id = $1 ${lock}`,
        [id],
      );
      return row === undefined ? null : toUser(row);
    },

    async findMany(ids) {
      const rows = await query<UserSqlRow>(
        'user-find-many',
        `select ${USER_COLUMNS} from users u where u.id = any($1) order by u.id ${lock}`,
        [ids],
      );
      return rows.map(toUser);
    },

    async findByEmail(email) {
      const [row] = await query<UserSqlRow & { hash: string | null }>(
        'user-find-by-email',
        `select ${USER_COLUMNS}, (select hash from passwords where user_id = u.id) as hash
         from users u where u.email_folded = $1 ${lock}`,
        [foldEmail(email)],
      );
      return row === undefined ? null : { user: toUser(row), passwordHash: row.hash };
    },
  };
}

/** A principal's row is locked by the fence before it is changed; reading it here keeps it from changing at least. */
export function createUserWriter(em: EntityManager): UserWriter {
  return {
    ...createUserReader(queryIn(em), 'for share of u'),

    async add(user, passwordHash) {
      const { id, email, name, status, scope, createdAt } = user;
      const row = { id, email, emailFolded: foldEmail(email), name, status, scope, createdAt: new Date(createdAt) };
      // A violated index would end the transaction, and its commit would then pass for one.
      const { affectedRows } = await em
        .createQueryBuilder(UserRow)
        .insert(row)
        .onConflict('emailFolded')
        .ignore()
        .execute('run');
      if (affectedRows === 0) throw new Refusal('CONFLICT', 'Another user has this address.', { field: 'email' });
      if (passwordHash === null) return;
      await em.insert(PasswordRow, { user: id, hash: passwordHash, changedAt: new Date(createdAt) });
    },

    async save({ id, email, name, status, scope }) {
      await em.nativeUpdate(UserRow, { id }, { email, emailFolded: foldEmail(email), name, status, scope });
    },
  };
}
