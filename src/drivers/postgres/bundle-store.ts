import type { EntityManager } from '@mikro-orm/postgresql';
import type { BundleReader, BundleWriter } from '../../domain/policy/bundle-store.ts';
import { queryIn, type Query } from './database.ts';
import { POLICY_QUEUE, QUEUE } from './fence.ts';
import { PolicyBundleRow, PolicyHeadRow } from './rows.ts';

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
  };
}

export function createBundleWriter(em: EntityManager): BundleWriter {
  const query = queryIn(em);
  return {
    ...createBundleReader(query, 'for share'),

    async lockHead() {
      // Mutations share the head all the time; without a place in the queue a change of policy would never come to it.
      await query('bundle-queue', `select ${QUEUE.change}($1)`, [POLICY_QUEUE]);
      return createBundleReader(query, 'for update').inForce();
    },

    async put(version, files, by) {
      const row = { version, files: [...files], putBy: by };
      // A version names its files, so one that was in force before has the same.
      await em.createQueryBuilder(PolicyBundleRow).insert(row).onConflict('version').ignore().execute('run');
      await em.nativeUpdate(PolicyHeadRow, { id: 1 }, { version });
    },
  };
}
