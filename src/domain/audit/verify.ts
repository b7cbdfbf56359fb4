import type { Keys } from '../../kit/secret.ts';
import {
  type ChainPlace,
  entryHash,
  isAnchorSigned,
  isHeadSigned,
  isSameAnchor,
  linkOf,
  monthOf,
  START,
} from './chain.ts';
import { crossChecked } from './cross-check.ts';
import type { AuditRecord } from './entry.ts';
import type { AuditAnchor, AuditBatch, AuditHead, AuditReader } from './log.ts';

/**
 * `changed`: an entry does not say what it said. `missing`: there is none where one was. `added`: there is one where none was.
 * `reordered`: entries have changed places. `truncated`: the log ends before a head that is known. `rewritten`: the chain is
 * not the one that was signed. `unsigned`: nothing that is known vouches for its end, or for all up to a place. `unaudited`: a
 * change has no entry.
 */
export type ProblemKind =
  | 'changed'
  | 'missing'
  | 'added'
  | 'reordered'
  | 'truncated'
  | 'rewritten'
  | 'unsigned'
  | 'unaudited';

export interface AuditProblem {
  readonly kind: ProblemKind;
  readonly batch: number | null;
  /** The place of the entry; of several, the first. */
  readonly seq: number | null;
  readonly entry: string | null;
  readonly month: string | null;
  readonly message: string;
}

export interface Verification {
  readonly problems: readonly AuditProblem[];
  /** Problems beyond those that are listed. */
  readonly more: number;
  readonly batches: number;
  readonly entries: number;
  /** Entries that are not chained yet. */
  readonly unchained: number;
  readonly first: number | null;
  readonly last: number | null;
  /** Heads from outside that were found in the chain, and such as are older than what is kept. */
  readonly headsFound: number;
  readonly headsRetired: number;
}

interface Mismatch {
  readonly batch: number;
  readonly seq: number;
  readonly entry: string;
  readonly month: string;
  readonly said: string | null;
  readonly says: string;
}

const PAGE = 50;
const ENTRIES_MAX = 2_000;
const PROBLEMS_MAX = 100;
const TIMES_MAX = 3;

/** Goes through the whole chain, a page at a time. */
export class AuditVerifier {
  readonly #audit: AuditReader;
  readonly #keys: Keys;
  #problems: AuditProblem[] = [];
  #mismatches: Mismatch[] = [];
  #more = 0;

  constructor(audit: AuditReader, keys: Keys) {
    this.#audit = audit;
    this.#keys = keys;
  }

