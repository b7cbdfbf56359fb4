import type { ServiceAccount } from '../service-accounts/service-account.ts';
import type { User } from '../users/user.ts';
import type { PrincipalFacts } from './templates.ts';

/** What a policy's templates may say about a user or a service account. */
export function factsOf(record: User | ServiceAccount): PrincipalFacts {
  const own = record.__typename === 'User' ? { email: record.email, kind: 'user' } : { kind: 'service' };
  return { id: record.id, scope: record.scope, ...own };
}
