import { Migration } from '@mikro-orm/migrations';

const COLUMNS = 'id, at, by, session_id, action, subject_id, before, after';

/** Entries that are moved at once; what was written before them follows a batch at a time. */
const NEWEST = 1_000;

/**
 * Audit entries say who, what, from where and with what outcome, are numbered and chained after their commit, and lie in a
 * partition for each month, so that what need not be kept any more is dropped whole.
 *
 * The table changes its place under its name: what an older version inserts goes to the new one, where all that it does not say
 * may be absent. Entries of before are moved by whoever numbers them. The partition for everything else takes an entry where no
 * month is there for it, so that nothing ever fails for want of one.
 */
export class Migration0018 extends Migration {
  override name = '0018-audit-log';

  override up(): void {
    this.addSql(`alter table audit_entries rename to audit_entries_before`);
    this.addSql(`alter index audit_entries_subject_id_index rename to audit_entries_before_subject_id_index`);
    this.addSql(`alter index audit_entries_pkey rename to audit_entries_before_pkey`);
    this.addSql(`create table audit_entries (
        id bigint not null default nextval('audit_entries_id_seq'),
        at timestamptz(3) not null default now(),
        by text not null,
        session_id text null,
        action text not null,
        subject_id text null,
        before jsonb null,
        after jsonb null,
        kind text null,
        api_key_id text null,
        address text null,
        protocol text null,
        operation text null,
        subject_type text null,
        outcome text not null default 'done',
        code text null,
        policy_version text null,
        position text null,
        seq bigint null,
        primary key (at, id)
      ) partition by range (at)`);
    this.addSql(`alter sequence audit_entries_id_seq owned by audit_entries.id`);
    this.addSql(`create table audit_entries_other partition of audit_entries default`);
    this.addSql(`create index audit_entries_subject_id_index on audit_entries (subject_id, at, id)`);
    this.addSql(`create index audit_entries_by_index on audit_entries (by, at, id)`);
    this.addSql(`create index audit_entries_action_index on audit_entries (action, at, id)`);
    this.addSql(
      `create index audit_entries_key_index on audit_entries (api_key_id, at, id) where api_key_id is not null`,
    );
    this.addSql(`create index audit_entries_denied_index on audit_entries (at, id) where outcome = 'denied'`);
    this.addSql(`create index audit_entries_seq_index on audit_entries (seq)`);
    this.addSql(`create index audit_entries_waiting_index on audit_entries (id) where seq is null`);
    // This month and the next two: whoever cleans sees to those that follow.
    this.addSql(`do $$
      declare start timestamp := date_trunc('month', now() at time zone 'UTC');
      begin
        for ahead in 0..2 loop
          execute format('create table %I partition of audit_entries for values from (%L) to (%L)',
            'audit_entries_' || to_char(start, 'YYYY_MM'), start at time zone 'UTC',
            (start + interval '1 month') at time zone 'UTC');
          start := start + interval '1 month';
        end loop;
      end
    $$`);
    this.addSql(`with moved as (
        delete from audit_entries_before where id > (select coalesce(max(id), 0) - ${NEWEST} from audit_entries_before)
        returning ${COLUMNS}
      ) insert into audit_entries (${COLUMNS}) select ${COLUMNS} from moved`);

    // Hashes of its entries in order, and the hash of the batch over those and the batch before, signed.
    this.addSql(`create table audit_batches (
        number bigint not null,
        month text not null,
        first_seq bigint not null,
        last_seq bigint not null,
        entries text not null,
        hash text not null,
        at timestamptz(3) not null,
        key text not null,
        signature text not null,
        primary key (number)
      )`);
    this.addSql(`create index audit_batches_month_index on audit_batches (month)`);
    // The last batch whose entries are not kept any more: where the log begins is signed as well.
    this.addSql(`create table audit_anchors (
        month text not null,
        number bigint not null,
        last_seq bigint not null,
        hash text not null,
        at timestamptz(3) not null,
        key text not null,
        signature text not null,
        primary key (month)
      )`);
    // How far a sink has the log, and whose turn it is to send it more.
    this.addSql(`create table audit_sinks (
        name text not null,
        seq bigint not null,
        holder text not null,
        held_until timestamptz(3) not null,
        primary key (name)
      )`);
  }
}
