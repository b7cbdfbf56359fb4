import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp, type App } from '../../src/app.ts';
import { createLog } from '../../src/kit/log.ts';
import { type Castellans, post, type SignedInUser, startCastellans, until } from '../support/castellan.ts';

/** The policy files that an instance has beside it: at start-up, on request, and while somebody edits them. */

const POLICIES = join(import.meta.dirname, '../../policies');
const VERSION = '{ policy { version } }';
const RELOAD = 'mutation { reloadPolicy { version position receipt { enforced } } }';

interface Applied {
  readonly version: string;
  readonly receipt: { readonly enforced: boolean };
}

let folder: string;
let houses: Castellans;
let ada: SignedInUser;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'castellan policies '));
  await cp(POLICIES, join(folder, 'policies'), { recursive: true });
  const settings = { policiesDir: join(folder, 'policies'), policiesWatched: true };
  houses = await startCastellans(2, { settings });
  ada = await houses.signUp('ada', ['administrator']);
});

afterAll(async () => {
  await houses.close();
  await rm(folder, { recursive: true });
});

const path = (name: string) => join(folder, 'policies', name);
const write = (name: string, text: string) => writeFile(path(name), text);
const original = (name: string) => readFile(join(POLICIES, name), 'utf8');

async function versionAt(app: App | undefined = houses.apps[0]): Promise<string> {
  const { data } = await post<{ policy: { version: string } }>(
    app?.url ?? '',
    VERSION,
    {},
    { authorization: `Bearer ${ada.accessToken}` },
  );
  return data?.policy.version ?? '';
}

async function readiness({ url }: App) {
  const [ready, metrics] = await Promise.all([fetch(`${url}/health/ready`), fetch(`${url}/metrics`)]);
  const { warnings = [] } = (await ready.json()) as { warnings?: readonly string[] };
  const problem = /^castellan_policy_problem (\d)$/m.exec(await metrics.text())?.[1];
  return { status: ready.status, warnings, problem };
}

const good = { status: 200, warnings: [], problem: '0' };
const bad = { status: 200, warnings: ['policy'], problem: '1' };
const states = () => Promise.all(houses.apps.map(readiness));

async function newVersion(than: string): Promise<string> {
  for (const app of houses.apps) await until(async () => (await versionAt(app)) !== than);
  return versionAt();
}

/** With another policy than any before it. */
let edits = 0;
async function goodEdit(): Promise<string> {
  const before = await versionAt();
  edits += 1;
  await write('users.yaml', (await original('users.yaml')).replace('reason: ', `reason: ${edits}. `));
  return newVersion(before);
}

async function restarted(settings: Partial<Castellans['config']>, work: (app: App) => Promise<void>): Promise<void> {
  const config = { ...houses.config, policiesWatched: false, ...settings };
  const app = await createApp(config, { logger: createLog('silent'), poolMax: 3 });
  try {
    await work(app);
  } finally {
    await app.close();
  }
}

test('files are in force on every instance as soon as they are edited, and back when they are edited back', async () => {
  const before = await versionAt();
  await goodEdit();
  const rows = await houses.rows('select put_by from policy_bundles');
  expect(rows).toEqual([{ put_by: 'system' }, { put_by: 'system' }]);
  await write('users.yaml', await original('users.yaml'));
  for (const app of houses.apps) await until(async () => (await versionAt(app)) === before);
});

test('files that are edited badly leave the last good policy in force, and say so until they are mended', async () => {
  const before = await goodEdit();
  await write('users.yaml', (await original('users.yaml')).replace('disable]', 'disabel]'));
  await until(async () => (await states()).every(({ problem }) => problem === '1'));
  expect(await states()).toEqual([bad, bad]);
  expect(await versionAt()).toBe(before);

  // As editors save: another file takes the name.
  edits += 1;
  await write('users.yaml~', (await original('users.yaml')).replace('reason: ', `reason: ${edits}. `));
  await rename(path('users.yaml~'), path('users.yaml'));
  await newVersion(before);
  await until(async () => (await states()).every(({ problem }) => problem === '0'));
  expect(await states()).toEqual([good, good]);
});

test('files that answer a case otherwise are not put in force either', async () => {
  const before = await goodEdit();
  await write('users.yaml', (await original('users.yaml')).replace('[read, disable], ', 'read, '));
  await until(async () => (await states()).every(({ problem }) => problem === '1'));
  expect(await versionAt()).toBe(before);
  await goodEdit();
  await until(async () => (await states()).every(({ problem }) => problem === '0'));
});

test('files do not come back by an instance restarting with older ones', async () => {
  const before = await versionAt();
  await cp(join(folder, 'policies'), join(folder, 'older'), { recursive: true });
  const newer = await goodEdit();
  expect(newer).not.toBe(before);
  await restarted({ policiesDir: join(folder, 'older') }, async (app) => {
    expect(await versionAt(app)).toBe(newer);
    expect(await readiness(app)).toEqual(good);
  });
  expect(await versionAt()).toBe(newer);
});

test('files that cannot be used at start-up leave the policy in force, and say so; an administrator reloads them when they can', async () => {
  await cp(join(folder, 'policies'), join(folder, 'other'), { recursive: true });
  const before = await versionAt();
  const text = await original('sessions.yaml');
  await writeFile(join(folder, 'other/sessions.yaml'), text.replace('subject: Session', 'subject: Sesion'));
  await restarted({ policiesDir: join(folder, 'other') }, async (app) => {
    expect(await readiness(app)).toEqual(bad);
    expect(await versionAt(app)).toBe(before);
    const reload = () =>
      post<{ reloadPolicy: Applied }>(app.url, RELOAD, {}, { authorization: `Bearer ${ada.accessToken}` });
    const refused = await reload();
    expect(refused.errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'files' });

    await writeFile(join(folder, 'other/sessions.yaml'), text);
    await writeFile(join(folder, 'other/more.yaml'), 'roles: { guest: {} }');
    expect((await readiness(app)).problem).toBe('1');
    const { data } = await reload();
    expect(data?.reloadPolicy.receipt).toMatchObject({ enforced: true });
    expect(data?.reloadPolicy.version).not.toBe(before);
    expect(await versionAt(houses.apps[1])).toBe(data?.reloadPolicy.version);
    expect(await readiness(app)).toEqual(good);
  });
});

test('files that cannot be used are no start where no policy is in force', async () => {
  await write('users.yaml', 'roles: [');
  await expect(startCastellans(1, { settings: { policiesDir: join(folder, 'policies') } })).rejects.toThrow(
    'policies/users.yaml:1',
  );
});
