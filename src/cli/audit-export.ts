import { once } from 'node:events';
import { entriesAfter, type Format, lineOf } from '../domain/audit/export.ts';
import type { AuditReader } from '../domain/audit/log.ts';
import { withAudit } from './audit-database.ts';
import type { Environment } from './environment.ts';
import { Misuse } from './report.ts';

/** `castellan audit export`: prints entries as fast as they are taken, and at the end where to go on from. */
export async function exportAudit(
  { since, format }: { readonly since?: string; readonly format: Format },
  env: Environment,
): Promise<number> {
  return withAudit(env, async (audit) => {
    let last = await placeBefore(since, audit);
    let count = 0;
    for await (const page of entriesAfter(audit, last)) {
      const taken = process.stdout.write(page.map((entry) => `${lineOf(entry, format)}\n`).join(''));
      if (!taken) await once(process.stdout, 'drain');
      count += page.length;
      last = page.at(-1)?.seq ?? last;
    }
    process.stderr.write(`${count} entries; go on with --since ${last}\n`);
    return 0;
  });
}

async function placeBefore(since: string | undefined, audit: AuditReader): Promise<number> {
  if (since === undefined) return 0;
  if (/^\d{1,15}$/.test(since)) return Number(since);
  const at = Date.parse(since);
  if (!/^\d{4}-\d\d-\d\d/.test(since) || Number.isNaN(at)) {
    throw new Misuse('--since takes an instant such as 2026-11-30T00:00:00Z, or a place such as 1200');
  }
  const first = await audit.firstSince(new Date(at).toISOString());
  // Nothing since then: what comes next is all there is.
  return first === null ? ((await audit.head())?.lastSeq ?? 0) : first - 1;
}
