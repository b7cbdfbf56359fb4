import type { BundleReader, BundleWriter } from '../../domain/policy/bundle-store.ts';
import { instant } from './database.ts';
import type { Query } from './query.ts';
import type { Statements } from './transactions.ts';

export function createBundleReader(query: Query, lock = ''): BundleReader {
  return {
    async inForce() {
      const text = `select version from policy_head where id = 1 ${lock}`;
      const [row] = await query<{ version: string | null }>('bundle-in-force', text, []);
      return row?.version ?? null;
    },

    async files(version) {
      const text = 'select files from policy_bundles where version = $1';
      const [row] = await query<{ files: { path: string; text: string }[] }>('bundle-files', text, [version]);
      return row?.files ?? null;
    },

    async history(limit) {
      const text = `select version, put_by, put_at from policy_bundles order by put_at desc, version limit $1`;
      const rows = await query<{ version: string; put_by: string; put_at: Date }>('bundle-history', text, [limit]);
      return rows.map(({ version, put_by, put_at }) => ({
        version,
        appliedAt: instant(put_at),
        appliedBy: put_by,
      }));
    },
  };
}

export function createBundleWriter({ query, send }: Statements): BundleWriter {
  return {
    ...createBundleReader(query, 'for share'),

    async put(version, files, by) {
      // A version names its files, so one that was in force before has the same. Times follow the order of the changes,
      // whenever a transaction began and whatever the clock does.
      await send(
        'bundle-put',
        `insert into policy_bundles (version, files, put_by, put_at) select $1, $2, $3,
           greatest(clock_timestamp(), (select max(put_at) + interval '1 millisecond' from policy_bundles))
         on conflict (version) do update set put_by = excluded.put_by, put_at = excluded.put_at`,
        [version, JSON.stringify(files), by],
      );
      await send('bundle-head', 'update policy_head set version = $1 where id = 1', [version]);
    },
  };
}
