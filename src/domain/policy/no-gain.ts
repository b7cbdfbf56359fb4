import type { HeldGrant, Principal } from '../principals/principal.ts';
import { Refusal } from '../refusals.ts';
import type { Transaction } from '../store.ts';
import { covers } from './scope-paths.ts';

/**
 * Refuses, with FORBIDDEN, a change that has just been written if it gives its own actor any right, be it by lifting what
 * denied it. Of a scope that was moved it is asked there and below: nothing changes elsewhere. Called last, inside the
 * transaction, which then leaves nothing behind.
 */
export async function demandNoGain(
  tx: Pick<Transaction, 'grants'>,
  actor: Principal,
  moved: { readonly from: string; readonly to: string } | null = null,
): Promise<void> {
  if (actor.kind !== 'user') return;
  const { engine, facts, grants } = actor.standing;
  const held = await tx.grants.heldBy(actor.id);
  const gains = (before: readonly Held[], after: readonly Held[]) =>
    engine.lacking(engine.ability(facts, before), engine.ability(facts, after));
  const [gained] =
    moved === null ? gains(grants, held) : gains(inside(moved.from, grants), inside(moved.to, held, moved.from));
  if (gained === undefined) return;
  throw new Refusal('FORBIDDEN', `This would let you ${gained.action} ${gained.subject} as you may not now.`, {
    reason: 'widens_own_rights',
    rule: gained.rule,
  });
}

type Held = Pick<HeldGrant, 'role' | 'scope'>;

/** What these grants come to in the scope at `path` and below, as if it were at `as`. */
function inside(path: string, grants: readonly Held[], as = path): readonly Held[] {
  return grants.flatMap(({ role, scope }) => {
    // No scope has this path: what the role allows or denies in any scope is left of it.
    const anywhere = { role, scope: `-${role}` };
    if (covers(scope, path)) return [anywhere, { role, scope: as }];
    const isBelow = scope !== null && covers(path, scope);
    return isBelow ? [anywhere, { role, scope: `${as}${scope.slice(path.length)}` }] : [anywhere];
  });
}
