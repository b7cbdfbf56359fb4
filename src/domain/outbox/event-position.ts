import { formatPosition, parsePosition, type Position } from '../authority/position.ts';

const FORM = 'events-';

/** A place in another feed says nothing about one in this: it is answered as one in another history. */
export const ELSEWHERE: Position = { epoch: '', seq: 0 };

/** The opaque form of a place in the outbox. It says so, since the same number names something else in the authority log. */
export function formatEventPosition(position: Position): string {
  return FORM + formatPosition(position);
}

/** The place in the outbox; null for one in the authority log. Refuses with BAD_USER_INPUT what is no position. */
export function parseEventPosition(text: string, field: string): Position | null {
  if (text.startsWith(FORM)) return parsePosition(text.slice(FORM.length), field);
  parsePosition(text, field);
  return null;
}

/** The place in the authority log; null for one in the outbox. Refuses with BAD_USER_INPUT what is no position. */
export function parseLogPosition(text: string, field: string): Position | null {
  return parseEventPosition(text, field) === null ? parsePosition(text, field) : null;
}
