import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Ended, node, ROOT } from '../cli/running.ts';
import { Instance, KEY_ENCRYPTION_KEY, type Postgres, startPostgres } from '../faults/cluster.ts';
import { startRedisProxy } from '../faults/redis-proxy.ts';
import { startRedisServer } from '../support/redis-server.ts';

/** Longer than it takes a balancer to notice on a machine that is busy. */
const DRAIN_SECONDS = 3;
const ROLE = 'castellan_app';

/** The code of the version before this one, or of this one. */
export type Version = 'before' | 'this';

/** Instances of two versions over one PostgreSQL and one Redis, as whoever operates them has them. */
export interface Fleet {
  readonly postgres: Postgres;
  /** All that were added, running or not. */
  readonly instances: readonly Instance[];
  of(version: Version): readonly Instance[];
  /** Starts another one. */
  add(version: Version): Promise<Instance>;
  /** `castellan …` of a version, with the settings of its instances and the owner of the tables. */
  castellan(version: Version, args: readonly string[]): Promise<Ended>;
  /**
   * `castellan migrate` of a version. Where it knows rights, its instances are a role that has no more of them than it needs; those of a
   * version that knows none own the tables.
   */
  migrate(version: Version): Promise<Ended>;
  close(): Promise<void>;
}

/** @param previous the folder of the version before */
export async function startFleet(previous: string): Promise<Fleet> {
  const folders = { before: previous, this: ROOT };
  const undo: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const back of undo.splice(0).toReversed()) await back();
  };
  try {
    const postgres = await startPostgres();
    undo.push(() => postgres.close());
    const redis = await startRedisServer();
    undo.push(() => redis.stop());
    const password = randomBytes(16).toString('hex');
    await postgres.query(`create role ${ROLE} login password '${password}'`);
    const asRole = Object.assign(new URL(postgres.url), { username: ROLE, password }).href;

    const fleets: Record<Version, Instance[]> = { before: [], this: [] };
    const instances: Instance[] = [];
    const knowsRights = (version: Version) => existsSync(join(folders[version], 'src/drivers/postgres/rights.ts'));
    const urlOf = (version: Version) => (knowsRights(version) ? asRole : postgres.url);
    const castellan = (version: Version, args: readonly string[]) => {
      const env = {
        DATABASE_URL: urlOf(version),
        ...(knowsRights(version) && { MIGRATION_DATABASE_URL: postgres.url }),
        REDIS_URL: redis.url,
        KEY_ENCRYPTION_KEY,
      };
      return node([join(folders[version], 'bin/castellan.js'), ...args], env, folders[version]).ended;
    };
    let granted = false;
    return {
      postgres,
      instances,
      of: (version) => fleets[version],
      async add(version) {
        const proxy = await startRedisProxy(redis.url);
        undo.push(() => proxy.close());
        const env = { DRAIN_SECONDS: String(DRAIN_SECONDS) };
        const instance = new Instance(instances.length, urlOf(version), proxy, env, folders[version]);
        undo.push(() => instance.end());
        await instance.start();
        fleets[version].push(instance);
        instances.push(instance);
        return instance;
      },
      castellan,
      async migrate(version) {
        const isNew = knowsRights(version) && !granted;
        granted ||= isNew;
        return castellan(version, ['migrate', ...(isNew ? ['--grant-to', ROLE] : [])]);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
