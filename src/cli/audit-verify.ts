import { readFile } from 'node:fs/promises';
import type { AuditHead } from '../domain/audit/log.ts';
import { AuditVerifier, type AuditProblem } from '../domain/audit/verify.ts';
import { auditKeys, withAudit } from './audit-database.ts';
import type { Environment } from './environment.ts';
import { Misuse, type Report } from './report.ts';

/** `castellan audit verify`: whether the log is what it was, and where it is not. */
export async function verifyAudit({ heads: path }: { readonly heads?: string }, env: Environment): Promise<Report> {
  const keys = await auditKeys(env);
  const heads = path === undefined ? [] : await readHeads(path);
  const found = await withAudit(env, (audit) => new AuditVerifier(audit, keys).verify(heads));
  const { problems, more, batches, entries, unchained, first, last, headsFound, headsRetired } = found;
  const ok = problems.length === 0;
  const range = first === null ? 'nothing is chained yet' : `places ${first} to ${last}`;
  const lines = [
    ...problems.map(lineOf),
    ...(more > 0 ? [`… and ${more} more`] : []),
    `${ok ? 'The audit log is whole' : 'The audit log is not what it was'}: ${entries} entries in ${batches} batches, ${range}.`,
    ...(unchained > 0 ? [`${unchained} entries are not chained yet, and were not looked at.`] : []),
    path === undefined
      ? 'Without --heads, what was cut off its end is seen for a week, by what was written beside it, and not for longer.'
      : `${headsFound} of ${heads.length} heads were found, and ${headsRetired} are older than what is kept.`,
  ];
  return { ok, lines, facts: found };
}

function lineOf({ kind, month, message }: AuditProblem): string {
  return `${kind.padEnd(9)}  ${month ?? '       '}  ${message}`;
}

/** One head in each line, from any number of instances. */
async function readHeads(path: string): Promise<readonly AuditHead[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Misuse(`--heads cannot be read: ${(error as Error).message}`);
  });
  const heads = text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [parseHead(line, index + 1)]));
  // Nothing is held against a file that was emptied.
  if (heads.length === 0) throw new Misuse('--heads has no head');
  return heads;
}

function parseHead(line: string, number: number): AuditHead {
  const problem = new Misuse(`--heads has no head in line ${number}`);
  let read: unknown;
  try {
    read = JSON.parse(line);
  } catch {
    throw problem;
  }
  const head = Object(read) as Readonly<Record<keyof AuditHead, unknown>>;
  const texts = [head.hash, head.at, head.key, head.signature];
  if (!Number.isSafeInteger(head.number) || !Number.isSafeInteger(head.lastSeq)) throw problem;
  if (texts.some((text) => typeof text !== 'string')) throw problem;
  return head as AuditHead; // all its fields were looked at
}
