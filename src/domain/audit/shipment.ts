import type { Shipment } from '../shipping.ts';
import { entriesAfter, lineOf } from './export.ts';
import type { AuditReader } from './log.ts';

/** Takes lines of JSON, each one entry. Must reject where it is not certain that they were taken; within its own deadline. */
export interface AuditSink {
  send(lines: readonly string[]): Promise<void>;
}

/** The log for a sink, in the order of the chain. An id is an entry's for good, so that a receiver can tell what it has. */
export function auditShipment(audit: Pick<AuditReader, 'head' | 'between'>, sink: AuditSink): Shipment {
  return {
    receiver: 'http',
    what: 'the audit log',

    async waits(after) {
      const head = await audit.head();
      return head !== null && head.lastSeq > after;
    },

    async *send(after) {
      for await (const page of entriesAfter(audit, after)) {
        await sink.send(page.map((entry) => lineOf(entry, 'jsonl')));
        yield page.at(-1)?.seq ?? after;
      }
    },
  };
}
