import { Migration } from '@mikro-orm/migrations';

/**
 * The first tables. Positions of the authority log are numbered by a deferred trigger, because they must follow the order
 * of commits: a sequence gives numbers in the order of inserts, and a reader would pass over a row whose transaction
 * commits later than one with a higher number. The trigger runs inside COMMIT, so its row lock on the head is held for
 * the commit alone, and a holder that hangs between two statements keeps nobody waiting.
 */
export class Migration0001 extends Migration {
  override name = '0001-first-tables';

  override up(): void {
    this.addSql(`create table audit_entries (
        id bigserial primary key,
        at timestamptz(3) not null default now(),
        by text not null,
        session_id text null,
        action text not null,
        subject_id text not null,
        detail jsonb null
      )`);
    this.addSql(`create index audit_entries_subject_id_index on audit_entries (subject_id)`);
    this.addSql(`create table authority_head (
        id smallint primary key,
        epoch uuid not null,
        seq bigint not null
      )`);
    this.addSql(`create table authority_log (
        id bigserial primary key,
        seq bigint null,
        target text not null,
        kind text not null,
        user_id text null,
        reason text not null,
        at timestamptz(3) not null default now()
      )`);
    this.addSql(`alter table authority_log add constraint authority_log_seq_unique unique (seq)`);
    this.addSql(`create index authority_log_at_index on authority_log (at)`);
    this.addSql(`create index authority_log_target_seq_index on authority_log (target, seq)`);
    this.addSql(`create index authority_log_user_id_seq_index on authority_log (user_id, seq)`);
    this.addSql(`create table instances (
        id uuid not null,
        state text not null default 'active',
        applied bigint not null default '0',
        protocol smallint not null default 1,
        last_seen timestamptz(3) not null default now(),
        primary key (id)
      )`);
    this.addSql(`create table policy_bundles (
        version text not null,
        files jsonb not null,
        put_by text not null,
        put_at timestamptz(3) not null default now(),
        primary key (version)
      )`);
    this.addSql(`create table policy_head (
        id smallint primary key,
        version text null
      )`);
    this.addSql(`create table roles (
        id text not null,
        name text not null,
        description text null,
        managed boolean not null,
        primary key (id)
      )`);
    this.addSql(`alter table roles add constraint roles_name_unique unique (name)`);
    this.addSql(`create table signing_keys (
        kid text not null,
        public_jwk jsonb not null,
        sealed_private_jwk text not null,
        created_at timestamptz(3) not null,
        primary key (kid)
      )`);
    this.addSql(`create table users (
        id text not null,
        email text not null,
        email_folded text not null,
        name text not null,
        status text not null,
        scope text null,
        created_at timestamptz(3) not null,
        primary key (id)
      )`);
    this.addSql(`alter table users add constraint users_email_folded_unique unique (email_folded)`);
    this.addSql(`create table sessions (
        id text not null,
        user_id text not null,
        created_at timestamptz(3) not null,
        expires_at timestamptz(3) not null,
        revoked_at timestamptz(3) null,
        revoked_reason text null,
        user_agent text null,
        address text null,
        refresh_hash text not null,
        previous_hash text null,
        rotated_at timestamptz(3) null,
        successor text null,
        primary key (id)
      )`);
    this.addSql(`create index sessions_user_id_index on sessions (user_id)`);
    this.addSql(`create index sessions_expires_at_index on sessions (expires_at)`);
    this.addSql(`create table passwords (
        user_id text not null,
        hash text not null,
        changed_at timestamptz(3) not null,
        primary key (user_id)
      )`);
    this.addSql(`create table grants (
        id text not null,
        principal_id text not null,
        role_id text not null,
        scope text not null,
        expires_at timestamptz(3) null,
        granted_by text not null,
        created_at timestamptz(3) not null,
        revoked_at timestamptz(3) null,
        primary key (id)
      )`);
    this.addSql(`create index grants_principal_id_index on grants (principal_id)`);
    this.addSql(`create index grants_role_id_index on grants (role_id)`);
    this.addSql(
      `alter table sessions add constraint sessions_user_id_foreign foreign key (user_id) references users (id)`,
    );
    this.addSql(
      `alter table passwords add constraint passwords_user_id_foreign foreign key (user_id) references users (id) on update cascade on delete cascade`,
    );
    this.addSql(
      `alter table grants add constraint grants_principal_id_foreign foreign key (principal_id) references users (id)`,
    );
    this.addSql(`alter table grants add constraint grants_role_id_foreign foreign key (role_id) references roles (id)`);
    this.addSql(
      `create unique index grants_held_index on grants (principal_id, role_id, scope) where revoked_at is null`,
    );
    this.addSql(`create index sessions_successor_index on sessions (rotated_at) where successor is not null`);

    this.addSql(`insert into authority_head (id, epoch, seq) values (1, gen_random_uuid(), 0)`);
    this.addSql(`insert into policy_head (id, version) values (1, null)`);
    this.addSql(`create function authority_log_number() returns trigger language plpgsql as $$
      declare next bigint;
      begin
        update authority_head set seq = seq + 1 where id = 1 returning seq into next;
        update authority_log set seq = next where id = new.id;
        return null;
      end
    $$`);
    this.addSql(`create constraint trigger authority_log_number after insert on authority_log
      deferrable initially deferred for each row execute function authority_log_number()`);
  }
}
