import type { CleaningWriter } from '../../domain/sessions/cleaner.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

/**
 * Each finds its rows by an index and takes no more than `$2` of them, the oldest first. Whoever holds a row is not waited for:
 * it is there the next time. As an array the ids are looked up one by one, where a join might read the whole table.
 */
export const REMOVALS = {
  sessions: `with ended as (
      select id from sessions where expires_at < $1 order by expires_at, id limit $2 for update skip locked
    ), removed as (
      delete from sessions where id = any(array(select id from ended)) returning id
    ), forgotten as (
      delete from session_activity where session_id = any(array(select id from removed))
    )
    select count(*)::int as removed from removed`,

  // Before their keys, of which one may have very many.
  keyNetworks: `with ended as (
      select id from api_keys where least(revoked_at, expires_at) < $1 order by least(revoked_at, expires_at) limit $2
    ), removed as (
      delete from api_key_networks where ctid = any(array(
        select n.ctid from ended k cross join lateral (
          select ctid from api_key_networks where key_id = k.id limit $2
        ) n limit $2)) returning key_id
    ) select count(*)::int as removed from removed`,

  apiKeys: `with ended as (
      select id from api_keys k where least(revoked_at, expires_at) < $1
        and not exists (select from api_key_networks n where n.key_id = k.id)
      order by least(revoked_at, expires_at) limit $2 for update skip locked
    ), removed as (
      delete from api_keys where id = any(array(select id from ended)) returning id
    ), forgotten as (
      delete from api_key_uses where key_id = any(array(select id from removed))
    )
    select count(*)::int as removed from removed`,

  log: `with removed as (
      delete from authority_log where id = any(array(
        select id from authority_log where at < $1 and seq is not null order by at limit $2)) returning id
    ) select count(*)::int as removed from removed`,

  outbox: `with removed as (
      delete from outbox where id = any(array(
        select id from outbox where added_at < $1 and seq is not null order by added_at limit $2)) returning seq
    ), noted as (
      update outbox_head set trimmed = greatest(trimmed, (select max(seq) from removed))
      where id = 1 and exists (select from removed)
    ) select count(*)::int as removed from removed`,

  securityEvents: `with removed as (
      delete from security_events where id = any(array(
        select id from security_events where at < $1 order by at, id limit $2)) returning id
    ) select count(*)::int as removed from removed`,

  sightings: `with removed as (
      delete from user_sightings where user_id = any(array(
        select user_id from user_sightings where at < $1 order by at limit $2 for update skip locked)) returning user_id
    ) select count(*)::int as removed from removed`,

  challenges: `with removed as (
      delete from challenges where id = any(array(
        select id from challenges where expires_at < $1 order by expires_at limit $2 for update skip locked)) returning id
    ) select count(*)::int as removed from removed`,

  // There are a handful of keys. One that was revoked stays, and one that signed until then waits for the next to begin.
  signingKeys: `with removed as (
      delete from signing_keys where kid in (
        select k.kid from signing_keys k where k.revoked_at is null and exists (
          select from signing_keys n where n.revoked_at is null and n.signs_from > k.signs_from and n.signs_from < $1)
        order by k.signs_from limit $2) returning kid
    ) select count(*)::int as removed from removed`,
} as const;

/** Tokens of mails, and counts of wrong passwords that nobody added to. The larger number says whether there is more. */
const ACCOUNTS = `with tokens as (
    delete from account_tokens where hash = any(array(
      select hash from account_tokens where expires_at <= $1 order by expires_at limit $3)) returning hash
  ), guesses as (
    delete from password_guesses where key = any(array(
      select key from password_guesses where at < $2 and failures < 100 order by at limit $3
      for update skip locked)) returning key
  )
  select greatest((select count(*) from tokens), (select count(*) from guesses))::int as removed`;

/** The larger number says whether there is more. */
const SIGN_INS = `with old as (
    delete from sign_ins where id = any(array(select id from sign_ins where at < $1 order by at limit $4)) returning id
  ), nobodys as (
    delete from sign_ins where id = any(array(
      select id from sign_ins where user_id is null and at < $2 order by at limit $4)) returning id
  ), counts as (
    delete from user_activity where ctid = any(array(
      select ctid from user_activity where start < $3 order by start limit $4)) returning start
  )
  select greatest((select count(*) from old), (select count(*) from nobodys), (select count(*) from counts))::int as removed`;

/** Nulls count for nothing in `greatest`. Each of the least is the first of an index. */
const OVERDUE = `select greatest(0,
    extract(epoch from $1 - (select min(expires_at) from sessions where expires_at < $1)),
    extract(epoch from $2 - (select min(at) from authority_log where at < $2 and seq is not null)),
    extract(epoch from $3 - (select min(expires_at) from challenges where expires_at < $3))
  )::float8 as seconds`;

export function createCleaningWriter({ query }: Statements): CleaningWriter {
  const lock = async (name: string, number: number): Promise<boolean> => {
    const [row] = await query<{ alone: boolean }>(name, 'select pg_try_advisory_xact_lock($1) as alone', [number]);
    return row?.alone ?? false;
  };
  const remove = async (what: keyof typeof REMOVALS, values: readonly unknown[]): Promise<number> => {
    const [row] = await query<{ removed: number }>(`cleaning-${what}`, REMOVALS[what], values);
    return row?.removed ?? 0;
  };
  return {
    begin: () => lock('cleaning-begin', LOCKS.cleaning),
    sessions: (before, limit) => remove('sessions', [before, limit]),
    keyNetworks: (before, limit) => remove('keyNetworks', [before, limit]),
    apiKeys: (before, limit) => remove('apiKeys', [before, limit]),
    log: (before, limit) => remove('log', [before, limit]),
    outbox: (before, limit) => remove('outbox', [before, limit]),
    securityEvents: (before, limit) => remove('securityEvents', [before, limit]),
    sightings: (before, limit) => remove('sightings', [before, limit]),
    challenges: (before, limit) => remove('challenges', [before, limit]),

    async accounts(now, before, limit) {
      const [row] = await query<{ removed: number }>('cleaning-accounts', ACCOUNTS, [now, before, limit]);
      return row?.removed ?? 0;
    },

    async signIns(before, nobodys, counted, limit) {
      const values = [before, nobodys, counted, limit];
      const [row] = await query<{ removed: number }>('cleaning-sign-ins', SIGN_INS, values);
      return row?.removed ?? 0;
    },

    // A key that is revoked in the same moment may leave this one as the last that can sign.
    signingKeys: async (before, limit) =>
      (await lock('cleaning-keys', LOCKS.signingKeys)) ? remove('signingKeys', [before, limit]) : 0,

    async overdueSeconds({ sessions, log, challenges }) {
      const [row] = await query<{ seconds: number }>('cleaning-overdue', OVERDUE, [sessions, log, challenges]);
      return row?.seconds ?? 0;
    },
  };
}
