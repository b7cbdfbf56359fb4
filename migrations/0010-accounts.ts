import { Migration } from '@mikro-orm/migrations';

/**
 * The life of accounts. Whoever is deleted leaves a row with nothing in it but the id, so that no id is ever given twice: the
 * address is null, and free for somebody else. `search` is name and address as they are looked for. Whoever was there before
 * is taken to have an address that is theirs.
 *
 * Tokens that go out by mail are kept as hashes; that of a sign-up carries the password it was made with, so that the mail
 * that is followed decides whose password counts. Errands are what is done after the commit that asked for it, such as sending
 * a mail: their content is sealed, since there are tokens in it. Guesses are counted under keyed hashes, since what was typed
 * as an address may be anything.
 */
export class Migration0010 extends Migration {
  override name = '0010-accounts';

  override up(): void {
    this.addSql(`alter table users alter column email drop not null`);
    this.addSql(`alter table users alter column email_folded drop not null`);
    this.addSql(`alter table users add column email_verified boolean not null default true`);
    this.addSql(`alter table users add column metadata text not null default '{}'`);
    this.addSql(`alter table users add column search text not null default ''`);
    this.addSql(`alter table users add column deleted_at timestamptz(3) null`);
    this.addSql(`update users set search = lower(normalize(name, NFKC)) || E'\\n' || email_folded`);

    this.addSql(`create table account_tokens (
        hash text not null,
        user_id text not null,
        kind text not null,
        created_at timestamptz(3) not null,
        expires_at timestamptz(3) not null,
        password_hash text null,
        name text null,
        primary key (hash)
      )`);
    this.addSql(`create index account_tokens_user_id_index on account_tokens (user_id)`);
    this.addSql(`create index account_tokens_expires_at_index on account_tokens (expires_at)`);
    this.addSql(
      `alter table account_tokens add constraint account_tokens_user_id_foreign foreign key (user_id) references users (id)`,
    );

    this.addSql(`create table errands (
        id text not null,
        kind text not null,
        user_id text null,
        sealed text not null,
        created_at timestamptz(3) not null,
        due_at timestamptz(3) not null,
        attempts int not null default 0,
        primary key (id)
      )`);
    this.addSql(`create index errands_due_at_index on errands (due_at)`);
    this.addSql(`create index errands_user_id_index on errands (user_id)`);

    this.addSql(`create table password_guesses (
        key text not null,
        failures int not null default 0,
        retry_at timestamptz(3) null,
        at timestamptz(3) not null,
        primary key (key)
      )`);
    this.addSql(`create index password_guesses_at_index on password_guesses (at)`);
  }
}
