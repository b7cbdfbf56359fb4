/** Variables by name, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where the policy files are: as the caller said, or as the server would look for them. */
export function policiesDir(env: Environment, given: string | undefined): string {
  return given ?? (env['POLICIES_DIR'] || 'policies');
}
