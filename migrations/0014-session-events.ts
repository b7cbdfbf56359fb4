import { Migration } from '@mikro-orm/migrations';

/**
 * What a subscriber is told of an event besides what every event has, as the event itself knows it: a session may be gone
 * when its beginning is told.
 *
 * `trimmed` is the last number that was cleaned away, so that whoever resumes a feed knows whether anything is missing: rows
 * go by their age, and their numbers may follow each other otherwise.
 */
export class Migration0014 extends Migration {
  override name = '0014-session-events';

  override up(): void {
    this.addSql(`alter table outbox add column details jsonb null`);
    this.addSql(`alter table outbox_head add column trimmed bigint null`);
    this.addSql(`update outbox_head h set trimmed = coalesce((
      select max(o.seq) - 1 from outbox o
      where o.seq is not null and not exists (select from outbox p where p.seq = o.seq - 1)), h.seq)`);
    this.addSql(`alter table outbox_head alter column trimmed set not null`);

    this.addSql(`create or replace function session_told() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          insert into outbox (kind, subject_id, user_id, at, details)
          values ('session.started', new.id, new.user_id, new.created_at, jsonb_build_object(
            'device', new.device_kind, 'browser', new.browser, 'os', new.os, 'client', new.client));
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
  }
}
