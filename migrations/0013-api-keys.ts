import { Migration } from '@mikro-orm/migrations';

/**
 * Who acts without being a person. Service accounts stand among the users, told apart by `kind`: so they hold grants, are
 * locked and are read as users are, and whoever reads users reads those of that kind alone.
 *
 * API keys belong to a user or a service account. What is kept of a secret is its hash, sealed; a key that is being replaced has
 * two of them for a while. When each was used is written behind, and so tied to nothing. The last index finds keys that ended
 * long ago, whichever way.
 */
export class Migration0013 extends Migration {
  override name = '0013-api-keys';

  override up(): void {
    this.addSql(`alter table users add column kind text not null default 'user'`);
    this.addSql(`create index users_service_index on users (created_at, id) where kind = 'service'`);

    this.addSql(`create table api_keys (
        id text not null,
        owner_id text not null,
        environment text not null,
        name text not null,
        permissions text[] null,
        address_ranges text[] not null,
        allowed_origins text[] not null,
        read_only boolean not null,
        created_at timestamptz(3) not null,
        created_by text not null,
        expires_at timestamptz(3) null,
        revoked_at timestamptz(3) null,
        revoked_reason text null,
        primary key (id)
      )`);
    this.addSql(`create index api_keys_owner_id_index on api_keys (owner_id)`);
    this.addSql(`create index api_keys_created_at_index on api_keys (created_at, id)`);
    this.addSql(`create index api_keys_expires_at_index on api_keys (expires_at, id)`);
    this.addSql(
      `alter table api_keys add constraint api_keys_owner_id_foreign foreign key (owner_id) references users (id)`,
    );
    this.addSql(`create index api_keys_ended_index on api_keys (least(revoked_at, expires_at))`);

    this.addSql(`create table api_key_versions (
        key_id text not null,
        number smallint not null,
        sealed_hash text not null,
        last_four text not null,
        created_at timestamptz(3) not null,
        valid_until timestamptz(3) null,
        primary key (key_id, number)
      )`);
    this.addSql(
      `alter table api_key_versions add constraint api_key_versions_key_id_foreign foreign key (key_id) references api_keys (id) on delete cascade`,
    );

    this.addSql(`create table api_key_uses (
        key_id text not null,
        version smallint not null,
        last_used_at timestamptz(3) not null,
        primary key (key_id, version)
      ) with (fillfactor = 70)`);
  }
}
