import { KeyRing } from '../../src/domain/tokens/key-ring.ts';
import { AccessTokens } from '../../src/domain/tokens/access-tokens.ts';
import { createAuthorityLog } from '../../src/drivers/postgres/authority-log.ts';
import { openDatabase } from '../../src/drivers/postgres/database.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { newId } from '../../src/kit/ids.ts';
import { createLog } from '../../src/kit/log.ts';
import { Keys } from '../../src/kit/secret.ts';
import { readConfig } from '../../src/config.ts';

export interface Subject {
  readonly userId: string;
  readonly sessionId: string;
}

/** Access tokens for these users, each of a session of its own, put straight into the database. */
export async function issueTokens(
  env: Readonly<Record<string, string>>,
  userIds: readonly string[],
): Promise<readonly string[]> {
  const subjects = userIds.map((userId) => ({ userId, sessionId: newId('session') }));
  const { databaseUrl: url } = readConfig({ NODE_ENV: 'production', ...env });
  if (url === null) throw new TypeError('an environment of production is needed');
  const database = await openDatabase({ url, poolMax: 1, preparedStatements: true, logger: createLog('warn') });
  try {
    await database.query(
      'add-sessions',
      `insert into sessions (id, user_id, created_at, expires_at, device_kind, aal, authenticated_at, refresh_hash)
       select id, user_id, now(), now() + interval '1 day', 'other', 1, now(), encode(sha256(id::bytea), 'base64')
       from unnest($1::text[], $2::text[]) as s (id, user_id)`,
      [subjects.map(({ sessionId }) => sessionId), userIds],
    );
  } finally {
    await database.close();
  }
  return issueTokensOf(env, subjects);
}

/** Access tokens of these sessions, as the Castellans of this environment sign them: a thousand sign-ins would take a minute. */
export async function issueTokensOf(
  env: Readonly<Record<string, string>>,
  subjects: readonly Subject[],
): Promise<readonly string[]> {
  const config = readConfig({ NODE_ENV: 'production', ...env });
  const { databaseUrl: url, keyEncryptionKeys } = config;
  if (url === null || keyEncryptionKeys === null) throw new TypeError('an environment of production is needed');
  const database = await openDatabase({ url, poolMax: 2, preparedStatements: true, logger: createLog('warn') });
  try {
    const keyRing = new KeyRing({
      store: createStore(database),
      keys: new Keys(keyEncryptionKeys),
      clock: systemClock,
      logger: createLog('warn'),
      accessTokenSeconds: config.accessTokenSeconds,
    });
    await keyRing.open();
    const tokens = new AccessTokens({ keyRing, settings: config, clock: systemClock });
    const { epoch, head } = await createAuthorityLog(database.query).standing();
    const position = { epoch, seq: head };
    const sessionExpiresAtMs = Date.now() + config.sessionProfiles[1].lifeSeconds * 1_000;
    const issued: string[] = [];
    for (const subject of subjects) {
      const { accessToken } = await tokens.issue({
        ...subject,
        position,
        authenticatedAtMs: Date.now(),
        sessionExpiresAtMs,
      });
      issued.push(accessToken);
    }
    return issued;
  } finally {
    await database.close();
  }
}
