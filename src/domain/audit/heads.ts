import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { Rounds } from '../../kit/rounds.ts';
import type { Store } from '../store.ts';
import type { AuditHead } from './log.ts';
import type { AuditWitness } from './witness.ts';

/** How often heads leave the database: for what came since, whoever wrote it is the witness. */
const EVERY_MS = 60_000;

/** Where heads are kept besides the log of the program. */
export interface HeadsFile {
  append(head: AuditHead): Promise<void>;
}

/**
 * Signed heads outside the database. Whoever can write the database can take entries from the end of the chain and leave a
 * shorter one that is whole: only what somebody else remembers of it tells.
 */
export class AuditHeads {
  readonly #store: Store;
  readonly #file: HeadsFile | null;
  readonly #witness: AuditWitness;
  readonly #logger: Log;
  readonly rounds: Rounds;
  #told: AuditHead | null = null;

  constructor(parts: { store: Store; file: HeadsFile | null; witness: AuditWitness; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#file = parts.file;
    this.#witness = parts.witness;
    this.#logger = parts.logger;
    const failed = 'the head of the audit log was not exported';
    this.rounds = new Rounds({ everyMs: EVERY_MS, work: () => this.tell(), failed, writesRest: true, ...parts });
  }

  /** Tells of the head, unless this instance has, and of what this instance has written or told of and is not there any more. */
  async tell(): Promise<void> {
    const { audit } = this.#store;
    const head = await audit.head();
    if (this.#told !== null) await this.#lookFor(this.#told, head);
    if (head !== null && head.number > (this.#told?.number ?? 0)) {
      await this.#file?.append(head);
      this.#logger.info({ auditHead: head }, 'the head of the audit log');
      this.#told = head;
    }
    await this.#witness.check(audit, head?.lastSeq ?? 0);
  }

  /** What was told of may be gone while the log goes on from before it: its number says nothing. */
  async #lookFor({ number, hash }: AuditHead, head: AuditHead | null): Promise<void> {
    const { audit } = this.#store;
    const [batch] = await audit.batches(number - 1, 1);
    if (batch?.number === number && batch.hash === hash) return;
    const anchor = await audit.anchor();
    // Of a month that is not kept any more.
    if (anchor !== null && anchor.number >= number) return;
    const first = Math.min((head ?? anchor)?.number ?? 0, number - 1) + 1;
    this.#witness.tell({ batches: number - first + 1, first }, 1);
    this.#told = null;
  }
}
