import type { Instant } from '../../kit/clock.ts';
import { badInput } from '../refusals.ts';
import type { BucketUnit } from './rollup-store.ts';
import { quarterAfter, quarterOf } from './tallies.ts';

/** From one instant on and before another, divided into hours, days, weeks or months as they are in a time zone. */
export interface Range {
  readonly from: Instant;
  readonly to: Instant;
  readonly bucket: BucketUnit;
  readonly timeZone: string;
}

const BUCKETS_MAX = 1_000;
const HOUR_MS = 3_600_000;
/** The calendar knows how many there are exactly; this keeps it from counting for long. */
const LENGTH_MAX_MS: Readonly<Record<BucketUnit, number>> = {
  hour: (BUCKETS_MAX + 1) * HOUR_MS,
  day: (BUCKETS_MAX + 1) * 24 * HOUR_MS,
  // Quarters of an hour are what is read, however long what they are summed by.
  week: (BUCKETS_MAX + 1) * 24 * HOUR_MS,
  month: (BUCKETS_MAX + 1) * 24 * HOUR_MS,
};

/** The range with the quarters of an hour it begins and ends in, since nothing is counted more finely. */
export function wholeQuarters({ from, to, bucket: unit, timeZone }: Range) {
  const [fromMs, toMs] = [quarterOf(Date.parse(from)), quarterAfter(Date.parse(to))];
  if (from >= to) throw badInput('to', 'A range ends after it begins.');
  if (!isTimeZone(timeZone)) throw badInput('timeZone', 'There is no such time zone.');
  if (toMs - fromMs > LENGTH_MAX_MS[unit]) throw tooMany();
  return { fromMs, toMs, unit, timeZone };
}

export function refuseTooMany(buckets: number): void {
  if (buckets > BUCKETS_MAX) throw tooMany();
}

function tooMany() {
  return badInput('bucket', `Ask for at most ${BUCKETS_MAX} buckets: a shorter range, or larger ones.`);
}

/** A name such as Europe/Berlin. Offsets are not: +02:00 means the opposite to PostgreSQL. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][\w+-]*(\/[\w+-]+)*$/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
