import { Migration } from '@mikro-orm/migrations';

/**
 * Counts by quarter of an hour, which is what the offsets of all time zones are made of: hours and days of any calendar
 * are sums of them. Ids of flushes make one that is repeated, because nobody knew whether it arrived, count once.
 */
export class Migration0003 extends Migration {
  override name = '0003-rollups';

  override up(): void {
    this.addSql(`create table rollup_series (
        id bigserial primary key,
        metric text not null,
        dimensions jsonb not null
      )`);
    this.addSql(
      `alter table rollup_series add constraint rollup_series_metric_dimensions_unique unique (metric, dimensions)`,
    );
    this.addSql(`create table rollups (
        series_id bigint not null,
        start timestamptz(3) not null,
        count bigint not null,
        primary key (series_id, start)
      )`);
    this.addSql(
      `alter table rollups add constraint rollups_series_id_foreign foreign key (series_id) references rollup_series (id)`,
    );
    this.addSql(`create table rollup_flushes (
        id uuid not null,
        at timestamptz(3) not null default now(),
        primary key (id)
      )`);
    this.addSql(`create index rollup_flushes_at_index on rollup_flushes (at)`);
  }
}
