import type { CompiledRule } from './compiler.ts';
import { whereText } from './bundle.ts';
import { covers } from './scope-paths.ts';

/** Something that certain rules allow and others do not allow in full. */
export interface Lacking {
  readonly action: string;
  readonly subject: string;
  /** The rule that allows it. */
  readonly rule: CompiledRule;
}

/**
 * What `needed` allows beyond `held`. Rules are compared as they are written: each allow must have one in `held` that holds
 * for the same action and subject, in all of its scopes, for its fields, and under no condition that it does not have; and
 * no deny of `held` that would take part of it away unless `needed` has one that takes away as much. Rights about oneself
 * are the same right for everybody who has them. Where the comparison cannot tell, something is lacking.
 */
export function lacking(held: readonly CompiledRule[], needed: readonly CompiledRule[]): readonly Lacking[] {
  const mine = byTarget(held);
  const theirs = byTarget(needed);
  return [...theirs].flatMap(([key, { action, subject, rules }]) => {
    const own = mine.get(key)?.rules ?? [];
    return rules
      .filter((rule) => !rule.inverted && !isCovered(rule, own, rules))
      .map((rule) => ({ action, subject, rule }));
  });
}

/** What `lifted` denies and `held` does not allow in full: whoever takes a deny away gives what it denied. */
export function lackingToLift(held: readonly CompiledRule[], lifted: readonly CompiledRule[]): readonly Lacking[] {
  const mine = byTarget(held);
  return [...byTarget(lifted)].flatMap(([key, { action, subject, rules }]) => {
    const own = mine.get(key)?.rules ?? [];
    return rules
      .filter((rule) => rule.inverted && !isCovered(rule, own, []))
      .map((rule) => ({ action, subject, rule }));
  });
}

interface Target {
  readonly action: string;
  readonly subject: string;
  readonly rules: CompiledRule[];
}

function byTarget(rules: readonly CompiledRule[]): ReadonlyMap<string, Target> {
  const targets = new Map<string, Target>();
  for (const rule of rules) {
    for (const subject of rule.subject) {
      for (const action of rule.action) {
        const key = `${action} ${subject}`;
        const known = targets.get(key);
        if (known === undefined) targets.set(key, { action, subject, rules: [rule] });
        else known.rules.push(rule);
      }
    }
  }
  return targets;
}

function isCovered(allow: CompiledRule, held: readonly CompiledRule[], needed: readonly CompiledRule[]): boolean {
  const places = reachOf(allow) ?? [null];
  return places.every(
    (place) =>
      isAllowed(allow, place, held) &&
      held
        .filter((deny) => deny.inverted && meet(deny, allow, place))
        .every((deny) => needed.some((other) => other.inverted && takesAsMuch(other, deny, place))),
  );
}

function isAllowed(allow: CompiledRule, place: string | null, held: readonly CompiledRule[]): boolean {
  const wider = held.filter((rule) => !rule.inverted && reaches(rule, place) && isNoNarrower(rule, allow));
  if (wider.some(({ fields }) => fields === undefined)) return true;
  const fields = new Set(wider.flatMap((rule) => rule.fields ?? []));
  return allow.fields !== undefined && allow.fields.every((field) => fields.has(field));
}

/** Whether a deny may touch what the allow allows at this place. */
function meet(deny: CompiledRule, allow: CompiledRule, place: string | null): boolean {
  const { fields } = allow;
  const isFields =
    deny.fields === undefined || fields === undefined || deny.fields.some((name) => fields.includes(name));
  const reach = reachOf(deny);
  return isFields && (reach === null || reach.some((path) => covers(path, place) || covers(place, path)));
}

/** Whether `other` denies at this place all that `deny` denies there. */
function takesAsMuch(other: CompiledRule, deny: CompiledRule, place: string | null): boolean {
  const { fields } = deny;
  const isFields = other.fields === undefined || fields?.every((name) => other.fields?.includes(name)) === true;
  const isThere = reaches(other, place) || (reachOf(deny)?.every((path) => reaches(other, path)) ?? false);
  return isFields && isThere && isNoNarrower(other, deny);
}

/** Whether the rule holds in all of the place. */
function reaches(rule: CompiledRule, place: string | null): boolean {
  const reach = reachOf(rule);
  return reach === null || reach.some((path) => covers(path, place));
}

/** Whether every condition of `rule` is one of `other`. */
function isNoNarrower(rule: CompiledRule, other: CompiledRule): boolean {
  const conditions = new Set((other.conditions?.where ?? []).map((condition) => whereText([condition])));
  return (rule.conditions?.where ?? []).every((condition) => conditions.has(whereText([condition])));
}

const reachOf = ({ conditions }: CompiledRule): readonly string[] | null => conditions?.reach ?? null;
