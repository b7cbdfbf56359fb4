import { Migration } from '@mikro-orm/migrations';

/**
 * How users came in, and who tried to. A wrong password for an address that nobody has leaves a row as well, without a user, so
 * that it costs the same. What happened to each user is counted by quarter of an hour, which is what hours and days of any
 * calendar are made of, by the transaction that numbers the events; `last_sign_ins` outlives both.
 */
export class Migration0015 extends Migration {
  override name = '0015-sign-ins';

  override up(): void {
    this.addSql(`create table sign_ins (
        id text not null,
        user_id text null,
        at timestamptz(3) not null,
        outcome text not null,
        aal int null,
        session_id text null,
        device_kind text not null,
        browser text null,
        os text null,
        client text null,
        address text null,
        primary key (id)
      )`);
    this.addSql(`create index sign_ins_user_id_at_id_index on sign_ins (user_id, at, id)`);
    this.addSql(`create index sign_ins_at_index on sign_ins (at)`);

    this.addSql(`create table user_activity (
        user_id text not null,
        start timestamptz(3) not null,
        what text not null,
        count bigint not null,
        primary key (user_id, start, what)
      )`);
    this.addSql(`create index user_activity_start_index on user_activity (start)`);

    this.addSql(`create table last_sign_ins (
        user_id text not null,
        at timestamptz(3) not null,
        primary key (user_id)
      )`);
    // Those of whom something is left.
    this.addSql(
      `insert into last_sign_ins (user_id, at) select user_id, max(created_at) from sessions group by user_id`,
    );
  }
}
