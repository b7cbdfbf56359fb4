import type { AuthorityParts } from '../app/authority.ts';
import type { Foundation } from '../app/foundation.ts';
import { ConfigError } from '../config.ts';
import { DecisionCounts } from '../domain/analytics/decision-counts.ts';
import type { Bundle } from '../domain/policy/bundle.ts';
import type { Engine } from '../domain/policy/engine.ts';
import { type Engines, NotUnderstood } from '../domain/policy/engines.ts';
import { Policies } from '../domain/policy/policies.ts';
import { Policy } from '../domain/policy/policy.ts';
import { previews } from '../domain/policy/preview.ts';
import { checks } from '../domain/policy/proposed.ts';
import { powerfulWithoutMfa } from '../domain/policy/second-factors.ts';
import { refusedForEverybody } from '../domain/roles/everybody.ts';
import { PolicyChanges } from '../domain/roles/policy-changes.ts';
import { PolicyFiles } from '../domain/roles/policy-files.ts';
import type { Log } from '../kit/log.ts';

/** The policy, with what its files say in force, and how it is read and changed. */
export async function startPolicies(
  { config, store, rollups, clock, logger, cleanup, folder, readPolicies }: Foundation,
  { authority, engines, standings }: AuthorityParts,
) {
  const policy = new Policy(new DecisionCounts(rollups), clock);
  const { bundles, population } = store;
  const policies = new Policies({ bundles, population, engines, standings, policy });
  cleanup.add('the thread of previews', () => previews.rest());
  cleanup.add('the threads that read policies', async () => {
    await Promise.all([checks.ofChanges.rest(), checks.ofPreviews.rest()]);
  });
  const changing = { bundles, authority, engines, clock };
  const policyChanges = new PolicyChanges({ ...changing, policy, settings: config });
  const policyFiles = new PolicyFiles({ ...changing, source: readPolicies, changes: policyChanges, logger });
  const { bundle } = await loadInForce(engines, await policyFiles.adopt(folder));
  if (config.production) {
    demandNotForEverybody(bundle);
    warnOfRoles(powerfulWithoutMfa(bundle), logger);
  }
  return { policy, policies, policyChanges, policyFiles };
}

async function loadInForce(engines: Engines, version: string): Promise<Engine> {
  const engine = await engines.load(version).catch((error: unknown) => {
    if (error instanceof NotUnderstood) return null;
    throw error;
  });
  if (engine !== null) return engine;
  throw new Error(
    `The policy in force, ${version.slice(0, 12)}, cannot be loaded by this version of Castellan. ` +
      'Start the version that put it in force, and take it back there: castellan policy rollback.',
  );
}

/** Files that were in force before do not replace the policy in force, which may come from a trial. */
function demandNotForEverybody(bundle: Bundle): void {
  const messages = refusedForEverybody(bundle).map(
    (message) => `does not replace the policy in force, since it was in force before, and that ${message}`,
  );
  if (messages.length > 0) throw new ConfigError(messages.map((message) => ({ variable: 'POLICIES_DIR', message })));
}

/** Not refused: whom a second factor is asked of is for those to say who run it. */
function warnOfRoles(roles: readonly string[], logger: Log): void {
  if (roles.length === 0) return;
  logger.warn({ roles }, 'these roles give others their rights, and the policy asks for no second factor of them');
}
