import type { Log } from '../../kit/log.ts';
import { Refusal } from '../refusals.ts';
import type { Bundle } from './bundle.ts';
import type { BundleReader } from './bundle-store.ts';
import { Engine } from './engine.ts';
import { parseBundle, type PolicyFile } from './parse.ts';
import { ParseCache } from './parse-cache.ts';
import { PolicyError, type PolicyProblem } from './problems.ts';

/** Versions kept compiled: the one in force, and those that a slower snapshot may still name. */
const VERSIONS_MAX = 4;

/** Compiled policies by version. A version never changes its meaning, so an engine is built once. */
export class Engines {
  readonly #bundles: BundleReader;
  readonly #logger: Log;
  readonly #engines = new Map<string, Promise<Engine>>();
  readonly #parsed = new ParseCache();
  readonly #kept = new Map<string, { readonly bundle: Bundle; readonly files: readonly PolicyFile[] }>();

  constructor(bundles: BundleReader, logger: Log) {
    this.#bundles = bundles;
    this.#logger = logger;
  }

  /**
   * The engine of a version that was put in force at some time; a fault for any other. Refuses with AUTHORITY_UNAVAILABLE one that
   * this code does not understand, or not as whoever put it in force did: nothing is decided by it here.
   */
  load(version: string): Promise<Engine> {
    const known = this.#engines.get(version);
    if (known !== undefined) return known;

    const engine = this.#compile(version);
    this.#engines.set(version, engine);
    engine.catch((error: unknown) => {
      // What is not understood will not be: it is looked at once, and told once.
      if (!(error instanceof NotUnderstood)) this.#engines.delete(version);
    });
    for (const old of this.#engines.keys()) {
      if (this.#engines.size <= VERSIONS_MAX) break;
      this.#engines.delete(old);
    }
    return engine;
  }

  /** The bundle of these files; what they share with files that were parsed before is not parsed again. */
  parse(files: readonly PolicyFile[]): Bundle {
    return parseBundle(files, this.#parsed);
  }

  /** The bundle of these files, as it was made elsewhere: where they come to be in force they need not be parsed again. */
  keep(bundle: Bundle, files: readonly PolicyFile[]): void {
    this.#kept.set(bundle.version, { bundle, files });
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= VERSIONS_MAX) break;
      this.#kept.delete(old);
    }
  }

  async #compile(version: string): Promise<Engine> {
    const files = await this.#bundles.files(version);
    if (files === null) throw new Error(`the policy ${version} is not stored`);
    const kept = this.#kept.get(version);
    this.#kept.delete(version);
    // Other files of the same meaning have their rules in other lines.
    if (kept !== undefined && JSON.stringify(kept.files) === JSON.stringify(files)) return new Engine(kept.bundle);
    const bundle = understood(version, () => this.parse(files));
    if (!('problems' in bundle)) return new Engine(bundle);
    const { problems } = bundle;
    this.#logger.error({ version, problems }, 'the policy in force cannot be loaded by this version of Castellan');
    throw new NotUnderstood();
  }
}

/** A policy that another version of Castellan put in force, in words or with a meaning that this one does not know. */
export class NotUnderstood extends Refusal {
  constructor() {
    super('AUTHORITY_UNAVAILABLE', 'The policy in force is one that this instance cannot load. Ask another one.', {
      retryAfterSeconds: 1,
    });
  }
}

/**
 * The bundle, if it means what the one of this version did to whoever put it in force: the same words may mean something else to
 * another version of Castellan. Otherwise the problems of its words, of which there may be none.
 */
export function understood(
  version: string,
  parse: () => Bundle,
): Bundle | { readonly problems: readonly PolicyProblem[] } {
  try {
    const bundle = parse();
    return bundle.version === version ? bundle : { problems: [] };
  } catch (error) {
    if (error instanceof PolicyError) return { problems: error.problems };
    throw error;
  }
}
