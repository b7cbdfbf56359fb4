import { Migration } from '@mikro-orm/migrations';

/**
 * When each session was last used, apart from the session itself: it is written behind, many at a time, and must wait for no
 * transaction that holds a session. So there is no foreign key either, which would take a lock; what is left of sessions that
 * are gone is removed with them. Rows are updated in place as long as there is room on their page.
 */
export class Migration0007 extends Migration {
  override name = '0007-session-activity';

  override up(): void {
    this.addSql(`create table session_activity (
        session_id text not null,
        last_seen_at timestamptz(3) not null,
        protocols text[] not null,
        primary key (session_id)
      ) with (fillfactor = 70)`);
  }
}
