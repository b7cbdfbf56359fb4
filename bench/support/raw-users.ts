import { Pool } from 'pg';

export interface RawUser {
  readonly id: string;
  readonly name: string;
}

/** Users and their roles by prepared statements and `pg` alone: as little as it takes to fetch the rows. */
export class RawUsers {
  readonly #pool: Pool;

  constructor(connectionString: string) {
    this.#pool = new Pool({ connectionString, max: 10 });
  }

  /** The first users by id, and one more. @param within the path of a scope: their home is there or below; null is everywhere. */
  async page(first: number, within: string | null): Promise<readonly RawUser[]> {
    const everywhere = within === null;
    const { rows } = await this.#pool.query<RawUser>({
      name: everywhere ? 'page' : 'page-within',
      text: `select u.id, u.name from users u
        where ${everywhere ? 'true' : 'u.scope_id in (select id from scopes where paths @> array[$2])'} order by u.id limit $1`,
      values: everywhere ? [first + 1] : [first + 1, within],
    });
    return rows.slice(0, first);
  }

  /** In the order of the ids. */
  async byIds(ids: readonly string[]): Promise<readonly (RawUser | null)[]> {
    const { rows } = await this.#pool.query<RawUser>({
      name: 'by-ids',
      text: 'select u.id, u.name from users u where u.id = any($1)',
      values: [ids],
    });
    const found = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => found.get(id) ?? null);
  }

  /** The roles that each of these users holds, in the order of the ids. */
  async rolesOf(
    ids: readonly string[],
  ): Promise<readonly (readonly { readonly id: string; readonly name: string }[])[]> {
    const { rows } = await this.#pool.query<{ principal_id: string; id: string; name: string }>({
      name: 'roles-of',
      text: `select distinct g.principal_id, r.id, r.name from grants g join roles r on r.id = g.role_id
        where g.principal_id = any($1) and g.revoked_at is null and (g.expires_at is null or g.expires_at > now())`,
      values: [ids],
    });
    const held = Map.groupBy(rows, (row) => row.principal_id);
    return ids.map((id) => held.get(id) ?? []);
  }

  close(): Promise<void> {
    return this.#pool.end();
  }
}
