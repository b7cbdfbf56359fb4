import { Migration } from '@mikro-orm/migrations';

/**
 * What an instance need not be allowed to do by itself: whoever made the tables does it in its name, and only that. So the role of
 * an instance owns nothing, and adds to the audit log and the authority log without a right to change either.
 *
 * Whoever made the tables may do all of it without these functions, and is not held to the months.
 */
export class Migration0023 extends Migration {
  override name = '0023-rights';

  override up(): void {
    this.addSql(`create function audit_month_prepare(of_month date) returns void language plpgsql as $$
      declare
        made text := 'audit_entries_' || to_char(of_month, 'YYYY_MM');
        starts timestamptz := date_trunc('month', of_month::timestamp) at time zone 'UTC';
        ends timestamptz := (date_trunc('month', of_month::timestamp) + interval '1 month') at time zone 'UTC';
      begin
        if session_user <> current_user and (ends < now() or starts > now() + interval '3 months') then
          raise 'a partition of the audit log is made for this month and the next ones' using errcode = '42501';
        end if;
        -- Made beside and attached, which readers and writers of the other months do not wait for.
        execute format('create table %I (like audit_entries including defaults)', made);
        -- Entries of a month that came before its partition: none more may come until it is there.
        if exists (select from audit_entries_other where at >= starts and at < ends) then
          lock table audit_entries_other in share row exclusive mode;
          execute format('with moved as (delete from audit_entries_other where at >= %L and at < %L returning *)
            insert into %I select * from moved', starts, ends, made);
        end if;
        execute format('alter table audit_entries attach partition %I for values from (%L) to (%L)', made, starts, ends);
      end
    $$`);
    this.addSql(`create function audit_month_drop(of_month date, last_batch bigint) returns void language plpgsql as $$
      declare
        ends timestamptz := (date_trunc('month', of_month::timestamp) + interval '1 month') at time zone 'UTC';
      begin
        -- A day less than the least that can be kept: clocks may differ.
        if session_user <> current_user and ends > now() - interval '29 days' then
          raise 'a month of the audit log is kept for 30 days at least' using errcode = '42501';
        end if;
        execute format('drop table if exists %I', 'audit_entries_' || to_char(of_month, 'YYYY_MM'));
        -- Of a month without a partition of its own.
        delete from audit_entries where at < ends;
        delete from audit_batches where number <= last_batch and month <= to_char(of_month, 'YYYY-MM');
        delete from audit_anchors;
      end
    $$`);
    const own = ['audit_month_prepare(date)', 'audit_month_drop(date, bigint)'];
    // A table of the same name elsewhere is none of these, not even a temporary one, which anybody may make.
    for (const each of [...own, 'authority_log_number()']) {
      this.addSql(`do $$ begin
        execute format('alter function ${each} security definer set search_path = %I, pg_temp', current_schema());
      end $$`);
    }
    this.addSql(`revoke execute on function ${own.join(', ')} from public`);
  }
}
