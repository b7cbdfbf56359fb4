import { newId } from '../../kit/ids.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { POLICY_TARGET } from '../authority/log.ts';
import type { Engines } from '../policy/engines.ts';
import type { PolicyFile } from '../policy/parse.ts';
import { SYSTEM } from '../principals/principal.ts';
import type { Role } from './role.ts';

/**
 * Puts the files in force at start-up, unless they were in force before: an instance that restarts with older files must
 * not roll everyone else back. The version that is in force afterwards.
 */
export async function adoptPolicy(
  { authority, engines }: { authority: Authority; engines: Engines },
  files: readonly PolicyFile[],
): Promise<Enforced<string>> {
  const bundle = engines.parse(files);
  const roles = [...bundle.roles.keys()].map((name): Role => ({
    __typename: 'Role',
    id: newId('role'),
    name,
    description: null,
    managed: true,
  }));

  return authority.change(SYSTEM, {}, async (tx) => {
    const current = await tx.bundles.lockHead();
    if (current === bundle.version) return current;
    if (current !== null && (await tx.bundles.files(bundle.version)) !== null) return current;

    await tx.bundles.put(bundle.version, files, SYSTEM.id);
    await tx.roles.syncManaged(roles);
    await tx.audit.append({ by: SYSTEM.id, sessionId: null, action: 'policy.apply', subjectId: bundle.version });
    await tx.authority.append({ target: POLICY_TARGET, kind: 'changed', userId: null, reason: 'policy_applied' });
    return bundle.version;
  });
}
