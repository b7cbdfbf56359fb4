import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { castellan, type Ended, makeFolder, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;
let castellans: Castellans;
let alice: SignedInUser;
let url: string;
let database: string;

beforeAll(async () => {
  folder = await makeFolder();
  castellans = await startCastellans(1);
  url = castellans.apps[0]?.url ?? '';
  database = castellans.config.databaseUrl?.reveal() ?? '';
  alice = await castellans.signUp('alice', ['administrator']);
  await change('new', 'users.yaml', 'reason: Administrators', 'reason: Here administrators');
});

afterAll(async () => {
  await castellans.close();
  await folder.remove();
});

/** Our policies in a folder of this name, with one text in place of another. */
async function change(name: string, file: string, from: string, to: string): Promise<void> {
  const path = join(folder.path, name, file);
  await cp(join(ROOT, 'policies'), join(folder.path, name), { recursive: true });
  const text = await readFile(path, 'utf8');
  expect(text).toContain(from);
  await writeFile(path, text.replace(from, to));
}

const policy = (args: readonly string[], { accessToken }: SignedInUser = alice): Promise<Ended> =>
  castellan(['policy', ...args], { CASTELLAN_TOKEN: accessToken }, folder.path);

interface Listed {
  readonly versions: readonly { readonly version: string; readonly inForce: boolean; readonly appliedBy: string }[];
}

async function history(...from: readonly string[]): Promise<Listed['versions']> {
  const { stdout } = await policy(['history', '--json', ...from]);
  return (JSON.parse(stdout) as Listed).versions;
}

test('apply puts a folder in force, history tells so at both doors, and rollback brings back what was', async () => {
  const [first] = await history('--database', database);
  expect(first).toMatchObject({ inForce: true, appliedBy: 'system' });

  const applied = await policy(['apply', 'new', '--endpoint', url, '--expected', first?.version.slice(0, 12) ?? '']);
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect(applied.stdout).toMatch(/^In force on every instance: [0-9a-f]{12}\n$/);
  const versions = await history('--endpoint', url);
  expect(versions).toMatchObject([{ inForce: true, appliedBy: alice.id }, first && { ...first, inForce: false }]);
  expect(await history('--database', database)).toEqual(versions);

  const late = await policy(['apply', 'new', '--endpoint', url, '--expected', first?.version ?? '']);
  expect(late).toMatchObject({ code: 1, stdout: '' });
  expect(late.stderr).toContain('Another policy is in force than the one that was expected.');

  const { code, stdout } = await policy(['rollback', first?.version.slice(0, 12) ?? '', '--endpoint', url]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `In force on every instance: ${first?.version.slice(0, 12)}\n` });
  expect(await history('--database', database)).toMatchObject([{ version: first?.version, inForce: true }, {}]);
});

test('apply names the case that is answered otherwise, and changes nothing', async () => {
  await change('wrong', 'cases/policy.yaml', 'expect: deny', 'expect: allow');
  const before = await history('--database', database);
  const { code, stdout } = await policy(['apply', 'wrong', '--endpoint', url]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^wrong\/cases\/policy\.yaml:\d+:\d+ sam is denied read/m);
  expect(await history('--database', database)).toEqual(before);
});

test('who may not, what is not there and what is not said', async () => {
  const ann = await castellans.signUp('ann', ['auditor']);
  const refused = await policy(['apply', 'new', '--endpoint', url], ann);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('somebody who may apply policies everywhere, such as an administrator');
  const missing = await policy(['rollback', '0'.repeat(12), '--endpoint', url]);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('There is no version 000000000000') });
  expect((await policy(['rollback', 'abc', '--endpoint', url])).code).toBe(2);
  expect((await policy(['history'])).code).toBe(2);
  expect((await policy(['rollback', '0'.repeat(12)])).code).toBe(2);
});
