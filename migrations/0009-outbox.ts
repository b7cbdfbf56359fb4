import { Migration } from '@mikro-orm/migrations';

/**
 * Events that change nobody's authority, such as the beginning of a session, and counts of them. A row gets its number by
 * whoever drains the outbox, one at a time, and only when its commit is visible: so numbers follow each other without a gap
 * in what a reader sees, and no sign-in waits for another one's number.
 *
 * What happens to sessions is told by a trigger of their table. Whichever statement ends a session, that of an older
 * instance included, tells it once: `ended_at` is set by the first, and sessions that end by themselves are found by it.
 * `session_levels` has how many sessions were live, for each quarter of an hour in which that changed.
 */
export class Migration0009 extends Migration {
  override name = '0009-outbox';

  override up(): void {
    this.addSql(`create table outbox (
        id bigserial primary key,
        seq bigint null,
        kind text not null,
        subject_id text not null,
        user_id text null,
        reason text null,
        at timestamptz(3) not null,
        added_at timestamptz(3) not null default now()
      )`);
    this.addSql(`alter table outbox add constraint outbox_seq_unique unique (seq)`);
    this.addSql(`create index outbox_waiting_index on outbox (id) where seq is null`);
    this.addSql(`create index outbox_user_id_seq_index on outbox (user_id, seq)`);
    this.addSql(`create index outbox_added_at_index on outbox (added_at)`);
    this.addSql(`create table outbox_head (id smallint not null, seq bigint not null, primary key (id))`);
    this.addSql(`insert into outbox_head (id, seq) values (1, 0)`);

    this.addSql(`alter table sessions add column ended_at timestamptz(3) null, add column ended_reason text null`);
    this.addSql(`update sessions set ended_at = least(coalesce(revoked_at, expires_at), expires_at),
        ended_reason = coalesce(revoked_reason, 'expired')
      where revoked_at is not null or expires_at <= now()`);
    this.addSql(`create index sessions_open_expiry_index on sessions (expires_at) where ended_at is null`);
    this.addSql(`create index sessions_open_use_index on sessions (aal, (coalesce(rotated_at, created_at)))
      where ended_at is null`);
    this.addSql(`create table session_levels (
        start timestamptz(3) not null,
        live bigint not null,
        peak bigint not null,
        primary key (start)
      )`);
    this.addSql(`insert into session_levels (start, live, peak)
      select date_bin('15 minutes', now(), 'epoch'), count(*), count(*) from sessions where ended_at is null`);

    this.addSql(`create function session_told() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          insert into outbox (kind, subject_id, user_id, at) values ('session.started', new.id, new.user_id, new.created_at);
          return new;
        end if;
        if tg_op = 'DELETE' then
          if old.ended_at is null then
            insert into outbox (kind, subject_id, user_id, reason, at)
            values ('session.expired', old.id, old.user_id, 'removed', least(old.expires_at, now()));
          end if;
          return old;
        end if;
        if old.ended_at is null and new.revoked_at is not null then
          new.ended_at := least(new.revoked_at, new.expires_at);
          new.ended_reason := new.revoked_reason;
        end if;
        if old.ended_at is null and new.ended_at is not null then
          insert into outbox (kind, subject_id, user_id, reason, at)
          values (case when new.revoked_at is null then 'session.expired' else 'session.revoked' end,
            new.id, new.user_id, new.ended_reason, new.ended_at);
        elsif new.rotated_at is distinct from old.rotated_at then
          insert into outbox (kind, subject_id, user_id, at) values ('session.refreshed', new.id, new.user_id, new.rotated_at);
        end if;
        return new;
      end
    $$`);
    this.addSql(`create trigger session_told before insert or update or delete on sessions
      for each row execute function session_told()`);
  }
}
