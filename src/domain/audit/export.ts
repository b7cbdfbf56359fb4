import type { AuditRecord } from './entry.ts';
import type { AuditReader } from './log.ts';
import { toOcsf } from './ocsf.ts';

export const FORMATS = ['jsonl', 'ocsf'] as const;
export type Format = (typeof FORMATS)[number];

const PAGE = 500;

/** Chained entries after this place, in order, a page at a time: however many there are, one page is in memory. */
export async function* entriesAfter(
  audit: Pick<AuditReader, 'between'>,
  seq: number,
): AsyncGenerator<readonly AuditRecord[]> {
  for (let after = seq; ;) {
    const page = await audit.between(after + 1, Number.MAX_SAFE_INTEGER, PAGE);
    const last = page.at(-1)?.seq ?? null;
    if (last === null) return;
    yield page;
    after = last;
  }
}

/** One entry as one line of JSON. */
export function lineOf(entry: AuditRecord, format: Format): string {
  return JSON.stringify(format === 'ocsf' ? toOcsf(entry) : toLine(entry));
}

/** What is told of an entry. Whose scope it is about is asked of the database as it is, and no part of it. */
function toLine({ __typename: _type, scope: _scope, scopes: _scopes, ...entry }: AuditRecord): object {
  return entry;
}
