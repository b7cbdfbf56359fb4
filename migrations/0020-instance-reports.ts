import { Migration } from '@mikro-orm/migrations';

/** What an instance says of itself, for whoever asks another one. An instance of before says nothing. */
export class Migration0020 extends Migration {
  override name = '0020-instance-reports';

  override up(): void {
    this.addSql(`alter table instances add column report jsonb null, add column reported_at timestamptz(3) null`);
  }
}
