/**
 * What is about all scopes at once: the rules of everybody, what signs for everybody, roles that hold wherever they are granted. A role
 * that is granted in a scope allows none of it, `within: any` or not; what it denies of it is denied all the same.
 */
const EVERYWHERE: ReadonlyMap<string, readonly string[]> = new Map([
  ['Policy', ['apply']],
  ['Role', ['create', 'update', 'delete']],
  ['SigningKey', ['read', 'rotate', 'revoke']],
  ['Analytics', ['read']],
  ['SystemHealth', ['read']],
  ['Revocation', ['read']],
  ['Gateway', ['trust']],
]);

/** Whether only a role that is granted everywhere allows this. */
export function isEverywhere(action: string, subject: string): boolean {
  return EVERYWHERE.get(subject)?.includes(action) === true;
}
