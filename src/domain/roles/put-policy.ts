import type { Instant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import { POLICY_TARGET } from '../authority/log.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { PolicyFile } from '../policy/parse.ts';
import { type Principal, sessionIdOf } from '../principals/principal.ts';
import { raise } from '../security/raise.ts';
import type { Transaction } from '../store.ts';
import type { Role } from './role.ts';

export interface PolicyChange {
  /** What the audit calls it. */
  readonly action: 'policy.apply' | 'policy.reload' | 'policy.rollback';
  readonly version: string;
  readonly bundle: Bundle;
  readonly files: readonly PolicyFile[];
  readonly at: Instant;
}

/**
 * Puts a checked bundle in force in place of `before`, inside a transaction that holds the policy to change it. Roles that
 * it no longer has keep their rows: grants of them stay, and add nothing. Refuses with CONFLICT where a custom role has the name
 * of one of its roles: whoever holds it would come to hold something else.
 */
export async function putPolicy(
  tx: Transaction,
  by: Principal,
  before: string | null,
  { action, version, bundle, files, at }: PolicyChange,
): Promise<void> {
  const roles = [...bundle.roles.keys()].map((name): Role => ({
    __typename: 'Role',
    id: newId('role'),
    name,
    description: null,
    managed: true,
  }));
  await tx.bundles.put(version, files, by.id);
  await tx.roles.syncManaged(roles);
  await tx.audit.append({
    by: by.id,
    sessionId: sessionIdOf(by),
    action,
    subjectId: version,
    ...(before !== null && { before: { version: before } }),
    after: { version },
  });
  if (before !== null) {
    const id = newId('securityEvent');
    const who = { userId: by.kind === 'user' ? by.id : null, sessionId: sessionIdOf(by) };
    const what = { id, at, kind: 'policy.changed', severity: 'info', subjectId: version } as const;
    await raise(tx, { ...what, ...who }, `policy.changed ${id}`);
  }
  await tx.authority.append({ target: POLICY_TARGET, kind: 'changed', userId: null, reason: 'policy_applied' });
}
