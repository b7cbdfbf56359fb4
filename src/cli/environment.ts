import type { Environment } from '../config.ts';

export type { Environment } from '../config.ts';

/** Where the policy files are: as the caller said, or as the server would look for them. */
export function policiesDir(env: Environment, given: string | undefined): string {
  return given ?? (env['POLICIES_DIR'] || 'policies');
}
