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

/** Access tokens for these users, each of a session of its own that is nowhere but in the token. */
export function issueTokens(
  env: Readonly<Record<string, string>>,
  userIds: readonly string[],
): Promise<readonly string[]> {
  return issueTokensOf(
    env,
    userIds.map((userId) => ({ userId, sessionId: newId('session') })),
  );
}

/** Access tokens of these sessions, as the Castellans of this environment sign them: a thousand sign-ins would take a minute. */
export async function issueTokensOf(
  env: Readonly<Record<string, string>>,
  subjects: readonly Subject[],
): Promise<readonly string[]> {
  const config = readConfig({ NODE_ENV: 'production', ...env });
  const { databaseUrl: url, keyEncryptionKeys } = config;
  if (url === null || keyEncryptionKeys === null) throw new TypeError('an environment of production is needed');
  const database = await openDatabase({ url, poolMax: 2, logger: createLog('warn') });
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
      issued.push((await tokens.issue({ ...subject, position, sessionExpiresAtMs })).accessToken);
    }
    return issued;
  } finally {
    await database.close();
  }
}
