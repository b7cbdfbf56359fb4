import { Migration } from '@mikro-orm/migrations';

/** Cleaning finds the challenges that have expired without reading those that have not. */
export class Migration0011 extends Migration {
  override name = '0011-cleaning-indexes';

  override up(): void {
    this.addSql(`create index challenges_expires_at_index on challenges (expires_at)`);
  }
}
