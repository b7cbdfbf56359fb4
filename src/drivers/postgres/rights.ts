import type { Query } from './query.ts';

/**
 * What an instance does with each table, and so what its role is granted: nothing of it owns, makes or empties a table. A table
 * has a row here or its test fails, and each right has a statement that needs it; to lock a row, a column of it must be one that may be
 * changed.
 *
 * The audit log and the authority log are added to. Numbers are given to audit entries afterwards, and what is removed of them is
 * whole months, by `audit_month_drop`; the authority log is numbered by its trigger, and trimmed by the cleaner.
 */
export const RIGHTS: Readonly<Record<string, string>> = {
  account_tokens: 'select, insert, delete',
  api_key_networks: 'select, insert, update, delete',
  api_key_uses: 'select, insert, update, delete',
  api_key_versions: 'select, insert, update, delete',
  api_keys: 'select, insert, update, delete',
  audit_anchors: 'select, insert',
  audit_batches: 'select, insert',
  audit_entries: 'select, insert, update (seq)',
  audit_entries_before: 'select, delete',
  audit_sinks: 'select, insert, update',
  authority_head: 'select, update (epoch)',
  authority_log: 'select, insert, delete',
  challenges: 'select, insert, update, delete',
  errands: 'select, insert, update, delete',
  grants: 'select, insert, update',
  instances: 'select, insert, update, delete',
  last_sign_ins: 'select, insert, update, delete',
  migrations: 'select',
  outbox: 'select, insert, update (seq), delete',
  outbox_head: 'select, update',
  password_guesses: 'select, insert, update, delete',
  passwords: 'select, insert, update, delete',
  policy_bundles: 'select, insert, update',
  policy_head: 'select, update',
  recovery_codes: 'select, insert, delete',
  role_closure: 'select, insert, delete',
  role_inherits: 'select, insert, delete',
  roles: 'select, insert, update',
  rollup_flushes: 'select, insert, update (at), delete',
  rollup_series: 'select, insert',
  rollups: 'select, insert, update',
  scopes: 'select, insert, update',
  security_events: 'select, insert, update, delete',
  security_signals: 'select, insert, delete',
  session_activity: 'select, insert, update, delete',
  session_levels: 'select, insert, update',
  sessions: 'select, insert, update, delete',
  sign_ins: 'select, insert, delete',
  signing_keys: 'select, insert, update, delete',
  totp_factors: 'select, insert, update, delete',
  usage_counts: 'select, insert, update, delete',
  user_activity: 'select, insert, update, delete',
  user_sightings: 'select, insert, update, delete',
  users: 'select, insert, update',
};

/** What is done in the name of whoever made the tables. The last is known by whom rights were granted to. */
const FUNCTIONS = ['scope_id_at(text)', 'audit_month_prepare(date)', 'audit_month_drop(date, bigint)'];
const MARK = 'audit_month_drop(date, bigint)';

/** Runs one statement of a migration. */
type Execute = <Row>(text: string) => Promise<readonly Row[]>;

const TABLES = `select c.oid, c.relname, c.relowner from pg_class c
  where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p')
    and (c.relname = any(array[${literals(Object.keys(RIGHTS))}])
      or exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent = to_regclass('audit_entries')))`;

/** A role that cannot be granted what an instance may do. */
export class RoleUnfit extends Error {
  override readonly name = 'RoleUnfit';
}

/**
 * Grants a role what an instance does. `narrowing` takes from it what else it may do with the tables: not while instances of the version
 * before run as it, which may have needed that. Throws {@link RoleUnfit} where there is no such role, or where it owns tables, since
 * nothing can be taken from an owner.
 */
export async function grantRights(
  execute: Execute,
  role: string,
  { narrowing }: { readonly narrowing: boolean },
): Promise<readonly string[]> {
  const [found] = await execute<{ owns: boolean }>(
    `select exists (select from (${TABLES}) t where pg_has_role(r.oid, t.relowner, 'usage')) as owns
     from pg_roles r where rolname = ${literal(role)}`,
  );
  if (found === undefined) {
    throw new RoleUnfit('there is no role of that name: create role … login password …, and then again');
  }
  if (found.owns)
    throw new RoleUnfit('that role owns the tables, and may do with them what it wants: take another one');
  const statements = (await execute<{ text: string }>(grantsTo(role, narrowing))).map(({ text }) => text);
  for (const statement of statements) await execute(statement);
  return statements;
}

/** Roles that rights were granted to before: what is new is granted to them as well. */
export async function rolesWithRights(execute: Execute): Promise<readonly string[]> {
  const rows = await execute<{ name: string }>(
    `select distinct g.rolname as name from pg_proc p, aclexplode(p.proacl) a join pg_roles g on g.oid = a.grantee
     where p.oid = to_regprocedure('${MARK}') and a.grantee <> p.proowner`,
  );
  return rows.map(({ name }) => name);
}

