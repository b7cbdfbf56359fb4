import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import { ADMINISTRATOR } from '../policy/administrators.ts';
import type { BundleReader } from '../policy/bundle-store.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { Proposal } from '../policy/checked.ts';
import { Engine } from '../policy/engine.ts';
import type { Engines } from '../policy/engines.ts';
import type { PolicyFile } from '../policy/parse.ts';
import type { Policy } from '../policy/policy.ts';
import { checks, proposed } from '../policy/proposed.ts';
import type { Principal } from '../principals/principal.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { refusedForEverybody } from './everybody.ts';
import { type PolicyChange, putPolicy } from './put-policy.ts';

export interface NewPolicy {
  readonly files: readonly PolicyFile[];
  /** Decision tables that it must answer as they say. */
  readonly cases?: readonly PolicyFile[];
}

type Checked = Omit<PolicyChange, 'at'>;

/** Changes of the policy in force, by somebody who may make them. The version that is in force then, with its receipt. */
export class PolicyChanges {
  readonly #bundles: BundleReader;
  readonly #authority: Authority;
  readonly #engines: Engines;
  readonly #policy: Policy;
  readonly #production: boolean;
  readonly #clock: Clock;

  constructor(parts: {
    bundles: BundleReader;
    authority: Authority;
    engines: Engines;
    policy: Policy;
    settings: { readonly production: boolean };
    clock: Clock;
  }) {
    this.#bundles = parts.bundles;
    this.#authority = parts.authority;
    this.#engines = parts.engines;
    this.#policy = parts.policy;
    this.#production = parts.settings.production;
    this.#clock = parts.clock;
  }

  /**
   * Puts these files in force in place of `expectedVersion`. Refuses with BAD_USER_INPUT and every problem of files that
   * cannot be used, cases that they answer otherwise, a policy that nobody could replace and, in production, one that gives
   * everything to everybody; with CONFLICT when another version is in force. Then nothing has changed.
   */
  async apply(by: Principal, policy: NewPolicy, expectedVersion: string): Promise<Enforced<string>> {
    return this.#apply(by, 'policy.apply', policy, expectedVersion);
  }

  /** The same with the files of this instance, which `read` gives, whatever is in force. */
  async reload(by: Principal, read: () => Promise<NewPolicy>): Promise<Enforced<string>> {
    // Who may not do it has no files read.
    await this.#demandInForce(by);
    return this.#apply(by, 'policy.reload', await read(), null);
  }

  /** Puts a version in force again that was before. Refuses with NOT_FOUND when it never was, and as {@link apply} does. */
  async rollback(by: Principal, version: string, expectedVersion: string): Promise<Enforced<string>> {
    await this.#demandInForce(by);
    const files = await this.#bundles.files(version);
    if (files === null) throw notFound('policy version', version);
    const bundle = await this.#checked('version', { files, cases: [] });
    // Under its old name nobody of this version could load it, and its rules may have come to mean something else.
    if (bundle.version !== version) {
      throw badInput(
        'version',
        'Another version of Castellan put this in force, and understood it otherwise: apply its files.',
      );
    }
    return this.#change(by, { action: 'policy.rollback', version, bundle, files }, expectedVersion);
  }

  async #apply(
    by: Principal,
    action: PolicyChange['action'],
    { files, cases = [] }: NewPolicy,
    expectedVersion: string | null,
  ): Promise<Enforced<string>> {
    await this.#demandInForce(by);
    const bundle = await this.#checked('files', { files, cases });
    return this.#change(by, { action, version: bundle.version, bundle, files }, expectedVersion);
  }

  async #checked(field: 'files' | 'version', proposal: Proposal): Promise<Bundle> {
    const bundle = await proposed(field, proposal, checks.ofChanges);
    this.#engines.keep(bundle, proposal.files);
    return bundle;
  }

  async #change(by: Principal, change: Checked, expectedVersion: string | null): Promise<Enforced<string>> {
    refuseLockOut(change);
    if (this.#production) refuseForEverybody(change);
    return this.#authority.change(by, { policy: 'change' }, async (tx, actor) => {
      const current = await tx.bundles.inForce();
      this.#demand(actor, current);
      if (expectedVersion !== null && expectedVersion !== current) throw conflict(current);
      if (current === change.version) return current; // still waits: an earlier call may not be in force yet

      await putPolicy(tx, actor, current, { ...change, at: toInstant(this.#clock.now()) });
      return change.version;
    });
  }

  async #demandInForce(by: Principal): Promise<void> {
    this.#demand(by, await this.#bundles.inForce());
  }

  #demand(by: Principal, version: string | null): void {
    this.#policy.demandOpenly(by, 'apply', { __typename: 'Policy', id: version ?? '' });
  }
}

/** A policy under which no administrator could apply another would be the last one. */
function refuseLockOut({ action, bundle }: Checked): void {
  const engine = new Engine(bundle);
  const administrator = engine.ability({ id: '', kind: 'user' }, [{ role: ADMINISTRATOR, scope: null }]);
  const { allowed } = engine.decide(administrator, 'apply', { __typename: 'Policy', id: bundle.version });
  if (allowed) return;
  const message = `Nobody could replace this policy: its role ${ADMINISTRATOR} must be allowed to apply Policy.`;
  throw new Refusal('BAD_USER_INPUT', message, { field: fieldOf(action), reason: 'locks_everybody_out' });
}

/** An instance that started with it would not start again. */
function refuseForEverybody({ action, bundle }: Checked): void {
  const problems = refusedForEverybody(bundle);
  if (problems.length === 0) return;
  const message = `This policy ${problems.join('; it ')}. Name what it allows, or call the role otherwise and grant it.`;
  throw new Refusal('BAD_USER_INPUT', message, { field: fieldOf(action), reason: 'everything_to_everybody' });
}

/** The argument that the policy came by. */
function fieldOf(action: PolicyChange['action']): string {
  return action === 'policy.rollback' ? 'version' : 'files';
}

function conflict(current: string | null): Refusal {
  const message = 'Another policy is in force than the one that was expected. Look at it, and try again.';
  return new Refusal('CONFLICT', message, { field: 'expectedVersion', ...(current !== null && { version: current }) });
}
