import type { Proof } from '../principals/proof.ts';
import type { Node } from './document.ts';
import type { Problems } from './problems.ts';
import { mapOf, recordOf, textOf } from './shape.ts';
import { clip, nearOrAll } from './words.ts';

/** What a session must have proven beyond being allowed to, by action. */
export type StepUps = ReadonlyMap<string, Proof>;

const secondsOf = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;
const durationPattern = '^[1-9][0-9]{0,4}[smhd]$';
/** Reading is asked of every record of a list. */
const plainActions: ReadonlySet<string> = new Set(['read']);

export const stepUpDuration = { pattern: durationPattern };

/** `{ delete: { level: 2, within: 15m } }` */
export function parseStepUps(
  node: Node | undefined,
  subject: string,
  actions: ReadonlySet<string>,
  problems: Problems,
): StepUps {
  const stepUps = new Map<string, Proof>();
  const declared = node === undefined ? null : mapOf(node, 'stepUp', problems);
  for (const { key, place, value } of declared?.entries.values() ?? []) {
    if (!actions.has(key)) {
      problems.add(place, `${clip(subject)} has no action "${clip(key)}"`, nearOrAll(key, actions));
    } else if (plainActions.has(key)) {
      problems.add(place, `"${key}" takes no step-up`, 'it is asked of every record of a list');
    }
    const proof = parseProof(value, problems);
    if (proof !== null) stepUps.set(key, proof);
  }
  return stepUps;
}

function parseProof(node: Node, problems: Problems): Proof | null {
  const parts = recordOf(node, 'what a step-up takes', ['level', 'within'], problems);
  if (parts === null) return null;
  const level = parts.get('level')?.value;
  const within = parts.get('within')?.value;
  const proof: Proof = {
    level: level === undefined ? 1 : levelOf(level, problems),
    withinSeconds: within === undefined ? null : secondsIn(within, problems),
  };
  if (within === undefined && (level === undefined || proof.level === 1)) {
    problems.add(node.place, 'every session is of level 1: this asks for nothing', 'say level: 2, or within: 15m');
  }
  return proof;
}

function levelOf(node: Node, problems: Problems): Proof['level'] {
  if (node.kind === 'scalar' && (node.value === 1 || node.value === 2)) return node.value;
  problems.add(node.place, 'a level is 1, the password, or 2, a second factor');
  return 2;
}

function secondsIn(node: Node, problems: Problems): number | null {
  const hint = 'a number and a unit: 30s, 15m, 12h, 1d';
  if (node.kind === 'scalar' && typeof node.value === 'number') {
    problems.add(node.place, `within is a time, and ${node.value} has no unit`, hint);
    return null;
  }
  const written = textOf(node, 'within', problems);
  if (written === null) return null;
  if (new RegExp(durationPattern).test(written.text)) {
    const unit = written.text.at(-1) as keyof typeof secondsOf; // the pattern has these
    return Number(written.text.slice(0, -1)) * secondsOf[unit];
  }
  problems.add(written.place, `"${clip(written.text)}" is no time`, hint);
  return null;
}

/** An action that takes another step-up than before. */
export interface StepUpChange {
  readonly subject: string;
  readonly action: string;
  readonly before: Proof | null;
  readonly after: Proof | null;
}

/** What the subjects of two policies ask to be proven differently, in the order of their names. */
export function stepUpChanges(before: StepUpSubjects, after: StepUpSubjects): readonly StepUpChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((subject) => {
    const [old, now] = [before.get(subject)?.stepUps, after.get(subject)?.stepUps];
    return [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])]
      .toSorted()
      .map((action) => ({ subject, action, before: old?.get(action) ?? null, after: now?.get(action) ?? null }))
      .filter((change) => proofText(change.before) !== proofText(change.after));
  });
}

type StepUpSubjects = ReadonlyMap<string, { readonly stepUps: StepUps }>;

/** As it stands in the file: `level: 2, within: 15m`. */
export function proofText(proof: Proof | null): string {
  if (proof === null) return 'nothing';
  const { level, withinSeconds } = proof;
  const parts = [level === 1 ? null : `level: ${level}`, withinSeconds && `within: ${durationText(withinSeconds)}`];
  return parts.filter((part) => part !== null).join(', ');
}

function durationText(seconds: number): string {
  const fitting = Object.entries(secondsOf).findLast(([, size]) => seconds % size === 0);
  const [unit, size] = fitting ?? ['s', 1];
  return `${seconds / size}${unit}`;
}
