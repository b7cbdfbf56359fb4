import { Migration } from '@mikro-orm/migrations';

/**
 * What somebody should look at. Of several instances that find out the same, whoever is first writes it: `once` is what of two
 * events is one and the same.
 */
export class Migration0017 extends Migration {
  override name = '0017-security-events';

  override up(): void {
    this.addSql(`create table security_events (
        id text not null,
        at timestamptz(3) not null,
        kind text not null,
        severity text not null,
        user_id text not null,
        session_id text not null,
        facts jsonb not null,
        once text not null,
        primary key (id)
      )`);
    this.addSql(`create unique index security_events_once_index on security_events (once)`);
    this.addSql(`create index security_events_at_id_index on security_events (at, id)`);
    this.addSql(`create index security_events_user_id_at_id_index on security_events (user_id, at, id)`);
  }
}
