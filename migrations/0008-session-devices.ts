import { Migration } from '@mikro-orm/migrations';

/**
 * What a session knows of its device, and what its user calls it. Sessions from before, and those of instances that do not
 * know these columns yet, are of a device of another kind: a user agent is not read in SQL.
 *
 * Addresses are kept a second time in a form in which a range of them is a range of texts, with those from before.
 *
 * How many sessions of a user are live is asked whenever one starts: the index has those that were not revoked, and they are
 * few however often the user has signed in and out.
 */
export class Migration0008 extends Migration {
  override name = '0008-session-devices';

  override up(): void {
    this.addSql(`alter table sessions add column device_kind text not null default 'other'`);
    this.addSql(`alter table sessions add column browser text null`);
    this.addSql(`alter table sessions add column os text null`);
    this.addSql(`alter table sessions add column label text null`);
    this.addSql(`alter table sessions add column client text null`);
    this.addSql(`alter table sessions add column address_key text null`);
    // After four bytes that say what it is, the bytes of the address.
    this.addSql(`update sessions
      set address_key = case family(address::inet) when 4 then 'v4:' else 'v6:' end
        || encode(substring(inet_send(address::inet) from 5), 'hex')
      where pg_input_is_valid(address, 'inet')`);
    this.addSql(`create index sessions_live_index on sessions (user_id, created_at, id) where revoked_at is null`);
  }
}
