import { Migration } from '@mikro-orm/migrations';

/**
 * Signing keys get a life: published first, signing later, so that whoever verifies knows a key before a token needs it; and
 * revoked at once when they leaked. The row of a revoked key stays, so that no backup brings it back unnoticed.
 */
export class Migration0005 extends Migration {
  override name = '0005-signing-key-lives';

  override up(): void {
    this.addSql(`alter table signing_keys add column signs_from timestamptz(3) null`);
    this.addSql(`update signing_keys set signs_from = created_at`);
    this.addSql(`alter table signing_keys alter column signs_from set not null`);
    this.addSql(`alter table signing_keys add column revoked_at timestamptz(3) null`);
  }
}
