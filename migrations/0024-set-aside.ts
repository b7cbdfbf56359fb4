import { Migration } from '@mikro-orm/migrations';

/** Security events that the webhook refuses, which are few among many: systemHealth and `castellan doctor` ask whether there are any. */
export class Migration0024 extends Migration {
  override name = '0024-set-aside';

  override up(): void {
    this.addSql(`create index security_events_set_aside_index on security_events (at, id)
      where facts->'refused'->>'aside' = 'true'`);
  }
}
