import { defineEntity, p } from '@mikro-orm/postgresql';
import type { InstanceReport } from '../../domain/health/instance-report.ts';
import type { EventDetails } from '../../domain/outbox/event.ts';

/** What was done and who is to know of it: logs that only grow, their heads, and those who follow them. No reference leaves these tables. */

const instant = () => p.datetime(3);

/** The entries themselves lie in partitions, which MikroORM cannot say. */
const AuditBatchRow = defineEntity({
  name: 'AuditBatchRow',
  tableName: 'audit_batches',
  properties: {
    number: p.bigint().primary().autoincrement(false),
    month: p.text().index(),
    firstSeq: p.bigint(),
    lastSeq: p.bigint(),
    entries: p.text(),
    hash: p.text(),
    at: instant(),
    key: p.text(),
    signature: p.text(),
  },
});

const AuditAnchorRow = defineEntity({
  name: 'AuditAnchorRow',
  tableName: 'audit_anchors',
  properties: {
    month: p.text().primary(),
    number: p.bigint(),
    lastSeq: p.bigint(),
    hash: p.text(),
    at: instant(),
    key: p.text(),
    signature: p.text(),
  },
});

const AuditSinkRow = defineEntity({
  name: 'AuditSinkRow',
  tableName: 'audit_sinks',
  properties: {
    name: p.text().primary(),
    seq: p.bigint(),
    holder: p.text(),
    heldUntil: instant(),
  },
});

const AuthorityLogRow = defineEntity({
  name: 'AuthorityLogRow',
  tableName: 'authority_log',
  properties: {
    id: p.bigint().primary().autoincrement(),
    /** The position; null until the commit gives it. */
    seq: p.bigint().nullable().unique(),
    target: p.text(),
    kind: p.text(),
    userId: p.text().nullable(),
    reason: p.text(),
    at: instant().defaultRaw('now()').index(),
  },
  indexes: [{ properties: ['target', 'seq'] }, { properties: ['userId', 'seq'] }],
});

/** One row: the history and the position of the last commit. */
const AuthorityHeadRow = defineEntity({
  name: 'AuthorityHeadRow',
  tableName: 'authority_head',
  properties: {
    id: p.smallint().primary().autoincrement(false),
    epoch: p.uuid(),
    seq: p.bigint(),
  },
});

const InstanceRow = defineEntity({
  name: 'InstanceRow',
  tableName: 'instances',
  properties: {
    id: p.uuid().primary(),
    /** `active`, or `marked` for collection. */
    state: p.text().default('active'),
    applied: p.bigint().default(0),
    protocol: p.smallint().default(1),
    lastSeen: instant().defaultRaw('now()'),
    /** What it said of itself, and when. */
    report: p.json<InstanceReport>().nullable(),
    reportedAt: instant().nullable(),
  },
});

/** Events that change nobody's authority. */
const OutboxRow = defineEntity({
  name: 'OutboxRow',
  tableName: 'outbox',
  properties: {
    id: p.bigint().primary().autoincrement(),
    /** The place in the feed; null until it is drained. */
    seq: p.bigint().nullable().unique(),
    kind: p.text(),
    subjectId: p.text(),
    userId: p.text().nullable(),
    reason: p.text().nullable(),
    details: p.json<EventDetails>().nullable(),
    at: instant(),
    addedAt: instant().defaultRaw('now()').index(),
  },
  indexes: [{ properties: ['userId', 'seq'] }],
});

/** One row: the last number given, and the highest that was cleaned away. */
const OutboxHeadRow = defineEntity({
  name: 'OutboxHeadRow',
  tableName: 'outbox_head',
  properties: {
    id: p.smallint().primary().autoincrement(false),
    seq: p.bigint(),
    trimmed: p.bigint(),
    /** API keys that expired by then have been told of. */
    keysExpiredUntil: instant().defaultRaw('now()'),
  },
});

export const LOG_ROWS = [
  AuditBatchRow,
  AuditAnchorRow,
  AuditSinkRow,
  AuthorityLogRow,
  AuthorityHeadRow,
  InstanceRow,
  OutboxRow,
  OutboxHeadRow,
];
