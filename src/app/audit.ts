import type { Foundation } from '../app/foundation.ts';
import type { AuditChainer } from '../domain/audit/chainer.ts';
import { AuditHeads } from '../domain/audit/heads.ts';
import { AuditRetention } from '../domain/audit/retention.ts';
import { openHeadsFile } from '../drivers/files/audit-heads.ts';

/** What becomes of audit entries once they are written: the chain, its heads outside, and the months that are kept. */
export async function startAudit(
  { config, store, auditWitness, keys, clock, logger, metrics, cleanup }: Foundation,
  auditChainer: AuditChainer,
) {
  const file = config.auditHeads === null ? null : openHeadsFile(config.auditHeads);
  const auditHeads = new AuditHeads({ store, file, witness: auditWitness, clock, logger });
  metrics.counter(
    'audit_entries_missing_total',
    'Audit entries and heads that this instance wrote and that are not there any more.',
    () => auditWitness.missing,
  );
  // After the chain has stopped: the last head is told of.
  cleanup.start('the heads of the audit log', auditHeads.rounds);
  const auditRetention = new AuditRetention({ store, keys, settings: config, clock, logger });
  cleanup.start('the months of the audit log', auditRetention.rounds);
  cleanup.start('the chain of the audit log', auditChainer.rounds);
  return { auditChainer, auditHeads, auditRetention };
}
