import type { PasswordGuessWriter } from '../../domain/authentication/password-guesses.ts';
import type { AccountToken, AccountTokenWriter } from '../../domain/users/account-tokens.ts';
import type { ErrandWriter, SealedErrand } from '../../domain/users/errands.ts';
import { instant, instantOrNull } from './database.ts';
import type { Statements } from './transactions.ts';

interface TokenSqlRow {
  readonly hash: string;
  readonly user_id: string;
  readonly kind: AccountToken['kind'];
  readonly created_at: string | Date;
  readonly expires_at: string | Date;
  readonly password_hash: string | null;
  readonly name: string | null;
}

export function createAccountTokenWriter({ query, send }: Statements): AccountTokenWriter {
  return {
    async add({ hash, userId, kind, createdAt, expiresAt, passwordHash, name }) {
      await send(
        'account-token-add',
        `insert into account_tokens (hash, user_id, kind, created_at, expires_at, password_hash, name)
         values ($1, $2, $3, $4, $5, $6, $7)`,
        [hash, userId, kind, createdAt, expiresAt, passwordHash, name],
      );
    },

    async use(hash, kind, at) {
      const [row] = await query<TokenSqlRow>(
        'account-token-use',
        `delete from account_tokens where hash = $1 and kind = $2 and expires_at > $3
         returning hash, user_id, kind, created_at, expires_at, password_hash, name`,
        [hash, kind, at],
      );
      return row === undefined ? null : toToken(row);
    },

    async count(userId, kind, at) {
      // A statement of its own: the count must see what was committed while this waited.
      const lock = `select pg_advisory_xact_lock(hashtextextended('account tokens of ' || $1, 0))`;
      await send('account-token-lock', lock, [userId]);
      const text =
        'select count(*)::int as live from account_tokens where user_id = $1 and kind = $2 and expires_at > $3';
      const [row] = await query<{ live: number }>('account-token-count', text, [userId, kind, at]);
      return row?.live ?? 0;
    },

    async removeAllOf(userId) {
      await send('account-token-remove-all', 'delete from account_tokens where user_id = $1', [userId]);
    },
  };
}

function toToken(row: TokenSqlRow): AccountToken {
  return {
    hash: row.hash,
    userId: row.user_id,
    kind: row.kind,
    createdAt: instant(row.created_at),
    expiresAt: instant(row.expires_at),
    passwordHash: row.password_hash,
    name: row.name,
  };
}

interface ErrandSqlRow {
  readonly id: string;
  readonly kind: SealedErrand['kind'];
  readonly user_id: string | null;
  readonly sealed: string;
  readonly attempts: number;
}

export function createErrandWriter({ query, send }: Statements): ErrandWriter {
  return {
    async add({ id, kind, userId, sealed }, at) {
      await send(
        'errand-add',
        'insert into errands (id, kind, user_id, sealed, created_at, due_at) values ($1, $2, $3, $4, $5, $5)',
        [id, kind, userId, sealed, at],
      );
    },

    async addMany(errands, at) {
      await send(
        'errand-add-many',
        `insert into errands (id, kind, user_id, sealed, created_at, due_at)
         select id, kind, user_id, sealed, $5, $5
         from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as errand (id, kind, user_id, sealed)`,
        [
          errands.map(({ id }) => id),
          errands.map(({ kind }) => kind),
          errands.map(({ userId }) => userId),
          errands.map(({ sealed }) => sealed),
          at,
        ],
      );
    },

    async claim(at, limit) {
      // Half a minute at first, and a few hours at most.
      const rows = await query<ErrandSqlRow>(
        'errand-claim',
        `update errands set attempts = attempts + 1,
           due_at = $1::timestamptz + least(30 * 2 ^ attempts, 14400) * interval '1 second'
         where id in (select id from errands where due_at <= $1 order by due_at limit $2 for update skip locked)
         returning id, kind, user_id, sealed, attempts`,
        [at, limit],
      );
      return rows.map(({ id, kind, user_id: userId, sealed, attempts }) => ({ id, kind, userId, sealed, attempts }));
    },

    async finish(id) {
      return (await query('errand-finish', 'delete from errands where id = $1 returning id', [id])).length === 1;
    },
  };
}

interface GuessesSqlRow {
  readonly failures: number;
  readonly retry_at: string | Date | null;
}

export function createPasswordGuessWriter({ query, send }: Statements): PasswordGuessWriter {
  return {
    async lock(key, at) {
      const [row] = await query<GuessesSqlRow>(
        'password-guess-lock',
        `insert into password_guesses (key, at) values ($1, $2)
         on conflict (key) do update set at = excluded.at returning failures, retry_at`,
        [key, at],
      );
      return { failures: row?.failures ?? 0, retryAt: instantOrNull(row?.retry_at ?? null) };
    },

    async save(key, { failures, retryAt }) {
      const text = 'update password_guesses set failures = $2, retry_at = $3 where key = $1';
      await send('password-guess-save', text, [key, failures, retryAt]);
    },

    async clear(key) {
      await send('password-guess-clear', 'delete from password_guesses where key = $1', [key]);
    },
  };
}
