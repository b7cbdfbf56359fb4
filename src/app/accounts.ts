import type { AuthorityParts } from '../app/authority.ts';
import type { Foundation } from '../app/foundation.ts';
import type { SignInGuard } from '../domain/authentication/sign-in-guard.ts';
import { PasswordChanges } from '../domain/authentication/password-changes.ts';
import type { Policy } from '../domain/policy/policy.ts';
import { UserImports } from '../domain/roles/user-imports.ts';
import type { Sessions } from '../domain/sessions/sessions.ts';
import { AccountTokens } from '../domain/users/account-tokens.ts';
import { BreachedPasswords } from '../domain/users/breached-passwords.ts';
import type { Carriers, Errands } from '../domain/users/errands.ts';
import { NewPasswords } from '../domain/users/new-passwords.ts';
import type { Notices } from '../domain/users/notices.ts';
import { SignUps } from '../domain/users/sign-ups.ts';
import { UserChanges } from '../domain/users/user-changes.ts';
import { Users } from '../domain/users/users.ts';
import { openPasswordRanges } from '../drivers/http/password-ranges.ts';

interface AccountParts {
  readonly policy: Policy;
  readonly errands: Errands;
  readonly notices: Notices;
  readonly sessions: Sessions;
  readonly guard: SignInGuard;
}

/** Users, how one becomes one and changes, and the mails that belong to it. */
export function startAccounts(
  { config, store, keys, openMailer, clock, logger, metrics, cleanup }: Foundation,
  { authority, standings }: AuthorityParts,
  { policy, errands, notices, sessions, guard }: AccountParts,
) {
  const { breachedPasswordsUrl } = config;
  const ranges = breachedPasswordsUrl === null ? null : openPasswordRanges({ url: breachedPasswordsUrl });
  const breached = new BreachedPasswords({ ranges, clock, logger });
  metrics.counter(
    'breached_passwords_unanswered_total',
    'New passwords of which nobody said whether they are in breaches.',
    () => breached.unanswered,
  );
  const newPasswords = new NewPasswords({ breached, settings: config });
  const users = new Users({ store, authority, policy, standings, newPasswords, settings: config, clock });
  const tokens = new AccountTokens(keys);
  const accounts = { store, authority, errands, notices, tokens, newPasswords, settings: config, clock };
  const signUps = new SignUps({ ...accounts, users });
  const passwordChanges = new PasswordChanges({ ...accounts, sessions, guard });

  const mailer = openMailer();
  cleanup.add('the mailer', () => mailer.close());
  const carriers: Carriers = {
    mail: (mail) => mailer.send(mail),
    signUp: (signUp, id) => signUps.carryOut(signUp, id),
    passwordReset: (reset, id) => passwordChanges.carryOut(reset, id),
  };
  cleanup.start('the errands', {
    start: () => errands.start(carriers),
    stop: () => errands.stop(),
    get failingSeconds() {
      return errands.failingSeconds;
    },
  });
  return {
    users,
    userChanges: new UserChanges({ authority, policy, notices, clock }),
    userImports: new UserImports({ authority, policy, errands, notices, clock }),
    signUps,
    passwordChanges,
  };
}