  /** @param heads what was exported, in any order, from any number of instances */
  async verify(heads: readonly AuditHead[]): Promise<Verification> {
    for (let times = 1; ; times += 1) {
      const anchor = await this.#audit.anchor();
      [this.#problems, this.#mismatches, this.#more] = [[], [], 0];
      const found = await this.#verifyFrom(anchor, heads);
      // Where a month was dropped meanwhile, what was missed is nothing that is missing.
      if (times === TIMES_MAX || isSameAnchor(anchor, await this.#audit.anchor())) return found;
    }
  }

  async #verifyFrom(anchor: AuditAnchor | null, heads: readonly AuditHead[]): Promise<Verification> {
    const isBegun = this.#checkAnchor(anchor);
    const known = headsByNumber(this.#signed(heads));
    const start = anchor ?? START;
    let previous: ChainPlace = start;
    let [batches, entries, headsFound] = [0, 0, 0];
    let [trusted, isVouched] = [isBegun, isBegun];
    let strays: readonly AuditRecord[];
    for (;;) {
      // Looked for before the batches are: instances go on chaining, and what has a number by then has its batch as well.
      strays = await this.#audit.strays(start.lastSeq + 1, previous.lastSeq, PROBLEMS_MAX);
      const page = await this.#audit.batches(previous.number, PAGE);
      if (page.length === 0) break;
      for (const batch of page) {
        const isWhole = this.#checkLink(previous, batch, isVouched);
        // Of months that are not kept any more nothing is left but what was signed of them.
        if (anchor === null || batch.month > anchor.month) entries += await this.#checkEntries(batch);
        const signed = isHeadSigned(this.#keys, batch);
        if (signed === false) {
          this.#add({ kind: 'rewritten', ...placeOf(batch), message: `batch ${batch.number} is not signed by us` });
        }
        // A later signature vouches for all before it; of a key that is not listed any more nothing can be said.
        isVouched = signed === true;
        trusted = isVouched && isWhole;
        for (const head of known.get(batch.number) ?? []) {
          headsFound += 1;
          if (head.hash === batch.hash && head.lastSeq === batch.lastSeq) continue;
          const message = `batch ${batch.number} is another than the one whose head was exported`;
          this.#add({ kind: 'rewritten', ...placeOf(batch), message });
        }
        known.delete(batch.number);
        batches += 1;
        previous = batch;
      }
    }
    this.#tellMismatches();
    if (batches > 0 && !trusted && this.#problems.length === 0) {
      const message = 'the last batch is signed by a key that is not listed in KEY_ENCRYPTION_KEY';
      this.#add({ kind: 'unsigned', batch: previous.number, seq: previous.lastSeq, message });
    }
    this.#tellStrays(strays);
    const headsRetired = this.#checkLeft(known, start, previous);
    for await (const problem of crossChecked(this.#audit)) this.#add(problem);
    return {
      problems: this.#problems,
      more: this.#more,
      batches,
      entries,
      unchained: await this.#audit.unchained(),
      first: batches === 0 ? null : start.lastSeq + 1,
      last: batches === 0 ? null : previous.lastSeq,
      headsFound,
      headsRetired,
    };
  }

  /** Whether it is known that the log begins there. */
  #checkAnchor(anchor: AuditAnchor | null): boolean {
    const signed = anchor === null || isAnchorSigned(this.#keys, anchor);
    if (anchor === null || signed === true) return true;
    const { number: batch, lastSeq: seq, month } = anchor;
    const message = `where the log begins, after ${month}, is ${signed === null ? 'signed by a key that is not listed in KEY_ENCRYPTION_KEY' : 'not signed by us'}`;
    this.#add({ kind: signed === null ? 'unsigned' : 'rewritten', batch, seq, month, message });
    return false;
  }

  /** Whoever can write the file can add to it: what is not signed there says nothing about the log. */
  #signed(heads: readonly AuditHead[]): readonly AuditHead[] {
    return heads.filter((head) => {
      if (isHeadSigned(this.#keys, head) !== false) return true;
      const { number: batch, lastSeq: seq } = head;
      this.#add({ kind: 'unsigned', batch, seq, message: `the exported head of batch ${batch} is not signed by us` });
      return false;
    });
  }

  #checkLink(previous: ChainPlace, batch: AuditBatch, isVouched: boolean): boolean {
    const gap = batch.number - previous.number - 1;
    if (gap > 0) {
      const message = `${gap} batches are missing before batch ${batch.number}`;
      const place = { batch: previous.number + 1, seq: previous.lastSeq + 1, month: batch.month };
      this.#add({ kind: 'missing', ...place, message });
      return false;
    }
    const link = linkOf(previous, batch);
    if (link === 'unvouched' && !isVouched) {
      const message = `nobody vouches for batch ${previous.number} and what comes before it: none of the keys that were listed when batch ${batch.number} was added had signed it`;
      this.#add({ kind: 'unsigned', batch: previous.number, seq: previous.lastSeq, month: batch.month, message });
    }
    if (link !== null) return true;
    this.#add({
      kind: 'rewritten',
      ...placeOf(batch),
      message: `batch ${batch.number} does not follow from the one before`,
    });
    return false;
  }

  /** How many there are. */
  async #checkEntries(batch: AuditBatch): Promise<number> {
    const { firstSeq, lastSeq, month, number } = batch;
    const found = await this.#audit.between(firstSeq, lastSeq, ENTRIES_MAX);
    const expected = new Map(batch.entries.map((hash, index) => [firstSeq + index, hash]));
    const seen = new Set<number>();
    for (const entry of found) {
      const seq = entry.seq ?? 0;
      const place = { batch: number, seq, entry: entry.id, month };
      if (seen.has(seq)) {
        this.#add({ kind: 'added', ...place, message: `${entry.id} has the place ${seq} of another entry` });
        continue;
      }
      seen.add(seq);
      const [said, says] = [expected.get(seq) ?? null, entryHash(entry)];
      if (says === said) continue;
      if (this.#mismatches.length >= PROBLEMS_MAX) this.#more += 1;
      else this.#mismatches.push({ ...place, said, says });
    }
    for (const seq of expected.keys()) {
      if (seen.has(seq)) continue;
      this.#add({
        kind: 'missing',
        batch: number,
        seq,
        month,
        message: `there is no entry at place ${seq}, in ${month}`,
      });
    }
    return seen.size;
  }

  /** What does not say what it said: where another place was to say it, the two have changed places. */
  #tellMismatches(): void {
    const places = new Map(this.#mismatches.map(({ said, seq }) => [said, seq]));
    for (const { said: _said, says, ...place } of this.#mismatches) {
      const { entry, seq } = place;
      const was = places.get(says);
      if (was === undefined) {
        this.#add({ kind: 'changed', ...place, message: `${entry} at place ${seq} does not say what it said` });
      } else this.#add({ kind: 'reordered', ...place, message: `${entry} is at place ${seq}, and was at ${was}` });
    }
  }

  /** Entries with a number that no batch has, and such as never get one. */
  #tellStrays(strays: readonly AuditRecord[]): void {
    for (const { id: entry, seq, at } of strays) {
      const message =
        seq === null ? `${entry} is of ${at}, and of no month` : `${entry} has the place ${seq}, which no batch has`;
      this.#add({ kind: 'added', seq, entry, month: seq === null ? null : monthOf(at), message });
    }
  }

  /** Heads whose batches were not met: how many are older than what is kept. The others are cut off. */
  #checkLeft(left: ReadonlyMap<number, readonly AuditHead[]>, from: ChainPlace, last: ChainPlace): number {
    let retired = 0;
    let furthest: AuditHead | null = null;
    for (const head of [...left.values()].flat()) {
      if (head.number === from.number && (head.hash !== from.hash || head.lastSeq !== from.lastSeq)) {
        const message = `batch ${head.number}, after which the log begins, is another than the one whose head was exported`;
        this.#add({ kind: 'rewritten', batch: head.number, seq: from.lastSeq, message });
      } else if (head.number <= from.number) retired += 1;
      else if (head.number > last.number && head.number > (furthest?.number ?? 0)) furthest = head;
    }
    if (furthest !== null) {
      const { number: batch, lastSeq } = furthest;
      const message = `the log ends at place ${last.lastSeq}, and went on to ${lastSeq} when its head was exported at ${furthest.at}`;
      this.#add({ kind: 'truncated', batch, seq: last.lastSeq + 1, month: monthOf(furthest.at), message });
    }
    return retired;
  }

  #add(problem: Partial<AuditProblem> & Pick<AuditProblem, 'kind' | 'message'>): void {
    if (this.#problems.length >= PROBLEMS_MAX) this.#more += 1;
    else this.#problems.push({ batch: null, seq: null, entry: null, month: null, ...problem });
  }
}

const placeOf = ({ number, firstSeq, month }: AuditBatch) => ({ batch: number, seq: firstSeq, month });

function headsByNumber(heads: readonly AuditHead[]): Map<number, AuditHead[]> {
  const byNumber = new Map<number, AuditHead[]>();
  for (const head of heads) byNumber.set(head.number, [...(byNumber.get(head.number) ?? []), head]);
  return byNumber;
}
