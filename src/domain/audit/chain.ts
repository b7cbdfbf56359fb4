import { createHash } from 'node:crypto';
import type { Keys } from '../../kit/secret.ts';
import type { AuditRecord } from './entry.ts';
import type { AuditAnchor, AuditBatch, AuditHead } from './log.ts';

/** What the first batch goes on from. */
export const GENESIS = createHash('sha256').update('castellan audit').digest('base64url');

/** What an entry says, in one form: whatever a database makes of it, the same entry reads the same. Its number is given by the batch. */
export function canonical(entry: AuditRecord): string {
  return JSON.stringify([
    entry.id,
    entry.at,
    entry.principalId,
    entry.principalKind,
    entry.sessionId,
    entry.apiKeyId,
    entry.address,
    entry.protocol,
    entry.operation,
    entry.action,
    entry.subjectType,
    entry.subjectId,
    entry.outcome,
    entry.code,
    ordered(entry.before),
    ordered(entry.after),
    entry.policyVersion,
    entry.position,
  ]);
}

export function entryHash(entry: AuditRecord): string {
  return sha256(canonical(entry));
}

/** The hash of a batch: over the one before it, its place, and its entries. */
export function batchHash(
  previous: string,
  {
    number,
    month,
    firstSeq,
    lastSeq,
    entries,
  }: Pick<AuditBatch, 'number' | 'month' | 'firstSeq' | 'lastSeq' | 'entries'>,
): string {
  return sha256(JSON.stringify([previous, number, month, firstSeq, lastSeq, entries]));
}

/** A place in the chain from which it goes on. */
export type ChainPlace = Pick<AuditHead, 'number' | 'lastSeq' | 'hash'>;

export const START: ChainPlace = { number: 0, lastSeq: 0, hash: GENESIS };

/** What a batch goes on from where nobody who is known to whoever makes it has signed the one before: it vouches for none of those. */
export function unvouched(previous: string): string {
  return sha256(`castellan audit: nobody vouches for ${previous}`);
}

/** How a batch goes on from this place; null where it does not. */
export function linkOf(previous: ChainPlace, batch: AuditBatch): 'vouched' | 'unvouched' | null {
  const { number, firstSeq, lastSeq, entries, hash } = batch;
  if (number !== previous.number + 1 || firstSeq !== previous.lastSeq + 1) return null;
  if (lastSeq - firstSeq + 1 !== entries.length) return null;
  if (batchHash(previous.hash, batch) === hash) return 'vouched';
  return batchHash(unvouched(previous.hash), batch) === hash ? 'unvouched' : null;
}

/** Whether the log begins where it began. */
export function isSameAnchor(one: AuditAnchor | null, other: AuditAnchor | null): boolean {
  return one?.number === other?.number && one?.month === other?.month;
}

/** Whether a listed key signed this head; null where the key that is said to have is not listed. */
export function isHeadSigned(keys: Keys, head: AuditHead): boolean | null {
  return keys.attested('audit', head, ...headParts(head));
}

/** The same of an anchor. */
export function isAnchorSigned(keys: Keys, anchor: AuditAnchor): boolean | null {
  return keys.attested('audit', anchor, ...anchorParts(anchor));
}

/** What is signed of a head, as the parts of one message. */
export function headParts({ number, lastSeq, hash, at }: Pick<AuditHead, 'number' | 'lastSeq' | 'hash' | 'at'>) {
  return ['head', String(number), String(lastSeq), hash, at] as const;
}

/** What is signed of an anchor: no head can be taken for one. */
export function anchorParts({ month, number, lastSeq, hash, at }: Omit<AuditAnchor, 'key' | 'signature'>) {
  return ['anchor', month, String(number), String(lastSeq), hash, at] as const;
}

export function monthOf(at: string): string {
  return at.slice(0, 7);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** JSON's objects have no order, and PostgreSQL gives them another than the one they came in. */
function ordered(state: AuditRecord['before']): unknown {
  if (state === null) return null;
  // Somebody else wrote what is no object, and it must not look like one.
  if (typeof state !== 'object' || Array.isArray(state)) return { no: state };
  return Object.entries(state).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
