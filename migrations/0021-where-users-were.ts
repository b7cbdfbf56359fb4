import { Migration } from '@mikro-orm/migrations';

/**
 * Where each user was used from last: kept for as long as nobody could have come anywhere else since. It is written behind, so
 * there is no foreign key. Networks of API keys that are gone go as well: nothing removed them before.
 */
export class Migration0021 extends Migration {
  override name = '0021-where-users-were';

  override up(): void {
    this.addSql(`create table user_sightings (
        user_id text not null,
        session_id text not null,
        latitude real not null,
        longitude real not null,
        radius_km real not null,
        at timestamptz(3) not null,
        primary key (user_id)
      )`);
    this.addSql(`create index user_sightings_at_index on user_sightings (at)`);
    this.addSql(`delete from api_key_networks n where not exists (select from api_keys k where k.id = n.key_id)`);
  }
}
