import type { Pages } from '../../domain/pages.ts';
import { Refusal } from '../../domain/refusals.ts';
import type { Role, RoleReader, RoleWriter } from '../../domain/roles/role.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { SubjectSql } from './policy-sql.ts';
import type { Statements } from './transactions.ts';

export interface RoleSqlRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly managed: boolean;
}

export function toRole({ id, name, description, managed }: RoleSqlRow): Role {
  return { __typename: 'Role', id, name, description, managed };
}

/** Everything a role's record has. */
export const ROLE_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'r.id' },
  name: { kind: 'text', sql: 'r.name' },
  description: { kind: 'text', sql: 'r.description' },
  managed: { kind: 'boolean', sql: 'r.managed' },
};

export const ROLE_COLUMNS = 'r.id, r.name, r.description, r.managed';

export function createRolePages(query: Query): Pages<Role> {
  return createPages<RoleSqlRow, Role>(query, {
    list: 'role',
    columns: ROLE_COLUMNS,
    from: '(select * from roles where deleted_at is null) r',
    subject: ROLE_SQL,
    toRecord: toRole,
  });
}

export function createRoleReader(query: Query, lock = ''): RoleReader {
  const select = `select ${ROLE_COLUMNS} from roles r where r.deleted_at is null and`;
  return {
    async find(id) {
      const [row] = await query<RoleSqlRow>('role-find', `${select} r.id = $1 ${lock}`, [id]);
      return row === undefined ? null : toRole(row);
    },

    async findMany(ids) {
      const rows = await query<RoleSqlRow>('role-find-many', `${select} r.id = any($1) order by r.id`, [ids]);
      return rows.map(toRole);
    },

    async findByName(name) {
      const [row] = await query<RoleSqlRow>('role-find-by-name', `${select} r.name = $1 ${lock}`, [name]);
      return row === undefined ? null : toRole(row);
    },

    async descendants(id) {
      const text = 'select role_id from role_closure where held_id = $1 and role_id <> $1 order by role_id';
      const rows = await query<{ role_id: string }>('role-descendants', text, [id]);
      return rows.map(({ role_id }) => role_id);
    },

    async hierarchy() {
      const rows = await query<RoleSqlRow & { inherits: readonly string[] }>(
        'role-hierarchy',
        `select ${ROLE_COLUMNS}, array(select parent_id from role_inherits where role_id = r.id) as inherits
         from roles r where r.deleted_at is null order by r.name collate "C"`,
        [],
      );
      return rows.map((row) => ({ role: toRole(row), inherits: row.inherits }));
    },
  };
}

export function createRoleWriter({ query, send }: Statements): RoleWriter {
  /** Closures are small, and roles change rarely: all are made anew. */
  const close = () =>
    send(
      'role-close',
      `with recursive closure (role_id, held_id) as (
         select id, id from roles where deleted_at is null
         union
         select c.role_id, i.parent_id from closure c join role_inherits i on i.role_id = c.held_id
       ), gone as (
         delete from role_closure where (role_id, held_id) not in (select role_id, held_id from closure)
       )
       insert into role_closure (role_id, held_id) select role_id, held_id from closure on conflict do nothing`,
      [],
    );
  const compose = async (id: string, inherits: readonly string[]) => {
    await send('role-inherits-clear', 'delete from role_inherits where role_id = $1', [id]);
    await send('role-inherits-write', 'insert into role_inherits (role_id, parent_id) select $1, unnest($2::text[])', [
      id,
      inherits,
    ]);
    await close();
  };
  return {
    ...createRoleReader(query, 'for share of r'),

    async syncManaged(roles) {
      const names = roles.map(({ name }) => name);
      const [custom] = await query<{ name: string }>(
        'role-custom-among',
        'select name from roles where name = any($1) and not managed and deleted_at is null order by name limit 1',
        [names],
      );
      if (custom !== undefined) throw taken(custom.name, 'files');
      await send(
        'role-sync',
        `insert into roles (id, name, description, managed)
         select * from unnest($1::text[], $2::text[], $3::text[]) as r (id, name, description), (values (true)) as m (managed)
         on conflict (name) where deleted_at is null do update set description = excluded.description`,
        [roles.map(({ id }) => id), names, roles.map(({ description }) => description)],
      );
      await close();
    },

    async add({ id, name, description, managed }, inherits) {
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'role-add',
        `insert into roles (id, name, description, managed) values ($1, $2, $3, $4)
         on conflict (name) where deleted_at is null do nothing returning id`,
        [id, name, description, managed],
      );
      if (added.length === 0) throw taken(name, 'name');
      await compose(id, inherits);
    },

    async save({ id, name, description }, inherits) {
      const occupied = await query(
        'role-name-occupied',
        'select from roles where name = $2 and deleted_at is null and id <> $1',
        [id, name],
      );
      if (occupied.length > 0) throw taken(name, 'name');
      await send('role-save', 'update roles set name = $2, description = $3 where id = $1', [id, name, description]);
      await compose(id, inherits);
    },

    async remove(id, at) {
      await send('role-remove', 'update roles set deleted_at = $2 where id = $1', [id, at]);
      await compose(id, []);
    },

    async findDeleted(id) {
      const text = `select ${ROLE_COLUMNS} from roles r where r.deleted_at is not null and r.id = $1`;
      const [row] = await query<RoleSqlRow>('role-find-deleted', text, [id]);
      return row === undefined ? null : toRole(row);
    },

    closure: (ids) =>
      query<{ id: string; name: string }>(
        'role-closure',
        `select distinct r.id, r.name from role_closure c join roles r on r.id = c.held_id where c.role_id = any($1)`,
        [ids],
      ),

    async closures(ids) {
      const rows = await query<{ role_id: string; names: readonly string[] }>(
        'role-closures',
        `select c.role_id, array_agg(r.name order by r.name) as names
         from role_closure c join roles r on r.id = c.held_id where c.role_id = any($1) group by c.role_id`,
        [ids],
      );
      return new Map(rows.map(({ role_id, names }) => [role_id, names]));
    },
  };
}

function taken(name: string, field: 'name' | 'files'): Refusal {
  const message =
    field === 'files'
      ? `There is a custom role named ${name}. Rename or delete it before the policy has one of that name.`
      : `There is a role named ${name} already.`;
  return new Refusal('CONFLICT', message, { field });
}
