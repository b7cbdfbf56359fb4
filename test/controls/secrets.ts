import type { Control } from './control.ts';

/** Controls of what the parts may do with each other, and of what they introduce themselves with. */
export const SECRETS: readonly Control[] = [
  {
    name: 'audit-append-only',
    file: 'src/drivers/postgres/rights.ts',
    find: "audit_entries: 'select, insert, update (seq)'",
    replace: "audit_entries: 'select, insert, update, delete'",
    test: 'test/drivers/rights.test.ts',
    title: 'change an audit entry',
  },
  {
    name: 'audit-months-kept',
    file: 'migrations/0023-rights.ts',
    find: "if session_user <> current_user and ends > now() - interval '29 days' then",
    replace: 'if false then',
    test: 'test/drivers/rights.test.ts',
    title: 'take this month for one that is kept no longer',
  },
  {
    name: 'definer-search-path',
    file: 'migrations/0023-rights.ts',
    find: 'set search_path = %I, pg_temp',
    replace: 'set search_path = pg_temp, %I',
    test: 'test/drivers/rights.test.ts',
    title: 'what is done in another’s name is done to the tables of that one, whatever temporary ones there are',
  },
  {
    name: 'rights-taken-away',
    file: 'src/drivers/postgres/rights.ts',
    find: 'from t where ${narrowing}',
    replace: 'from t where false',
    test: 'test/drivers/rights.test.ts',
    title: 'a role gets it by castellan migrate, loses what else it had, and is kept up to date',
  },
  {
    name: 'secret-given-once',
    file: 'src/kit/secret-files.ts',
    find: 'given[name] === undefined ? contentOf(path) :',
    replace: 'given[name] !== null ? contentOf(path) :',
    test: 'test/cli/secret-files.test.ts',
    title: '%s is given in both ways',
  },
  {
    name: 'secret-file-for-few',
    file: 'src/cli/secret-warnings.ts',
    find: 'const READ_BY_OTHERS = 0o004;',
    replace: 'const READ_BY_OTHERS = 0;',
    test: 'test/cli/secret-files.test.ts',
    title: 'in production castellan doctor warns of secrets in the environment, and of files that everybody may read',
  },
  {
    name: 'login-of-postgresql-renewed',
    file: 'src/drivers/postgres/renewed-client.ts',
    find: 'const found = await url.renewed();',
    replace: 'const found = await Promise.resolve(url.reveal());',
    test: 'test/drivers/changing-logins.test.ts',
    title: 'another user: both go on as that one',
  },
  {
    name: 'login-of-redis-renewed',
    file: 'src/drivers/redis/redis-login.ts',
    find: "redis.on('close', () => void this.#url.renewed());",
    replace: '',
    test: 'test/drivers/changing-logins.test.ts',
    title: 'of which another user and password are good: it goes on as that one',
  },
  {
    name: 'sealing-unknown',
    file: 'src/kit/secret.ts',
    find: 'if (sealing === undefined) throw new Error(',
    replace:
      'if (sealing === undefined) return { sealing: FIRST, value: sealed }; if (sealing === undefined) throw new Error(',
    test: 'test/domain/keys.test.ts',
    title: 'with an algorithm that is not known is refused by its name',
  },
];
