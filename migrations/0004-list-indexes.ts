import { Migration } from '@mikro-orm/migrations';

/**
 * Lists are read in the order that was asked for, from wherever a cursor stands: without an index each page sorts everybody.
 * Texts are ordered by their bytes, so that a cursor means the same in every database. The index of grants that are held
 * carries their ends, so that the roles of a page of users are read from it alone.
 */
export class Migration0004 extends Migration {
  override name = '0004-list-indexes';

  override up(): void {
    this.addSql(`create index users_created_at_index on users (created_at, id)`);
    this.addSql(`create index users_name_index on users (name collate "C", id)`);
    this.addSql(`create index users_email_index on users (email collate "C", id)`);
    this.addSql(`create index scopes_path_order_index on scopes (path collate "C", id)`);
    this.addSql(`create index sessions_created_at_index on sessions (created_at, id)`);
    this.addSql(`drop index sessions_expires_at_index`);
    this.addSql(`create index sessions_expires_at_index on sessions (expires_at, id)`);
    this.addSql(`drop index grants_held_index`);
    this.addSql(`create unique index grants_held_index on grants (principal_id, role_id, scope_id) include (expires_at)
      nulls not distinct where revoked_at is null`);
  }
}
