import { Refusal } from '../../domain/refusals.ts';
import type { Pages } from '../../domain/pages.ts';
import {
  EMAIL_FOLDED,
  foldEmail,
  GRANTED_ROLE_IDS,
  SEARCH_TEXT,
  searchText,
  type StoredPassword,
  type User,
  type UserReader,
  type UserWriter,
} from '../../domain/users/user.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import { scopeIdSql, scopesSql, suspendedSql } from './scope-store.ts';
import type { Send, Statements } from './transactions.ts';

/** What users and service accounts have in common. */
export interface PrincipalSqlRow {
  readonly id: string;
  readonly kind: 'user' | 'service';
  readonly name: string;
  readonly status: User['status'];
  readonly scope: string | null;
  readonly scopes: readonly string[] | null;
  readonly suspended: boolean;
  readonly created_at: string | Date;
  readonly roles: readonly string[];
}

export interface UserSqlRow extends PrincipalSqlRow {
  readonly email: string;
  readonly email_verified: boolean;
  readonly metadata: string;
}

/** The names of all roles that the user `u` holds, those that custom ones are made of included; one may come twice. */
const ROLE_NAMES = `select held.name from grants g
    join role_closure closure on closure.role_id = g.role_id join roles held on held.id = closure.held_id
    where g.principal_id = u.id and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())`;

/** The tables that columns of principals are read from, without those who were deleted. */
export function principalTables(condition = 'true'): string {
  return `(select * from users where deleted_at is null and ${condition}) u left join scopes home on home.id = u.scope_id`;
}

export const PRINCIPAL_COLUMNS = `u.id, u.kind, u.name, u.status, home.path as scope, home.paths as scopes,
    ${suspendedSql('home')} as suspended, u.created_at,
    array(select distinct name from (${ROLE_NAMES}) as names order by name) as roles`;

/** The tables that {@link USER_COLUMNS} and {@link USER_SQL} read. */
export const USER_TABLES = principalTables(`kind = 'user'`);

export const USER_COLUMNS = `${PRINCIPAL_COLUMNS}, u.email, u.email_verified, u.metadata`;

/** Everything a user's record has, the address as it is compared, and the ids of what was granted. */
export const USER_SQL = {
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
  emailVerified: { kind: 'boolean', sql: 'u.email_verified' },
  metadata: { kind: 'text', sql: 'u.metadata' },
  [SEARCH_TEXT]: { kind: 'text', sql: 'u.search' },
} satisfies SubjectSql;

export function createUserPages(query: Query): Pages<User> {
  return createPages<UserSqlRow, User>(query, {
    list: 'user',
    columns: USER_COLUMNS,
    from: USER_TABLES,
    subject: USER_SQL,
    toRecord: toUser,
  });
}

export function toUser(row: UserSqlRow): User {
  const { id, email, name, status, scope, scopes, suspended, created_at, email_verified, metadata, roles } = row;
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
    emailVerified: email_verified,
    metadata,
  };
}

interface PasswordSqlRow {
  readonly hash: string;
  readonly changed_at: string | Date;
  readonly is_initial: boolean;
}

interface NoPassword {
  readonly hash: null;
}

const PASSWORD_COLUMNS = 'p.hash, p.changed_at, coalesce(p.initial_at = p.changed_at, false) as is_initial';

function toPassword({ hash, changed_at, is_initial }: PasswordSqlRow): StoredPassword {
  return { hash, changedAt: instant(changed_at), isInitial: is_initial };
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
      const [row] = await query<UserSqlRow & (PasswordSqlRow | NoPassword)>(
        'user-find-by-email',
        `select ${USER_COLUMNS}, ${PASSWORD_COLUMNS}
         from ${USER_TABLES} left join passwords p on p.user_id = u.id where u.email_folded = $1 ${lock}`,
        [foldEmail(email)],
      );
      if (row === undefined) return null;
      return { user: toUser(row), password: row.hash === null ? null : toPassword(row) };
    },

    async password(id) {
      const text = `select ${PASSWORD_COLUMNS} from passwords p where p.user_id = $1`;
      const [row] = await query<PasswordSqlRow>('user-password', text, [id]);
      return row === undefined ? null : toPassword(row);
    },
  };
}

