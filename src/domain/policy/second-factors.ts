import { type Bundle, roleClosure } from './bundle.ts';
import type { Node } from './document.ts';
import type { Problems } from './problems.ts';
import type { Rule } from './rules.ts';

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

/** What gives others rights, or takes their place: whoever may do one of these to everybody's is an administrator of some kind. */
const POWERS: Readonly<Record<string, readonly string[]>> = {
  User: ['create', 'update', 'delete', 'grant'],
  Role: ['create', 'update', 'grant', 'revoke'],
  ApiKey: ['create', 'update', 'rotate'],
  Policy: ['apply'],
  SigningKey: ['rotate', 'revoke'],
};

/** The roles that have such a power without a condition and ask their holders for no second factor, in the order of the names. */
export function powerfulWithoutMfa(bundle: Roles): readonly string[] {
  const safe = mfaRoles(bundle);
  const isPowerful = (name: string) =>
    [...roleClosure(bundle, [name]).keys()].some((each) => bundle.roles.get(each)?.rules.some(givesPower) === true);
  return [...bundle.roles.keys()].filter((name) => !safe.has(name) && isPowerful(name)).toSorted();
}

function givesPower({ effect, fields, where, targets }: Rule): boolean {
  if (effect === 'deny' || fields !== null || where.length > 0) return false;
  return targets.some(({ subject, actions }) => actions.some((action) => POWERS[subject]?.includes(action) === true));
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
