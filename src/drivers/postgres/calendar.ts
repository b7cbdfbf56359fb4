import { DatabaseError } from 'pg';
import { badInput } from '../../domain/refusals.ts';

const INVALID_PARAMETER_VALUE = '22023';

/** The instant that comes as this parameter, in ms since the epoch, which no time zone and no year can spoil. */
export const instantSql = (n: number): string => `to_timestamp($${n}::float8 / 1000)`;

/**
 * The hours, days, weeks or months of a time zone that have a part in a range, as the table expressions `quarters` and `buckets`:
 * `bucket` is what `date_trunc` says of an instant, and `start` where it begins.
 *
 * @param parameters where in the statement the range is, in ms since the epoch, the unit, and the time zone
 */
export function bucketsSql(parameters: { from: number; to: number; unit: number; timeZone: number }): string {
  const [from, to] = [instantSql(parameters.from), instantSql(parameters.to)];
  const [unit, timeZone] = [`$${parameters.unit}`, `$${parameters.timeZone}`];
  return `quarters as (
    -- From before the first bucket on: where an hour comes twice, date_trunc may give the second one as its start.
    select quarter, date_trunc(${unit}, quarter, ${timeZone}) as bucket
    from generate_series(date_bin('15 minutes', date_trunc(${unit}, ${from}, ${timeZone}), 'epoch') - interval '3 hours',
      ${to} - interval '1 second', interval '15 minutes') quarter
  ), buckets as (
    select bucket, min(quarter) as start from quarters group by bucket having max(quarter) >= ${from}
  )`;
}

/** Does what asks in a time zone of somebody's choice; refuses with BAD_USER_INPUT one that there is not. */
export async function inZone<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== INVALID_PARAMETER_VALUE) throw error;
    throw badInput('timeZone', 'There is no such time zone.');
  }
}
