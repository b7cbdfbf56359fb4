import { Migration } from '@mikro-orm/migrations';

/**
 * What an instance says of itself, for whoever asks another one; an instance of before says nothing. And what may add up to a
 * security event over all instances: each member of what is counted once in its window. Events that are about nobody in particular
 * have an empty `user_id`, since instances of before read it as somebody's; the index is by what is read of it.
 */
export class Migration0020 extends Migration {
  override name = '0020-monitoring';

  override up(): void {
    this.addSql(`alter table instances add column report jsonb null, add column reported_at timestamptz(3) null`);
    this.addSql(`create table security_signals (
        kind text not null,
        subject text not null,
        start timestamptz(3) not null,
        member text not null,
        primary key (kind, subject, start, member)
      )`);
    this.addSql(`create index security_signals_start_index on security_signals (start)`);
    this.addSql(`create index security_events_whose_index on security_events ((nullif(user_id, '')), at, id)`);
    this.addSql(`create table api_key_networks (
        key_id text not null,
        network text not null,
        at timestamptz(3) not null,
        primary key (key_id, network)
      )`);
  }
}
