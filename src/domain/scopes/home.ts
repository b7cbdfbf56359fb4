import { isId } from '../../kit/ids.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { badInput, type Refusal } from '../refusals.ts';
import { parseScope, type Scope, type ScopeReader, scopePaths } from './scope.ts';

/** Where somebody is at home: the path of the scope, and all paths from the root down to it. */
export type Home = Pick<Scope, 'scopes'> & { readonly scope: string | null };

export const HOMELESS: Home = { scope: null, scopes: [] };

export function homeOf(scope: Scope | null): Home {
  return scope === null ? HOMELESS : { scope: scope.scope, scopes: scope.scopes };
}

/**
 * The scope that a path or an id names, for somebody new to be at home in; null for none. Refuses with BAD_USER_INPUT one that
 * is not there, or that `by` may not read.
 *
 * @param demand refuses whoever may not put somebody there; asked before a path is looked for
 */
export async function findHome(
  by: Principal,
  ref: string | null,
  parts: { readonly policy: Policy; readonly scopes: ScopeReader; readonly demand: (home: Home) => void },
): Promise<Scope | null> {
  if (ref === null) return null;
  if (isId('scope', ref)) {
    const scope = parts.policy.readable(by, await parts.scopes.find(ref));
    if (scope === null) throw noSuchScope();
    return scope;
  }
  parts.demand({ scope: parseScope(ref), scopes: scopePaths(ref) });
  const scope = await parts.scopes.findByPath(ref);
  if (scope === null) throw noSuchScope();
  return scope;
}

export function noSuchScope(): Refusal {
  return badInput('scope', 'There is no such scope. Create it first.');
}
