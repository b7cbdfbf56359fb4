import type { SubjectType } from './vocabulary.ts';
import { clip, didYouMean } from './words.ts';

/** A word of a question that the policy does not know. */
export interface UnknownWord {
  readonly argument: 'subject' | 'action' | 'field';
  readonly message: string;
}

/** Questions come from outside, so that the words may be anything at all. */
export function unknownWord(
  subjects: ReadonlyMap<string, SubjectType>,
  action: unknown,
  type: unknown,
  field: unknown,
): UnknownWord | null {
  const subject = typeof type === 'string' ? subjects.get(type) : undefined;
  if (subject === undefined) return unknown('subject', `There is no subject ${shown(type)}.`, type, subjects.keys());
  if (typeof action !== 'string' || !subject.actions.has(action)) {
    return unknown('action', `${subject.name} has no action ${shown(action)}.`, action, subject.actions);
  }
  if (field === undefined || (typeof field === 'string' && subject.attributes.has(field))) return null;
  return unknown('field', `${subject.name} has no field ${shown(field)}.`, field, subject.attributes.keys());
}

const shown = (word: unknown) => (typeof word === 'string' ? JSON.stringify(clip(word)) : `of type ${typeof word}`);

function unknown(
  argument: UnknownWord['argument'],
  message: string,
  word: unknown,
  known: Iterable<string>,
): UnknownWord {
  const hint = typeof word === 'string' ? didYouMean(word, known) : undefined;
  return { argument, message: hint === undefined ? message : `${message} D${hint.slice(1)}` };
}
