import { monthOf } from './chain.ts';
import type { AuditReader } from './log.ts';
import type { AuditProblem } from './verify.ts';

/** What is written in the transaction of an entry, and kept elsewhere for a while. */
const COMPANIONS = ['authority_log', 'outbox'] as const;
export type Companion = (typeof COMPANIONS)[number];

/** One that has no entry of its transaction. */
export interface Unaccompanied {
  /** Of its row. */
  readonly id: string;
  readonly what: string;
  readonly subjectId: string;
  readonly at: string;
}

export interface CompanionPage {
  /** Where to go on from; null when there is nothing more. */
  readonly last: string | null;
  readonly without: readonly Unaccompanied[];
}

/** What the authority log should hold, as its head says, and what it does. */
export interface CompanionCount {
  readonly first: number;
  readonly head: number;
  readonly found: number;
}

const PAGE = 10_000;

/**
 * What the chain cannot show: that an entry was taken away before a head of it left the database, or before it was chained at all.
 * Whatever changes authority, and every start of a session, is written to another log by the same transaction, at the same instant.
 */
export async function* crossChecked(audit: AuditReader): AsyncGenerator<AuditProblem> {
  for (const companion of COMPANIONS) {
    for (let after: string | null = '0'; after !== null;) {
      const { last, without }: CompanionPage = await audit.unaccompanied(companion, after, PAGE);
      for (const { id, what, subjectId, at } of without) {
        // Which of both it was cannot be seen here: an entry that was never chained leaves no place.
        const message = `a change that has no entry: ${what} of ${subjectId} at ${at}, which is in ${companion} with the id ${id}: its entry was taken away, or that row was written by hand`;
        yield { kind: 'unaudited', batch: null, seq: null, entry: null, month: monthOf(at), message };
      }
      after = last;
    }
  }
  const count = await audit.companions();
  if (count === null || count.found === count.head - count.first + 1) return;
  const { first, head, found } = count;
  const message = `the authority log has ${found} of its entries ${first} to ${head}: what is gone of it cannot be held against this log`;
  yield { kind: 'truncated', batch: null, seq: null, entry: null, month: null, message };
}
