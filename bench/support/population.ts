import { Client } from 'pg';
import { scopePaths } from '../../src/domain/scopes/scope.ts';
import { newId } from '../../src/kit/ids.ts';
import { ask } from './client.ts';
import type { Child } from './child.ts';
import type { Administrator } from './client.ts';
import type { Platform } from './platform.ts';

const BATCH = 5_000;

/** Many users, put straight into the database: the requests that make them are not what is measured. */
export class Population implements AsyncDisposable {
  readonly #client: Client;
  readonly #url: string;
  readonly #token: string;
  #named = 0;

  private constructor(client: Client, url: string, token: string) {
    this.#client = client;
    this.#url = url;
    this.#token = token;
  }

  static async open({ databaseUrl }: Platform, castellan: Child, { token }: Administrator): Promise<Population> {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    return new Population(client, castellan.url, token);
  }

  /** A user made the way users are made. @param roles at that scope, beside those that everybody gets */
  async create(scope: string | null, roles: readonly string[] = []): Promise<string> {
    if (scope !== null) await this.#addScopes(scope);
    const input = { email: `${newId('user')}@example.com`, name: 'Bob', scope };
    const { createUser } = await this.#ask<{ createUser: { user: { id: string } } }>(
      'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }',
      { input },
    );
    const { id } = createUser.user;
    for (const role of roles) await this.#grant(id, role, scope);
    return id;
  }

  /** As many more with the same scope and the same grants, and names in no order; their ids. */
  async copies(of: string, count: number): Promise<readonly string[]> {
    const ids = Array.from({ length: count }, () => newId('user'));
    for (let from = 0; from < count; from += BATCH) await this.#copy(of, ids.slice(from, from + BATCH));
    return ids;
  }

  /** What the planner knows comes from this, and it is not left to chance whether it has come yet. */
  async settle(): Promise<void> {
    await this.#client.query('vacuum analyze users, scopes, grants, roles, role_closure');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.end();
  }

  async #copy(of: string, ids: readonly string[]): Promise<void> {
    const names = ids.map(() => `User ${((this.#named += 1) * 7_919) % 1_000_003}`);
    // Whatever other columns there are, they are those of the original.
    await this.#client.query(
      `with copies as (select * from unnest($2::text[], $3::text[]) as c (id, name)), added as (
         insert into users select copy.* from users u, copies c, jsonb_populate_record(u, jsonb_build_object(
           'id', c.id, 'name', c.name, 'email', c.id || '@example.com', 'email_folded', c.id || '@example.com')) copy
         where u.id = $1)
       insert into grants select copy.* from grants g, copies c, jsonb_populate_record(g, jsonb_build_object(
         'id', 'grant_' || left(replace(gen_random_uuid()::text, '-', ''), 26), 'principal_id', c.id)) copy
       where g.principal_id = $1 and g.revoked_at is null`,
      [of, ids, names],
    );
  }

  /** The scope at this path, and all above it that are not there yet. */
  async #addScopes(path: string): Promise<void> {
    for (const each of scopePaths(path)) {
      const { scope } = await this.#ask<{ scope: object | null }>(
        'query ($path: String) { scope(path: $path) { id } }',
        {
          path: each,
        },
      );
      if (scope !== null) continue;
      await this.#ask('mutation ($path: String!) { createScope(path: $path) { position } }', { path: each });
    }
  }

  async #grant(principalId: string, role: string, scope: string | null): Promise<void> {
    const found = await this.#ask<{ role: { id: string } | null }>(
      'query ($role: String) { role(name: $role) { id } }',
      {
        role,
      },
    );
    await this.#ask(
      'mutation ($id: ID!, $role: ID!, $scope: String) { grantRole(principalId: $id, roleId: $role, scope: $scope) { position } }',
      { id: principalId, role: found.role?.id, scope },
    );
  }

  #ask<T>(query: string, variables: object): Promise<T> {
    return ask<T>(this.#url, query, variables, this.#token);
  }
}
