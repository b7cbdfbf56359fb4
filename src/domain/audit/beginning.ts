import type { Keys } from '../../kit/secret.ts';
import { type ChainPlace, isAnchorSigned, isHeadSigned, linkOf, START } from './chain.ts';
import type { AuditAnchor, AuditReader } from './log.ts';

const PAGE = 500;

/**
 * Where the chain stands after those batches at its beginning that are of months up to this one, if it is what was signed; null where it
 * is not. Whoever signs where a log begins says that nothing else was before: it must not be said of what somebody made up.
 */
export async function beginningOf(
  audit: Pick<AuditReader, 'batches'>,
  keys: Keys,
  { anchor, month }: { readonly anchor: AuditAnchor | null; readonly month: string },
): Promise<ChainPlace | null> {
  let isVouched = anchor === null || isAnchorSigned(keys, anchor) === true;
  if (!isVouched) return null;
  let previous: ChainPlace = anchor ?? START;
  let last = previous;
  let isOver = false;
  for (;;) {
    const page = await audit.batches(previous.number, PAGE);
    for (const batch of page) {
      isOver ||= batch.month > month;
      // A signature vouches for all before it: of a key that is not listed any more, the next one that is.
      if (isOver && isVouched) return last;
      const link = linkOf(previous, batch);
      if (link === null || (link === 'unvouched' && !isVouched)) return null;
      isVouched = isHeadSigned(keys, batch) === true;
      if (!isOver) last = batch;
      previous = batch;
    }
    if (page.length < PAGE) return isVouched ? last : null;
  }
}
