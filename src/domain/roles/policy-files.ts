import { type Clock, toInstant } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Authority, Enforced } from '../authority/authority.ts';
import type { Bundle } from '../policy/bundle.ts';
import type { BundleReader } from '../policy/bundle-store.ts';
import { demandCases } from '../policy/cases.ts';
import type { Engines } from '../policy/engines.ts';
import type { PolicyFile } from '../policy/parse.ts';
import { PolicyError } from '../policy/problems.ts';
import { type Principal, SYSTEM } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { PolicyChanges } from './policy-changes.ts';
import { putPolicy } from './put-policy.ts';

/** Policy files with the decision tables beside them. */
export interface PolicyFolder {
  readonly files: readonly PolicyFile[];
  readonly cases: readonly PolicyFile[];
}

/** Reads the folder as it is now. */
export type PolicySource = () => Promise<PolicyFolder>;

/**
 * The policy files of this instance. They are put in force when it starts, when an administrator asks for it, and in
 * development whenever they change. Files that cannot be used leave the policy that is in force as it is.
 */
export class PolicyFiles {
  readonly #source: PolicySource;
  readonly #bundles: BundleReader;
  readonly #authority: Authority;
  readonly #engines: Engines;
  readonly #changes: PolicyChanges;
  readonly #clock: Clock;
  readonly #logger: Log;
  /** The folder as it was last dealt with: what tells of nothing new must not undo what came from elsewhere. */
  #known = '';
  #usable = true;
  #following: Promise<void> = Promise.resolve();

  constructor(parts: {
    source: PolicySource;
    bundles: BundleReader;
    authority: Authority;
    engines: Engines;
    changes: PolicyChanges;
    clock: Clock;
    logger: Log;
  }) {
    this.#source = parts.source;
    this.#bundles = parts.bundles;
    this.#authority = parts.authority;
    this.#engines = parts.engines;
    this.#changes = parts.changes;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** False while the files, as they were last read, cannot be put in force. */
  get usable(): boolean {
    return this.#usable;
  }

  /**
   * Puts the folder in force at start-up, unless it was in force before: an instance that restarts with older files must
   * not roll everyone else back. The version that is in force afterwards.
   * @throws {PolicyError} when it cannot be used and no policy is in force
   */
  async adopt(folder: PolicyFolder): Promise<string> {
    let bundle: Bundle;
    try {
      bundle = this.#engines.parse(folder.files);
    } catch (error) {
      const current = await this.#bundles.inForce();
      if (current === null || !(error instanceof PolicyError)) throw error;
      this.#dealtWith(JSON.stringify(folder), false);
      this.#tell(error, current);
      return current;
    }
    this.#dealtWith(JSON.stringify(folder), true);
    const { value } = await this.#put(bundle, folder.files, { unlessBefore: true });
    if (value !== bundle.version) {
      this.#logger.warn(
        { files: bundle.version, inForce: value },
        'the policy files were in force before: the policy in force is not rolled back to them',
      );
    }
    return value;
  }

  /** Puts the folder in force as it is now, as {@link PolicyChanges.apply} does. */
  async reload(by: Principal): Promise<Enforced<string>> {
    let text = '';
    const read = async () => {
      const folder = await this.#source();
      text = JSON.stringify(folder);
      return folder;
    };
    try {
      const enforced = await this.#changes.reload(by, read);
      this.#dealtWith(text, true);
      return enforced;
    } catch (error) {
      if (error instanceof Refusal && error.code === 'BAD_USER_INPUT') this.#dealtWith(text, false);
      throw error;
    }
  }

  /** Puts the folder in force if it has changed; one call after the other. What is wrong with it is logged. */
  follow(): Promise<void> {
    this.#following = this.#following.then(() =>
      this.#follow().catch((error: unknown) => {
        this.#logger.error({ err: error }, 'the changed policy files could not be put in force');
      }),
    );
    return this.#following;
  }

  /** Resolves when what {@link follow} was called for is done. */
  settled(): Promise<void> {
    return this.#following;
  }

  async #follow(): Promise<void> {
    const folder = await this.#source();
    const text = JSON.stringify(folder);
    if (text === this.#known) return;
    try {
      const bundle = this.#engines.parse(folder.files);
      demandCases(bundle, folder.cases);
      const { receipt } = await this.#put(bundle, folder.files, { unlessBefore: false });
      this.#dealtWith(text, true);
      const { enforced } = receipt;
      this.#logger.info({ version: bundle.version, enforced }, 'the changed policy files are in force');
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      this.#dealtWith(text, false);
      this.#tell(error, await this.#bundles.inForce());
    }
  }

  #dealtWith(text: string, usable: boolean): void {
    this.#known = text;
    this.#usable = usable;
  }

  #tell({ message, problems }: PolicyError, inForce: string | null): void {
    this.#logger.error(
      { problems, inForce },
      `the policy files cannot be used; the policy in force stays:\n${message}`,
    );
  }

  #put(
    bundle: Bundle,
    files: readonly PolicyFile[],
    { unlessBefore }: { readonly unlessBefore: boolean },
  ): Promise<Enforced<string>> {
    const { version } = bundle;
    return this.#authority.change(SYSTEM, { policy: 'change' }, async (tx) => {
      const current = await tx.bundles.inForce();
      if (current === version) return current;
      if (unlessBefore && current !== null && (await tx.bundles.files(version)) !== null) return current;

      await putPolicy(tx, SYSTEM, current, {
        action: 'policy.apply',
        version,
        bundle,
        files,
        at: toInstant(this.#clock.now()),
      });
      return version;
    });
  }
}
