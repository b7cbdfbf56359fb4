import { badInput } from '../refusals.ts';

/**
 * A place in the authority log: the number of a commit, within one history of the database. A database
 * restored from a backup starts a new epoch, since the same numbers then name other commits.
 */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

const SHAPE = /^([0-9a-f]{8})-(0|[1-9][0-9]{0,15})$/;

/** The opaque form that tokens, receipts and events carry. Eight characters of the epoch are enough to tell histories apart. */
export function formatPosition({ epoch, seq }: Position): string {
  return `${epoch.slice(0, 8)}-${seq}`;
}

/** Refuses with BAD_USER_INPUT what {@link formatPosition} never wrote. The epoch comes back as its first eight characters. */
export function parsePosition(text: string, field: string): Position {
  const match = SHAPE.exec(text);
  const [, epoch, seq] = match ?? [];
  if (epoch === undefined || seq === undefined)
    throw badInput(field, 'This is not a position that Castellan gave out.');
  return { epoch, seq: Number(seq) };
}

export function sameEpoch(a: string, b: string): boolean {
  return a.slice(0, 8) === b.slice(0, 8);
}
