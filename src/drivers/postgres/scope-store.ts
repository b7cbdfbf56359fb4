import type { Pages } from '../../domain/pages.ts';
import { Refusal } from '../../domain/refusals.ts';
import { parentPath, type Scope, type ScopeReader, type ScopeWriter } from '../../domain/scopes/scope.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import { createPages } from './pages.ts';
import type { ListSql, SubjectSql } from './policy-sql.ts';
import type { Statements } from './transactions.ts';

interface ScopeSqlRow {
  readonly id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly path: string;
  readonly paths: readonly string[];
  readonly status: Scope['status'];
  readonly created_at: string | Date;
}

const COLUMNS = 'c.id, c.parent_id, c.name, c.path, c.paths, c.status, c.created_at';

/** The paths of a scope and all above it, as the records in it have them. */
export function scopesSql(alias: string): ListSql {
  return {
    kind: 'texts',
    elements: `select unnest(${alias}.paths)`,
    hasAny: (array) => `(${alias}.paths && ${array}::text[])`,
  };
}

/** The condition that a scope or one above it is suspended. */
export function suspendedSql(alias: string): string {
  return `exists (select from scopes above where above.id = any(${alias}.lineage) and above.status = 'suspended')`;
}

/** The id of the scope at this path; null for a path that is null. */
export function scopeIdSql(path: string): string {
  return `scope_id_at(${path})`;
}

/** Everything a scope's record has. */
export const SCOPE_SQL: SubjectSql = {
  id: { kind: 'text', sql: 'c.id' },
  name: { kind: 'text', sql: 'c.name' },
  scope: { kind: 'text', sql: 'c.path' },
  scopes: scopesSql('c'),
  parentId: { kind: 'text', sql: 'c.parent_id' },
  status: { kind: 'text', sql: 'c.status' },
  createdAt: { kind: 'instant', sql: 'c.created_at' },
};

export function createScopePages(query: Query): Pages<Scope> {
  return createPages<ScopeSqlRow, Scope>(query, {
    list: 'scope',
    columns: COLUMNS,
    from: '(select * from scopes where deleted_at is null) c',
    subject: SCOPE_SQL,
    toRecord: toScope,
  });
}

function toScope(row: ScopeSqlRow): Scope {
  return {
    __typename: 'Scope',
    id: row.id,
    name: row.name,
    scope: row.path,
    scopes: row.paths,
    parentId: row.parent_id,
    status: row.status,
    createdAt: instant(row.created_at),
  };
}

export function createScopeReader(query: Query, lock = ''): ScopeReader {
  const select = `select ${COLUMNS} from scopes c where c.deleted_at is null and`;
  return {
    async find(id) {
      const [row] = await query<ScopeSqlRow>('scope-find', `${select} c.id = $1 ${lock}`, [id]);
      return row === undefined ? null : toScope(row);
    },

    async findMany(ids) {
      const rows = await query<ScopeSqlRow>('scope-find-many', `${select} c.id = any($1) order by c.id ${lock}`, [ids]);
      return rows.map(toScope);
    },

    async findByPath(path) {
      const [row] = await query<ScopeSqlRow>('scope-find-by-path', `${select} c.path = $1 ${lock}`, [path]);
      return row === undefined ? null : toScope(row);
    },

    async findByPaths(paths) {
      const text = `${select} c.path = any($1) order by c.id ${lock}`;
      return (await query<ScopeSqlRow>('scope-find-by-paths', text, [paths])).map(toScope);
    },
  };
}

export function createScopeWriter({ query, send }: Statements): ScopeWriter {
  return {
    ...createScopeReader(query, 'for share'),

    async add({ id, parentId, name, scope, scopes, status, createdAt }) {
      // A violated index would end the transaction, and its commit would then pass for one.
      const added = await query(
        'scope-add',
        `insert into scopes (id, parent_id, name, path, paths, lineage, status, created_at)
         select $1, $2, $3, $4, $5, coalesce((select lineage from scopes where id = $2), '{}') || $1::text, $6, $7
         on conflict (path) where deleted_at is null do nothing returning id`,
        [id, parentId, name, scope, scopes, status, createdAt],
      );
      if (added.length === 0) throw taken(scope);
    },

    async move(id, { scope: path, parentId }) {
      const occupied = await query(
        'scope-move-occupied',
        `select from scopes where path = $2 and deleted_at is null and id <> $1`,
        [id, path],
      );
      if (occupied.length > 0) throw taken(path);
      // Paths and lineages of all below begin with those of the scope: that beginning is what changes.
      await send(
        'scope-move',
        `with old as (select path, cardinality(lineage) as depth from scopes where id = $1),
           up as (select coalesce((select lineage from scopes where id = $3), '{}') as lineage,
             coalesce((select paths from scopes where id = $3), '{}') as paths)
         update scopes c set
           parent_id = case when c.id = $1 then $3 else c.parent_id end,
           name = case when c.id = $1 then $4 else c.name end,
           path = $2 || substr(c.path, length(old.path) + 1),
           paths = up.paths || array(
             select $2 || substr(below, length(old.path) + 1) from unnest(c.paths[old.depth:]) with ordinality as p(below, n) order by n),
           lineage = up.lineage || c.lineage[old.depth:]
         from old, up where c.lineage @> array[$1::text]`,
        [id, path, parentId, path.slice((parentPath(path)?.length ?? -1) + 1)],
      );
    },

    async setStatus(id, status) {
      await send('scope-set-status', 'update scopes set status = $2 where id = $1', [id, status]);
    },

    async depth(id) {
      const [row] = await query<{ depth: number }>(
        'scope-depth',
        `select (max(cardinality(b.lineage)) - max(cardinality(c.lineage)))::int as depth
         from scopes c join scopes b on b.lineage @> array[c.id] and b.deleted_at is null where c.id = $1`,
        [id],
      );
      return row?.depth ?? 0;
    },

    async contents(id) {
      const [row] = await query<{ users: number; scopes: number }>(
        'scope-contents',
        `select (select count(*)::int from users where scope_id = $1) as users,
           (select count(*)::int from scopes where parent_id = $1 and deleted_at is null) as scopes`,
        [id],
      );
      return row ?? { users: 0, scopes: 0 };
    },

    async remove(id, at) {
      await send('scope-remove', 'update scopes set deleted_at = $2 where id = $1', [id, at]);
    },

    async findRemoved(id) {
      const text = `select ${COLUMNS} from scopes c where c.deleted_at is not null and c.id = $1`;
      const [row] = await query<ScopeSqlRow>('scope-find-removed', text, [id]);
      return row === undefined ? null : toScope(row);
    },
  };
}

function taken(path: string): Refusal {
  return new Refusal('CONFLICT', `There is a scope ${path} already.`, { field: 'path' });
}
