import type { Bundle } from '../domain/policy/bundle.ts';
import { understood } from '../domain/policy/engines.ts';
import { parseBundle, type PolicyFile } from '../domain/policy/parse.ts';
import { short } from './policy-text.ts';

/** A bundle that is in force somewhere. What may be wrong with its files is nothing that whoever proposes others can mend. */
export function bundleOfOthers(version: string, files: readonly PolicyFile[]): Bundle {
  const bundle = understood(version, () => parseBundle(files));
  if (!('problems' in bundle)) return bundle;
  throw new Error(
    `This version of Castellan cannot load the policy in force, ${short(version)}: use the version that put it in force.`,
  );
}
