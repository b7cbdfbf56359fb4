import type { Challenge, ChallengeWriter } from '../../domain/authentication/challenges.ts';
import { instant, instantOrNull } from './database.ts';
import type { Statements } from './transactions.ts';

interface ChallengeSqlRow {
  readonly id: string;
  readonly user_id: string;
  readonly created_at: string | Date;
  readonly expires_at: string | Date;
  readonly used_at: string | Date | null;
}

export function createChallengeWriter({ query, send }: Statements): ChallengeWriter {
  return {
    async add({ id, userId, createdAt, expiresAt }) {
      await send('challenge-sweep', 'delete from challenges where user_id = $1 and expires_at <= $2', [
        userId,
        createdAt,
      ]);
      await send(
        'challenge-add',
        'insert into challenges (id, user_id, created_at, expires_at) values ($1, $2, $3, $4)',
        [id, userId, createdAt, expiresAt],
      );
    },

    async find(id) {
      const [row] = await query<ChallengeSqlRow>(
        'challenge-find',
        'select id, user_id, created_at, expires_at, used_at from challenges where id = $1 for update',
        [id],
      );
      return row === undefined ? null : toChallenge(row);
    },

    async use(id, at) {
      const text = 'update challenges set used_at = $2 where id = $1 and used_at is null returning id';
      return (await query('challenge-use', text, [id, at])).length === 1;
    },

    async removeAllOf(userId) {
      await send('challenge-remove-all', 'delete from challenges where user_id = $1', [userId]);
    },

    async removeAllOfMany(userIds) {
      await send('challenge-remove-all-of-many', 'delete from challenges where user_id = any($1)', [userIds]);
    },
  };
}

function toChallenge(row: ChallengeSqlRow): Challenge {
  return {
    id: row.id,
    userId: row.user_id,
    createdAt: instant(row.created_at),
    expiresAt: instant(row.expires_at),
    usedAt: instantOrNull(row.used_at),
  };
}
