import { Migration } from '@mikro-orm/migrations';

/**
 * What happens to API keys is told by triggers of their tables, as with sessions: whichever statement revokes one, that of an
 * older instance included, tells it. That one has expired is noticed by its time, each once: `keys_expired_until` is how far
 * somebody has looked.
 */
export class Migration0019 extends Migration {
  override name = '0019-key-and-security-events';

  override up(): void {
    this.addSql(`alter table outbox_head add column keys_expired_until timestamptz(3) not null default now()`);

    this.addSql(`create function api_key_told() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          insert into outbox (kind, subject_id, user_id, at) values ('api_key.created', new.id, new.owner_id, new.created_at);
        elsif old.revoked_at is null and new.revoked_at is not null then
          insert into outbox (kind, subject_id, user_id, reason, at)
          values ('api_key.revoked', new.id, new.owner_id, new.revoked_reason, new.revoked_at);
        elsif (old.name, old.permissions, old.address_ranges, old.allowed_origins, old.read_only, old.expires_at)
            is distinct from (new.name, new.permissions, new.address_ranges, new.allowed_origins, new.read_only, new.expires_at) then
          insert into outbox (kind, subject_id, user_id, at) values ('api_key.updated', new.id, new.owner_id, now());
        end if;
        return null;
      end
    $$`);
    this.addSql(`create trigger api_key_told after insert or update on api_keys
      for each row execute function api_key_told()`);

    this.addSql(`create function api_key_version_told() returns trigger language plpgsql as $$
      begin
        insert into outbox (kind, subject_id, user_id, at)
        select 'api_key.rotated', k.id, k.owner_id, new.created_at from api_keys k where k.id = new.key_id;
        return null;
      end
    $$`);
    this.addSql(`create trigger api_key_version_told after insert on api_key_versions
      for each row when (new.number > 1) execute function api_key_version_told()`);

    this.addSql(`create function security_event_told() returns trigger language plpgsql as $$
      begin
        insert into outbox (kind, subject_id, user_id, at) values ('security_event.raised', new.id, new.user_id, new.at);
        return null;
      end
    $$`);
    this.addSql(`create trigger security_event_told after insert on security_events
      for each row execute function security_event_told()`);
  }
}
