import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { examine } from '../../src/cli/doctor.ts';
import { clockWarnings } from '../../src/cli/doctor-database.ts';
import { serverProblems } from '../../src/drivers/postgres/server-settings.ts';
import { systemClock } from '../../src/kit/clock.ts';
import type { SettingProblem } from '../../src/kit/production-settings.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { startRedisServer } from '../support/redis-server.ts';
import { makeFolder, STARTS_MS } from './running.ts';

/** That what a start would refuse, or go on with while nobody notices, is told before, each by its name. */

jest.setTimeout(STARTS_MS);

let castellans: Castellans;
let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  castellans = await startCastellans(1);
  folder = await makeFolder();
});

afterAll(async () => {
  await castellans?.close();
  await folder?.remove();
});

async function told(env: NodeJS.ProcessEnv) {
  const { facts } = await examine({ CASTELLAN_DIR: folder.path, PORT: '0', ...env });
  return facts as { readonly problems: readonly SettingProblem[]; readonly warnings: readonly SettingProblem[] };
}

test('a KEY_ENCRYPTION_KEY under which nothing in the database was sealed', async () => {
  const DATABASE_URL = castellans.config.databaseUrl?.reveal();
  const secret = castellans.config.keyEncryptionKeys?.[0]?.reveal() ?? '';
  const another = 'another secret that is long enough';
  expect((await told({ DATABASE_URL, KEY_ENCRYPTION_KEY: another })).problems).toEqual([
    { variable: 'KEY_ENCRYPTION_KEY', message: expect.stringContaining('list that one second') },
  ]);
  for (const right of [secret, `${another},${secret}`]) {
    expect((await told({ DATABASE_URL, KEY_ENCRYPTION_KEY: right })).problems).toEqual([]);
  }
});

test('a generated secret that is cut short, and a folder that cannot be written', async () => {
  const cut = join(folder.path, 'cut');
  await mkdir(cut);
  await writeFile(join(cut, 'key-encryption-key'), 'short\n');
  expect((await told({ CASTELLAN_DIR: cut })).problems).toEqual([
    { variable: 'KEY_ENCRYPTION_KEY', message: expect.stringContaining('is cut short: put back what it had') },
  ]);
  const { problems } = await told({ CASTELLAN_DIR: join(cut, 'key-encryption-key', 'below a file') });
  expect(problems).toContainEqual({
    variable: 'CASTELLAN_DIR',
    message: expect.stringContaining('must name a folder that can be written'),
  });
});

test('where it cannot listen, and where somebody else does', async () => {
  expect((await told({ HOST: 'no.such.host.invalid' })).problems).toEqual([
    { variable: 'HOST', message: expect.stringContaining('must be an address of this machine') },
  ]);
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const { problems, warnings } = await told({ PORT: String(port) });
  expect(problems).toEqual([]);
  expect(warnings).toEqual([{ variable: 'PORT', message: expect.stringContaining('which is in use') }]);
  other.close();
});

test('a file of heads that nobody can write, before heads are missing', async () => {
  expect((await told({ AUDIT_HEADS: '/nowhere/heads.jsonl' })).warnings).toEqual([
    { variable: 'AUDIT_HEADS', message: expect.stringContaining('(ENOENT): heads of the audit log are not kept') },
  ]);
  expect((await told({ AUDIT_HEADS: join(folder.path, 'heads.jsonl') })).warnings).toEqual([]);
});

test('a Redis that forgets what it counts, and instances that would refuse the tokens of each other', async () => {
  const redis = await startRedisServer({ flags: { maxmemory: '64mb', 'maxmemory-policy': 'allkeys-lru' } });
  try {
    const { problems, warnings } = await told({ REDIS_URL: redis.url });
    expect(problems).toEqual([]);
    expect(warnings).toEqual([
      { variable: 'ISSUER', message: expect.stringContaining('set the same for all') },
      { variable: 'REDIS_URL', message: expect.stringContaining('maxmemory-policy allkeys-lru') },
    ]);
  } finally {
    await redis.stop();
  }
});

test('a clock that is not that of PostgreSQL', async () => {
  /** What a server answers whose clock is so many seconds ahead. */
  const asked = (seconds: number) =>
    clockWarnings(() => Promise.resolve([{ ms: systemClock.now() + seconds * 1_000 }] as never));
  expect(await asked(300)).toEqual([expect.stringContaining('whose clock is 300 s ahead of that of this machine')]);
  expect(await asked(-300)).toEqual([expect.stringContaining('whose clock is 300 s behind that of this machine')]);
  expect(await asked(1)).toEqual([]);
  expect((await told({ DATABASE_URL: castellans.config.databaseUrl?.reveal() })).warnings).toEqual([]);
});

test('a PostgreSQL that is too old', async () => {
  /** What one answers. */
  const asked = (version: string, number: string) =>
    serverProblems(
      () =>
        Promise.resolve([
          { name: 'server_version', setting: version },
          { name: 'server_version_num', setting: number },
        ] as never),
      { production: false, preparedStatements: true },
    );
  expect(await asked('15.4', '150004')).toEqual(['must name a server of PostgreSQL 16 or newer, and this is 15.4']);
  expect(await asked('16.0', '160000')).toEqual([]);
});
