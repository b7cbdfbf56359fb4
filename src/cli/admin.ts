import { randomBytes } from 'node:crypto';
import { type AuthorityParts, startAuthority } from '../app/authority.ts';
import { Cleanup } from '../app/cleanup.ts';
import { type Foundation, openFoundation } from '../app/foundation.ts';
import { readConfig } from '../config.ts';
import { DecisionCounts } from '../domain/analytics/decision-counts.ts';
import { AdministratorRecovery } from '../domain/authentication/administrator-recovery.ts';
import { DeviceTokens } from '../domain/authentication/device-tokens.ts';
import { SignInGuard } from '../domain/authentication/sign-in-guard.ts';
import { ADMINISTRATOR } from '../domain/policy/administrators.ts';
import { Policy } from '../domain/policy/policy.ts';
import { SYSTEM } from '../domain/principals/principal.ts';
import { Refusal } from '../domain/refusals.ts';
import { Errands } from '../domain/users/errands.ts';
import { NewPasswords } from '../domain/users/new-passwords.ts';
import { Notices } from '../domain/users/notices.ts';
import { DEFAULT_ROLE, Users } from '../domain/users/users.ts';
import { createLog } from '../kit/log.ts';
import type { Environment } from './environment.ts';
import type { Report } from './report.ts';

/** `castellan admin create`: another administrator, everywhere and without end. */
export function createAdministrator(
  { email, name }: { readonly email: string; readonly name: string },
  env: Environment,
): Promise<Report> {
  return insideHouse(env, async (foundation, { authority, standings }) => {
    const { store, rollups, config, clock } = foundation;
    if ((await store.roles.findByName(ADMINISTRATOR)) === null) {
      throw new Refusal('CONFLICT', `There is no role ${ADMINISTRATOR} yet. Start Castellan once.`);
    }
    const policy = new Policy(new DecisionCounts(rollups), clock);
    const newPasswords = new NewPasswords({ breached: null, settings: config });
    const users = new Users({ store, authority, policy, standings, newPasswords, settings: config, clock });
    const password = oneTimePassword();
    const roles = [ADMINISTRATOR, DEFAULT_ROLE];
    const { value: user } = await users.create(SYSTEM, { email, name, password, roles });
    return {
      ok: true,
      lines: [`${user.email} is an administrator.`, shown(password)],
      facts: { userId: user.id, email: user.email, oneTimePassword: password },
    };
  });
}

/** `castellan admin recover`: an administrator who cannot sign in any more can. */
export function recoverAdministrator(email: string, env: Environment): Promise<Report> {
  return insideHouse(env, async (foundation, { authority }) => {
    const { store, keys, config, clock, logger } = foundation;
    const guard = new SignInGuard({
      store,
      keys,
      deviceTokens: new DeviceTokens(keys, clock),
      // Nobody guesses here: it only forgets.
      detectors: { note: () => {} },
      settings: config,
      clock,
    });
    const notices = new Notices({ errands: new Errands({ store, keys, clock, logger }), settings: config });
    const newPasswords = new NewPasswords({ breached: null, settings: config });
    const parts = { store, authority, guard, notices, newPasswords, settings: config, clock };
    const recovery = new AdministratorRecovery(parts);
    const password = oneTimePassword();
    const { value, receipt } = await recovery.recover(email, password);
    const { user, ...done } = value;
    const lines = [`${user.email} can sign in again.`, shown(password)];
    if (done.factorRemoved) lines.push('  The second factor is gone: add another one after signing in.');
    if (done.roleGiven) lines.push('  Nobody was administrator any more: the role was given again.');
    lines.push(
      `  Sessions ended: ${done.sessionsEnded}, ${receipt.enforced ? 'on every instance' : 'not yet confirmed'}.`,
    );
    return {
      ok: receipt.enforced,
      lines,
      facts: { userId: user.id, email: user.email, oneTimePassword: password, ...done, enforced: receipt.enforced },
    };
  });
}

const oneTimePassword = (): string => randomBytes(18).toString('base64url');

const shown = (password: string): string =>
  `  The password, shown this once: ${password}\n  It is good for 24 hours: changePassword makes one that lasts.`;

/**
 * Stands on what an instance stands on, and is one for as long as it takes: so a receipt covers all others. Opens no doors, and
 * puts no policy in force.
 */
async function insideHouse(
  env: Environment,
  work: (foundation: Foundation, parts: AuthorityParts) => Promise<Report>,
): Promise<Report> {
  const logger = createLog('silent');
  const cleanup = new Cleanup(logger);
  try {
    const foundation = await openFoundation(readConfig(env), { poolMax: 3 }, logger, cleanup);
    return await work(foundation, await startAuthority(foundation));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { ok: false, lines: [error.message], facts: { code: error.code, message: error.message } };
  } finally {
    await cleanup.run();
  }
}
