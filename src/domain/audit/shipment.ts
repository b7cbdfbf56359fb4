import type { Shipment } from '../shipping.ts';
import type { AuditRecord } from './entry.ts';
import { entriesAfter, lineOf } from './export.ts';
import type { AuditReader } from './log.ts';

/**
 * Takes lines of JSON, each one entry. Must reject where it is not certain that they were taken, within its own deadline: with
 * {@link TooMuchAtOnce} where fewer of them may be.
 */
export interface AuditSink {
  send(lines: readonly string[]): Promise<void>;
}

/** The receiver answers that this is more than it reads. */
export class TooMuchAtOnce extends Error {
  override readonly name = 'TooMuchAtOnce';
}

/** The log for a sink, in the order of the chain. An id is an entry's for good, so that a receiver can tell what it has. */
export function auditShipment(audit: Pick<AuditReader, 'head' | 'anchor' | 'between'>, sink: AuditSink): Shipment {
  const end = async (): Promise<number> => ((await audit.head()) ?? (await audit.anchor()))?.lastSeq ?? 0;
  return {
    receiver: 'http',
    what: 'the audit log',

    waits: async (after) => (await end()) !== after,

    async *send(after) {
      const last = await end();
      // Whoever can write that down could keep the sink from ever being sent anything.
      if (after > last) throw new Error(`the sink is said to have the audit log up to ${after}, which ends at ${last}`);
      const most = { lines: Infinity };
      let reached = after;
      for await (const page of entriesAfter(audit, after)) {
        for await (const seq of inParts(sink, page, most)) {
          reached = seq ?? reached;
          yield reached;
        }
      }
    },
  };
}

/** As many at once as the sink takes, however few. Gives the place of the last that it has, or null before it is tried with fewer. */
async function* inParts(
  sink: AuditSink,
  page: readonly AuditRecord[],
  most: { lines: number },
): AsyncGenerator<number | null> {
  for (let from = 0; from < page.length;) {
    const part = page.slice(from, from + most.lines);
    try {
      await sink.send(part.map((entry) => lineOf(entry, 'jsonl')));
    } catch (error) {
      // One that is too large by itself is waited for: a copy with a gap would look like a log that was cut.
      if (!(error instanceof TooMuchAtOnce) || part.length === 1) throw error;
      most.lines = Math.ceil(part.length / 2);
      yield null;
      continue;
    }
    from += part.length;
    yield part.at(-1)?.seq ?? null;
  }
}
