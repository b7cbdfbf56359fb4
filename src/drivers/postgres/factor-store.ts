import type { FactorReader, FactorWriter, TotpFactor } from '../../domain/authentication/factor.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import type { Statements } from './transactions.ts';

interface FactorSqlRow {
  readonly user_id: string;
  readonly sealed_secret: string;
  readonly created_at: string | Date;
  readonly confirmed_at: string | Date | null;
  readonly last_step: string | null;
  readonly failures: number;
  readonly retry_at: string | Date | null;
}

export function createFactorReader(query: Query, lock = ''): FactorReader {
  return {
    async find(userId) {
      const [row] = await query<FactorSqlRow>(
        'factor-find',
        `select user_id, sealed_secret, created_at, confirmed_at, last_step, failures, retry_at
         from totp_factors where user_id = $1 ${lock}`,
        [userId],
      );
      return row === undefined ? null : toFactor(row);
    },

    async confirmedAmong(userIds) {
      const rows = await query<{ user_id: string }>(
        'factor-confirmed-among',
        'select user_id from totp_factors where user_id = any($1) and confirmed_at is not null',
        [userIds],
      );
      return rows.map(({ user_id }) => user_id);
    },

    async userIdsAfter(userId, limit) {
      const rows = await query<{ user_id: string }>(
        'factor-user-ids-after',
        'select user_id from totp_factors where user_id > $1 order by user_id limit $2',
        [userId, limit],
      );
      return rows.map(({ user_id }) => user_id);
    },
  };
}

function toFactor(row: FactorSqlRow): TotpFactor {
  return {
    userId: row.user_id,
    sealedSecret: row.sealed_secret,
    createdAt: instant(row.created_at),
    confirmedAt: instantOrNull(row.confirmed_at),
    lastStep: row.last_step === null ? null : Number(row.last_step),
    failures: row.failures,
    retryAt: instantOrNull(row.retry_at),
  };
}

export function createFactorWriter({ query, send }: Statements): FactorWriter {
  return {
    ...createFactorReader(query, 'for update'),

    async begin(userId, sealedSecret, at) {
      const begun = await query(
        'factor-begin',
        `insert into totp_factors (user_id, sealed_secret, created_at) values ($1, $2, $3)
         on conflict (user_id) do update set sealed_secret = excluded.sealed_secret, created_at = excluded.created_at,
           last_step = null, failures = 0, retry_at = null
         where totp_factors.confirmed_at is null returning user_id`,
        [userId, sealedSecret, at],
      );
      return begun.length === 1;
    },

    async confirm(userId, at) {
      const text = 'update totp_factors set confirmed_at = $2 where user_id = $1 and confirmed_at is null';
      await send('factor-confirm', text, [userId, at]);
    },

    async useStep(userId, step) {
      const used = await query(
        'factor-use-step',
        `update totp_factors set last_step = $2, failures = 0, retry_at = null
         where user_id = $1 and (last_step is null or last_step < $2) returning user_id`,
        [userId, step],
      );
      return used.length === 1;
    },

    async saveGuesses(userId, { failures, retryAt }) {
      const text = 'update totp_factors set failures = $2, retry_at = $3 where user_id = $1';
      await send('factor-save-guesses', text, [userId, failures, retryAt]);
    },

    async reseal(userId, sealedSecret) {
      const text = 'update totp_factors set sealed_secret = $2 where user_id = $1';
      await send('factor-reseal', text, [userId, sealedSecret]);
    },

    async remove(userId) {
      await send('factor-remove', 'delete from totp_factors where user_id = $1', [userId]);
      await send('recovery-code-remove', 'delete from recovery_codes where user_id = $1', [userId]);
    },

    async recoveryCodes(userId) {
      const text = 'select sealed_hash from recovery_codes where user_id = $1 order by sealed_hash';
      const rows = await query<{ sealed_hash: string }>('recovery-code-of', text, [userId]);
      return rows.map(({ sealed_hash }) => sealed_hash);
    },

    async replaceRecoveryCodes(userId, sealed) {
      await send('recovery-code-remove', 'delete from recovery_codes where user_id = $1', [userId]);
      await send(
        'recovery-code-add',
        'insert into recovery_codes (user_id, sealed_hash) select $1, sealed from unnest($2::text[]) as sealed',
        [userId, sealed],
      );
    },

    async useRecoveryCode(userId, sealed) {
      const text = 'delete from recovery_codes where user_id = $1 and sealed_hash = $2 returning user_id';
      return (await query('recovery-code-use', text, [userId, sealed])).length === 1;
    },
  };
}
