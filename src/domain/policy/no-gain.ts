import type { HeldGrant, LackingRule, Principal } from '../principals/principal.ts';
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
  if (gained !== undefined) throw widensOwnRights(gained);
}

function widensOwnRights({ action, subject, rule }: LackingRule): Refusal {
  return new Refusal('FORBIDDEN', `This would let you ${action} ${subject} as you may not now.`, {
    reason: 'widens_own_rights',
    rule,
  });
}

/** Refuses, with FORBIDDEN, that the actor holds `after` in place of what it acts by, if that gives it any right. */
export function demandNoOwnGain(actor: Principal, after: readonly Held[]): void {
  if (actor.kind !== 'user') return;
  const { engine, facts, grants } = actor.standing;
  const [gained] = engine.lacking(engine.ability(facts, awake(grants)), engine.ability(facts, awake(after)));
  if (gained !== undefined) throw widensOwnRights(gained);
}

/**
 * Refuses, with FORBIDDEN, that somebody holds `held` in place of `before`, if that lets them do what they could not and the
 * actor may not: whoever takes a deny away gives, too.
 */
export function demandNoGift(actor: Principal, before: readonly Held[], held: readonly Held[]): void {
  if (actor.kind !== 'user') return;
  const { engine, facts, ability } = actor.standing;
  // Rules are compared as they are written: whose facts they are bound to does not matter.
  const after = engine.ability(facts, awake(held));
  const gained = engine.lacking(engine.ability(facts, awake(before)), after);
  if (gained.length === 0) return;
  const beyond = engine
    .lacking(ability, after)
    .find(({ action, subject, rule }) =>
      gained.some((each) => each.action === action && each.subject === subject && each.rule === rule),
    );
  if (beyond === undefined) return;
  throw new Refusal('FORBIDDEN', `This would let them ${beyond.action} ${beyond.subject}, which you may not.`, {
    reason: 'exceeds_own_rights',
    rule: beyond.rule,
  });
}

type Held = Pick<HeldGrant, 'role' | 'scope' | 'dormant'>;

/** As it is once nothing is suspended: what is taken away while a grant sleeps is missing when it wakes up. */
const awake = (grants: readonly Held[]): readonly Held[] => grants.map(({ role, scope }) => ({ role, scope }));

/** What these grants come to in the scope at `path` and below, as if it were at `as`. */
function inside(path: string, grants: readonly Held[], as = path): readonly Held[] {
  return grants.flatMap((grant) => {
    const { role, scope } = grant;
    // No scope has this path: what the role allows or denies in any scope is left of it.
    const anywhere = { ...grant, scope: `-${role}` };
    if (covers(scope, path)) return [anywhere, { ...grant, scope: as }];
    const isBelow = scope !== null && covers(path, scope);
    return isBelow ? [anywhere, { ...grant, scope: `${as}${scope.slice(path.length)}` }] : [anywhere];
  });
}
