import { Migration } from '@mikro-orm/migrations';

/**
 * Scopes become rows, so that they can be moved and suspended: users and grants refer to them by id, and the path is
 * written once. Every path in use becomes a row, with all above it. `lineage` and `paths` hold the ids and paths from the
 * root down to the scope itself: what lies in a scope is found by them without walking the tree.
 *
 * Roles may be made of others through the API. `role_closure` holds what each amounts to, itself included; it is written
 * anew with every change of `role_inherits`, so that reading rights stays one join.
 *
 * What was recorded gets its state before the change beside the one after it.
 */
export class Migration0002 extends Migration {
  override name = '0002-scopes-and-custom-roles';

  override up(): void {
    this.addSql(`create table scopes (
        id text not null,
        parent_id text null,
        name text not null,
        path text not null,
        paths text[] not null,
        lineage text[] not null,
        status text not null,
        created_at timestamptz(3) not null,
        deleted_at timestamptz(3) null,
        primary key (id)
      )`);
    this.addSql(
      `alter table scopes add constraint scopes_parent_id_foreign foreign key (parent_id) references scopes (id) on delete restrict`,
    );
    this.addSql(`create index scopes_parent_id_index on scopes (parent_id)`);

    this.addSql(`create temporary table old_scopes on commit drop as
      select path, 'scope_' || (
          select string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz', 1 + get_byte(bytes, n) % 32, 1), '')
          from generate_series(0, 25) as n) as id
      from (
        select path, sha256(uuid_send(gen_random_uuid()) || path::bytea) as bytes
        from (
          select distinct array_to_string((string_to_array(used.scope, '/'))[1:n], '/') as path
          from (select scope from users union select scope from grants) as used,
            generate_series(1, cardinality(string_to_array(used.scope, '/'))) as n
          where used.scope <> ''
        ) as paths
      ) as random`);
    this.addSql(`insert into scopes (id, parent_id, name, path, paths, lineage, status, created_at)
      select s.id, p.id, regexp_replace(s.path, '^.*/', ''), s.path,
        array(select a.path from old_scopes a where s.path = a.path or starts_with(s.path, a.path || '/') order by length(a.path)),
        array(select a.id from old_scopes a where s.path = a.path or starts_with(s.path, a.path || '/') order by length(a.path)),
        'active', now()
      from old_scopes s left join old_scopes p on p.path || '/' || regexp_replace(s.path, '^.*/', '') = s.path
      order by length(s.path)`);
    this.addSql(`create unique index scopes_path_index on scopes (path) where deleted_at is null`);
    this.addSql(`create index scopes_paths_index on scopes using gin (paths)`);
    this.addSql(`create index scopes_lineage_index on scopes using gin (lineage)`);

    this.addSql(`create function scope_id_at(wanted text) returns text language plpgsql stable as $$
      declare found text;
      begin
        if wanted is null then return null; end if;
        select id into strict found from scopes where path = wanted and deleted_at is null;
        return found;
      end
    $$`);

    this.addSql(`alter table users add column scope_id text null`);
    this.addSql(`update users u set scope_id = s.id from scopes s where s.path = u.scope`);
    this.addSql(`alter table users drop column scope`);
    this.addSql(
      `alter table users add constraint users_scope_id_foreign foreign key (scope_id) references scopes (id) on delete restrict`,
    );
    this.addSql(`create index users_scope_id_index on users (scope_id)`);

    this.addSql(`alter table grants add column scope_id text null`);
    this.addSql(`update grants g set scope_id = s.id from scopes s where s.path = g.scope`);
    this.addSql(`drop index grants_held_index`);
    this.addSql(`alter table grants drop column scope`);
    this.addSql(
      `alter table grants add constraint grants_scope_id_foreign foreign key (scope_id) references scopes (id) on delete restrict`,
    );
    this.addSql(`create index grants_scope_id_index on grants (scope_id)`);
    this.addSql(`create unique index grants_held_index on grants (principal_id, role_id, scope_id) nulls not distinct
      where revoked_at is null`);

    this.addSql(`alter table roles add column deleted_at timestamptz(3) null`);
    this.addSql(`alter table roles drop constraint roles_name_unique`);
    this.addSql(`create unique index roles_name_index on roles (name) where deleted_at is null`);
    this.addSql(`create table role_inherits (
        role_id text not null,
        parent_id text not null,
        primary key (role_id, parent_id)
      )`);
    this.addSql(`create index role_inherits_parent_id_index on role_inherits (parent_id)`);
    this.addSql(`create table role_closure (
        role_id text not null,
        held_id text not null,
        primary key (role_id, held_id)
      )`);
    this.addSql(`create index role_closure_held_id_index on role_closure (held_id)`);
    for (const [table, column] of [
      ['role_inherits', 'role_id'],
      ['role_inherits', 'parent_id'],
      ['role_closure', 'role_id'],
      ['role_closure', 'held_id'],
    ]) {
      this.addSql(
        `alter table ${table} add constraint ${table}_${column}_foreign foreign key (${column}) references roles (id) on update cascade on delete restrict`,
      );
    }
    this.addSql(`insert into role_closure (role_id, held_id) select id, id from roles`);

    this.addSql(`alter table audit_entries rename column detail to after`);
    this.addSql(`alter table audit_entries add column before jsonb null`);
  }
}
