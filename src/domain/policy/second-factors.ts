import { type Bundle, roleClosure } from './bundle.ts';
import type { Node } from './document.ts';
import type { Problems } from './problems.ts';

type Roles = Pick<Bundle, 'roles'>;

/** `mfa: required`. There is no other word: what some role requires, none gives back. */
export function parseMfa(node: Node, problems: Problems): boolean {
  if (node.kind === 'scalar' && node.value === 'required') return true;
  problems.add(node.place, 'mfa is "required", or not there');
  return false;
}

/** The roles whose holders sign in with a second factor: those that say so, and those that inherit from one that does. */
export function mfaRoles(bundle: Roles): ReadonlySet<string> {
  const requires = (name: string) =>
    [...roleClosure(bundle, [name]).keys()].some((each) => bundle.roles.get(each)?.mfa === true);
  return new Set([...bundle.roles.keys()].filter(requires));
}

/** A role whose holders must have a second factor now, or need none any more. */
export interface MfaChange {
  readonly role: string;
  readonly required: boolean;
}

/** Where two policies differ in that, in the order of the names. A role that is gone requires nothing any more. */
export function mfaChanges(before: Roles, after: Roles): readonly MfaChange[] {
  const [old, now] = [mfaRoles(before), mfaRoles(after)];
  const differs = (role: string) => old.has(role) !== now.has(role);
  const roles = new Set([...old, ...now]);
  return [...roles]
    .filter(differs)
    .toSorted()
    .map((role) => ({ role, required: now.has(role) }));
}
