import { createHash } from 'node:crypto';
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
  return state === null ? null : Object.entries(state).toSorted(([a], [b]) => (a < b ? -1 : 1));
}