/** A principal's row is locked by the fence before it is changed; reading it here keeps it from changing at least. */
export function createUserWriter({ query, send }: Statements): UserWriter {
  const setPassword: UserWriter['setPassword'] = async (id, { hash, isInitial }, at) => {
    await send(
      'user-set-password',
      `insert into passwords (user_id, hash, changed_at, initial_at) values ($1, $2, $3, $4)
       on conflict (user_id) do update
         set hash = excluded.hash, changed_at = excluded.changed_at, initial_at = excluded.initial_at`,
      [id, hash, at, isInitial ? at : null],
    );
  };

  return {
    ...createUserReader(query, 'for share of u'),

    async add(user, password) {
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'user-add',
        `insert into users (id, email, email_folded, name, status, scope_id, created_at, email_verified, metadata, search)
         values ($1, $2, $3, $4, $5, ${scopeIdSql('$6')}, $7, $8, $9, $10)
         on conflict (email_folded) do nothing returning id`,
        [...columnsOf(user), user.createdAt, user.emailVerified, user.metadata, searchText(user)],
      );
      if (added.length === 0) throw addressTaken();
      if (password !== null) await setPassword(user.id, password, user.createdAt);
    },

    async addMany(users) {
      if (users.length === 0) return new Set();
      const added = await query<{ id: string }>(
        'user-add-many',
        `insert into users (id, email, email_folded, name, status, scope_id, created_at, email_verified, metadata, search)
         select given.id, given.email, given.email_folded, given.name, given.status, ${scopeIdSql('given.path')}, given.created_at,
           given.email_verified, given.metadata, given.search
         from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
             $8::boolean[], $9::text[], $10::text[])
           with ordinality as given (id, email, email_folded, name, status, path, created_at, email_verified, metadata, search, nth)
         order by given.nth
         on conflict (email_folded) do nothing returning id`,
        [
          users.map(({ id }) => id),
          users.map(({ email }) => email),
          users.map(({ email }) => foldEmail(email)),
          users.map(({ name }) => name),
          users.map(({ status }) => status),
          users.map(({ scope }) => scope),
          users.map(({ createdAt }) => createdAt),
          users.map(({ emailVerified }) => emailVerified),
          users.map(({ metadata }) => metadata),
          users.map(searchText),
        ],
      );
      return new Set(added.map(({ id }) => id));
    },

    async disableMany(ids) {
      await send('user-disable-many', `update users set status = 'disabled' where id = any($1)`, [ids]);
    },

    async save(user) {
      // Two that take one address at once wait for each other, and the second is tried again and comes to this.
      const taken = await query('user-address-taken', 'select id from users where email_folded = $1 and id <> $2', [
        foldEmail(user.email),
        user.id,
      ]);
      if (taken.length > 0) throw addressTaken();
      await send(
        'user-save',
        `update users set email = $2, email_folded = $3, name = $4, status = $5, scope_id = ${scopeIdSql('$6')},
           email_verified = $7, metadata = $8, search = $9 where id = $1`,
        [...columnsOf(user), user.emailVerified, user.metadata, searchText(user)],
      );
    },

    setPassword,

    async replaceHash(id, from, to) {
      await send('user-replace-hash', 'update passwords set hash = $3 where user_id = $1 and hash = $2', [
        id,
        from,
        to,
      ]);
    },

    async erase(id, at) {
      for (const table of ['passwords', 'totp_factors', 'recovery_codes', 'challenges', 'account_tokens', 'errands']) {
        await send(`user-erase-${table}`, `delete from ${table} where user_id = $1`, [id]);
      }
      for (const table of ['sign_ins', 'user_activity', 'last_sign_ins']) {
        await send(`user-erase-${table}`, `delete from ${table} where user_id = $1`, [id]);
      }
      const gone = 'update grants set revoked_at = $2 where principal_id = $1 and revoked_at is null';
      await send('user-erase-grants', gone, [id, at]);
      await endKeysOf(send, id, at);
      await send(
        'user-erase-sessions',
        `update sessions set user_agent = null, address = null, address_key = null, browser = null, os = null, label = null,
           client = null where user_id = $1`,
        [id],
      );
      // That it happened stays; where from, and with what, does not.
      await send(
        'user-erase-security-events',
        `update security_events set facts = '{}', once = id where user_id = $1`,
        [id],
      );
      await send('user-erase-sightings', 'delete from user_sightings where user_id = $1', [id]);
      await send(
        'user-erase',
        `update users set email = null, email_folded = null, name = '', search = '', metadata = '{}', scope_id = null,
           status = 'disabled', deleted_at = $2 where id = $1`,
        [id, at],
      );
    },
  };
}

/** The keys of whoever is erased end, and what they were called is erased with them. */
export async function endKeysOf(send: Send, ownerId: string, at: string): Promise<void> {
  await send(
    'erase-keys',
    `update api_keys set name = '', revoked_reason = case when revoked_at is null then 'owner_deleted' else revoked_reason end,
       revoked_at = coalesce(revoked_at, $2) where owner_id = $1`,
    [ownerId, at],
  );
}

function columnsOf({ id, email, name, status, scope }: User): readonly unknown[] {
  return [id, email, foldEmail(email), name, status, scope];
}

function addressTaken(): Refusal {
  return new Refusal('CONFLICT', 'Another user has this address.', { field: 'email' });
}
