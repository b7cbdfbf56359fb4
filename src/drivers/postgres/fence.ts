import type { Fence } from '../../domain/store.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

/** Locks of PostgreSQL's that stand for nothing but a place in a queue, until the end of the transaction. */
const QUEUE = { change: 'pg_advisory_xact_lock', share: 'pg_advisory_xact_lock_shared' } as const;

/** See {@link Fence}. One statement each, since each must see what was committed while the one before it waited. */
export function createFence({ query, send }: Statements): Fence {
  return {
    async lock({ change, share, policy }) {
      const changing = new Set(change);
      const sharing = new Set(share.filter((id) => !changing.has(id)));
      // Ascending over both modes: two transactions that want the same rows never wait for each other in a circle.
      // One statement for each run of ids in the same mode, since a statement locks in one mode.
      for (const { mode, queue, ids } of runs(changing, sharing)) {
        // Whoever shares a row passes by who waits to change it: a busy thief would never be revoked. Queues are fair.
        // What does not depend on the row is worked out before any row is looked at, so the queue comes before the lock.
        await send(
          'fence-lock',
          `with queued as materialized (select ${queue}(hashtextextended(id, 0)) from unnest($1::text[]) as id)
           select id from users where id = any($1) and (select count(*) from queued) > 0 order by id ${mode}`,
          [ids],
        );
      }
      if (policy === null) return;
      // Mutations share the head all the time; without a place in the queue a change of policy would never come to it.
      await send('fence-policy-queue', `select ${QUEUE[policy]}($1)`, [LOCKS.policy]);
      const mode = policy === 'change' ? 'update' : 'share';
      await send('fence-policy', `select version from policy_head where id = 1 for ${mode}`, []);
    },

    async head() {
      const [row] = await query<{ epoch: string; seq: string }>(
        'fence-head',
        'select epoch, seq from authority_head where id = 1',
        [],
      );
      if (row === undefined) throw new Error('authority_head has no row: the database is not migrated');
      return { epoch: row.epoch, seq: Number(row.seq) };
    },

    async outdated({ dependencies, asOf, session, credentials, label, sources = [] }) {
      const [row] = await query<{ outdated: boolean }>(
        'fence-outdated',
        `select exists (select from authority_log where target = any($1) and seq > $2)
             or exists (select from authority_log where target = any($3) and seq > $4 and kind = 'revoked')
             or exists (select from authority_log where target = any($5) and seq > $4)
             or exists (select from authority_log where target = $6 and seq > $7) as outdated`,
        [dependencies, asOf, credentials, label, sources, session?.id ?? null, session?.asOf ?? null],
      );
      return row?.outdated ?? true;
    },
  };
}

function runs(
  changing: ReadonlySet<string>,
  sharing: ReadonlySet<string>,
): readonly { readonly mode: string; readonly queue: string; readonly ids: readonly string[] }[] {
  const found: { mode: string; queue: string; ids: string[] }[] = [];
  for (const id of [...changing, ...sharing].toSorted()) {
    const mode = changing.has(id) ? 'for no key update' : 'for share';
    const last = found.at(-1);
    if (last?.mode === mode) last.ids.push(id);
    else found.push({ mode, queue: changing.has(id) ? QUEUE.change : QUEUE.share, ids: [id] });
  }
  return found;
}
