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
  if (/^\d{1,15}$/.test(since)) return known(Number(since), await endOf(audit));
  const at = instantIn(since);
  if (at === null) {
    throw new Misuse('--since takes an instant such as 2026-11-30T00:00:00Z, or a place such as 1200');
  }
  const first = await audit.firstSince(at);
  // Nothing since then: what comes next is all there is.
  return first === null ? endOf(audit) : first - 1;
}

async function endOf(audit: AuditReader): Promise<number> {
  return ((await audit.head()) ?? (await audit.anchor()))?.lastSeq ?? 0;
}

/** Of a place that is not there yet nothing comes, until it is passed: then what came before it would be left out, and nobody told. */
function known(place: number, end: number): number {
  if (place <= end) return place;
  throw new Misuse(
    `--since ${place} is beyond the end of the audit log, which is at place ${end}: was a backup put back?`,
  );
}

const INSTANT = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/;

/** A day in UTC, or an instant that says how it stands to that: others are of whatever zone the command runs in. */
function instantIn(text: string): string | null {
  const [, day = ''] = INSTANT.exec(text) ?? [];
  const [at, midnight] = [Date.parse(text), Date.parse(day)];
  // Of a day that no month has, another one is made.
  if (Number.isNaN(at) || Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return null;
  return new Date(at).toISOString();
}
