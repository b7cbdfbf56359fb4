import { Migration } from '@mikro-orm/migrations';

/** Uses of API keys by hour. An era is what was counted without a loss between; those of one hour add up. */
export class Migration0016 extends Migration {
  override name = '0016-usage';

  override up(): void {
    this.addSql(`create table usage_counts (
        id text not null,
        hour timestamptz(3) not null,
        version text not null,
        operation text not null,
        outcome text not null,
        era text not null,
        count bigint not null,
        primary key (id, hour, version, operation, outcome, era)
      )`);
    this.addSql(`create index usage_counts_hour_index on usage_counts (hour)`);
  }
}
