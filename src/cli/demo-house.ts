import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp, type App } from '../app.ts';
import { readConfig } from '../config.ts';
import { createMemoryHub } from '../drivers/memory/memory.ts';
import { startEmbedded, type EmbeddedServer } from '../drivers/postgres/embedded.ts';
import { systemClock } from '../kit/clock.ts';
import { createLog } from '../kit/log.ts';
import { Instance } from './demo-instance.ts';

const POLICIES = join(import.meta.dirname, '../../policies');

export const ALICE = { email: 'alice@example.com', password: randomBytes(18).toString('base64url') };

/** Two instances over one database of their own, all of it thrown away in the end. */
export class House {
  readonly folder: string;
  readonly postgresVersion: string;
  readonly a: Instance;
  readonly b: Instance;

  private constructor(folder: string, postgresVersion: string, [a, b]: readonly [App, App]) {
    this.folder = folder;
    this.postgresVersion = postgresVersion;
    this.a = new Instance('A', a);
    this.b = new Instance('B', b);
  }

  /** @param undo takes what must be called in the end, in the opposite order, also when this fails */
  static async open(undo: (step: () => Promise<void>) => void): Promise<House> {
    const folder = await mkdtemp(join(tmpdir(), 'castellan-demo-'));
    undo(() => remove(folder));
    // PostgreSQL does not run as root, and must pass here as somebody else. What needs protection inside protects itself.
    await chmod(folder, 0o755);
    const postgres = await startPostgres(folder);
    undo(() => postgres.stop('immediate'));

    const config = readConfig({
      DATABASE_URL: postgres.url,
      PORT: '0',
      CASTELLAN_DIR: folder,
      POLICIES_DIR: POLICIES,
      KEY_ENCRYPTION_KEY: randomBytes(48).toString('base64url'),
      ADMIN_EMAIL: ALICE.email,
      ADMIN_PASSWORD: ALICE.password,
      LOG_LEVEL: 'silent',
    });
    const memoryHub = createMemoryHub(systemClock);
    const open = async (): Promise<App> => {
      const app = await createApp(config, { memoryHub, logger: createLog('silent'), poolMax: 5 });
      undo(() => app.close());
      return app;
    };
    const a = await open();
    const [row] = await a.database.query<{ version: string }>(
      'demo-version',
      "select current_setting('server_version') as version",
      [],
    );
    return new House(folder, row?.version ?? '', [a, await open()]);
  }
}

function startPostgres(folder: string): Promise<EmbeddedServer> {
  // Nothing here outlives the demonstration, so nothing needs to reach the disk.
  return startEmbedded({ dataDir: join(folder, 'postgres'), settings: { fsync: 'off', full_page_writes: 'off' } });
}

async function remove(folder: string): Promise<void> {
  // Where PostgreSQL could not reach the folder, its files are elsewhere, behind a link.
  const postgres = await realpath(join(folder, 'postgres')).catch(() => folder);
  for (const path of [postgres, folder]) await rm(path, { recursive: true, force: true });
}
