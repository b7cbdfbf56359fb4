import { Migration } from '@mikro-orm/migrations';

/**
 * Counts by quarter of an hour, which is what the offsets of all time zones are made of: hours and days of any calendar
 * are sums of them. Ids of flushes make one that is repeated, because nobody knew whether it arrived, count once.
 */
export class Migration0003 extends Migration {
  override name = '0003-rollups';

  override up(): void {
    this.addSql(`create table rollups (
        metric text not null,
        start timestamptz(3) not null,
        dimensions jsonb not null,
        count bigint not null,
        primary key (metric, start, dimensions)
      )`);
    this.addSql(`create table rollup_flushes (
        id uuid not null,
        at timestamptz(3) not null default now(),
        primary key (id)
      )`);
    this.addSql(`create index rollup_flushes_at_index on rollup_flushes (at)`);
  }
}