/** As text, in the order in which it is done. */
function grantsTo(role: string, narrowing: boolean): string {
  const rights = Object.entries(RIGHTS).map(([table, granted]) => `('${table}', '${granted}')`);
  return `with t as (${TABLES}), grantee as (select ${literal(role)} as name)
    select text from grantee, lateral (
      select 1 as n, format('grant connect on database %I to %I', current_database(), name) as text
      union all select 2, format('grant usage on schema %I to %I', current_schema(), name)
      union all select 3, format('revoke all on table %I from %I', relname, name) from t where ${narrowing}
      union all select 4, format('grant %s on table %I to %I', r.granted, t.relname, name)
        from (values ${rights.join(', ')}) as r (relname, granted) join t using (relname)
      union all select 5, format('grant usage on sequence %I to %I', s.relname, name)
        from pg_class s join pg_depend d on d.objid = s.oid and d.deptype in ('a', 'i') join t on t.oid = d.refobjid
        where s.relkind = 'S'
      union all select 6, format('grant execute on function %s to %I', f, name)
        from unnest(array[${literals(FUNCTIONS)}]) as f where to_regprocedure(f) is not null
    ) as each order by n, text`;
}

function literals(texts: readonly string[]): string {
  return texts.map(literal).join(', ');
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** What keeps the role of this connection from being used by an instance; the message goes on after the name of the variable. */
export async function rightsProblems(query: Query): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(
    'rights-lacking',
    `select r.name from unnest($1::text[], $2::text[]) as r (name, may)
     where not coalesce(case may when 'delete' then has_table_privilege(to_regclass(r.name), may)
       else has_any_column_privilege(to_regclass(r.name), may) end, false)
     union select f from unnest($3::text[]) as f
     where not coalesce(has_function_privilege(to_regprocedure(f), 'execute'), false)
     order by name`,
    [...pairsOf(/select|insert|update|delete/g), FUNCTIONS],
  );
  if (rows.length === 0) return [];
  const lacking = rows.map(({ name }) => name).join(', ');
  return [`names a user who may not use ${lacking} as an instance does: castellan migrate --grant-to lets it`];
}

/** What keeps the role of this connection from changing the tables; the message goes on after the name of the variable. */
export async function ownerProblems(query: Query): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(
    'rights-owner',
    `select t.relname as name from (${TABLES}) t where not pg_has_role(t.relowner, 'usage') order by 1 limit 1`,
    [],
  );
  return rows.map(({ name }) => `names a user who does not own the table ${name}, and others`);
}

/** Each table with each of its rights that matches. */
function pairsOf(rights: RegExp): readonly [readonly string[], readonly string[]] {
  const all = Object.entries(RIGHTS).flatMap(([table, granted]) =>
    [...granted.matchAll(rights)].map(([right]) => [table, right] as const),
  );
  return [all.map(([table]) => table), all.map(([, right]) => right)];
}

/** With a part of the columns alone, a right is none to the table. */
const WHOLE_TABLE = /(insert|update|delete)(?! \()/g;

/** What the role of this connection may do that no instance does, in words that go on after the name of the variable. */
export async function excessRights(query: Query): Promise<readonly string[]> {
  const [row] = await query<{ superuser: boolean; owner: boolean; creates: boolean; more: readonly string[] }>(
    'rights-excess',
    `with t as (${TABLES}), granted as (select * from unnest($1::text[], $2::text[]) as r (name, may))
     select r.rolsuper as superuser,
       exists (select from t where pg_has_role(t.relowner, 'usage')) as owner,
       r.rolcreaterole or r.rolcreatedb or has_schema_privilege(current_schema(), 'create')
         or has_database_privilege(current_database(), 'create') as creates,
       array(select distinct t.relname::text
         from t cross join unnest(array['insert', 'update', 'delete', 'truncate', 'trigger']) as p (may)
         where has_table_privilege(t.oid, p.may)
           and not exists (select from granted g where g.name = t.relname and g.may = p.may) order by 1) as more
     from pg_roles r where r.rolname = current_user`,
    [...pairsOf(WHOLE_TABLE)],
  );
  if (row === undefined) return [];
  if (row.superuser) return [`names a superuser, who may do everything with the whole server: ${OTHER}`];
  if (row.owner) return [`names the owner of the tables, who may drop them and rewrite the audit log: ${OTHER}`];
  return [
    ...(row.creates ? [`names a user who may make tables, schemas or roles: ${OTHER}`] : []),
    ...(row.more.length > 0
      ? [`names a user who may do more than an instance with ${row.more.join(', ')}: ${OTHER}`]
      : []),
  ];
}

const OTHER = 'see castellan migrate --grant-to';
