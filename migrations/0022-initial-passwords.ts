import { Migration } from '@mikro-orm/migrations';

/**
 * When a password was set that its user has not chosen. It counts while that is when the password was changed last: so a version
 * that knows nothing of it, and serves meanwhile, takes it away with every password that it sets. Those of before last.
 */
export class Migration0022 extends Migration {
  override name = '0022-initial-passwords';

  override up(): void {
    this.addSql(`alter table passwords add column initial_at timestamptz(3) null`);
  }
}
