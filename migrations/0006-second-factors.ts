import { Migration } from '@mikro-orm/migrations';

/**
 * Second factors. An authenticator app has one row for each user, which carries what must be decided under its lock: the step
 * that was used last and the wrong codes in a row. They stay when a challenge is issued anew. Recovery codes lie apart, one row
 * each, and the row goes when the code is used. A challenge is a sign-in that waits for its code: no session, and never one
 * before that.
 *
 * Sessions say how their user was authenticated and when. Those from before knew the password alone.
 */
export class Migration0006 extends Migration {
  override name = '0006-second-factors';

  override up(): void {
    this.addSql(`create table totp_factors (
        user_id text not null,
        sealed_secret text not null,
        created_at timestamptz(3) not null,
        confirmed_at timestamptz(3) null,
        last_step bigint null,
        failures int not null default 0,
        retry_at timestamptz(3) null,
        primary key (user_id)
      )`);
    this.addSql(`create table recovery_codes (
        user_id text not null,
        sealed_hash text not null,
        primary key (user_id, sealed_hash)
      )`);
    this.addSql(`create table challenges (
        id text not null,
        user_id text not null,
        created_at timestamptz(3) not null,
        expires_at timestamptz(3) not null,
        used_at timestamptz(3) null,
        primary key (id)
      )`);
    this.addSql(`create index challenges_user_id_index on challenges (user_id)`);
    this.addSql(
      `alter table totp_factors add constraint totp_factors_user_id_foreign foreign key (user_id) references users (id) on update cascade on delete cascade`,
    );
    this.addSql(
      `alter table recovery_codes add constraint recovery_codes_user_id_foreign foreign key (user_id) references users (id)`,
    );
    this.addSql(
      `alter table challenges add constraint challenges_user_id_foreign foreign key (user_id) references users (id)`,
    );

    this.addSql(`alter table sessions add column aal smallint not null default 1`);
    this.addSql(`alter table sessions add column authenticated_at timestamptz(3) not null default now()`);
    this.addSql(`update sessions set authenticated_at = created_at`);
  }
}
