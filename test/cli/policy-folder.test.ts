import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { castellan, makeFolder, STARTS_MS } from './running.ts';

/** Which files of a folder are policy files, and what is told of those that cannot be read. */

jest.setTimeout(STARTS_MS);

const POLICY = `subjects: { Document: { actions: [read], attributes: { title: string } } }
roles: { reader: { allow: [{ action: read, subject: Document, where: { title: Grüße } }] } }
`;

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

/** A folder of its own with these files. */
async function policies(name: string, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const path = join(folder.path, name);
  await mkdir(path);
  for (const [file, content] of Object.entries(files)) await writeFile(join(path, file), content);
  return path;
}

const namesIn = async (path: string) => (await readPolicyFiles(path)).map((file) => basename(file.path));

const check = (path: string, ...args: readonly string[]) => castellan(['policy', 'check', path, ...args]);

test('a folder as Kubernetes mounts it is read once, and what editors keep beside a file is not read', async () => {
  const path = await policies('mounted', { '.#other.yaml': 'roles: {', '._users.yaml': '\u0000' });
  await mkdir(join(path, '..2026_12_01'));
  await writeFile(join(path, '..2026_12_01/users.yaml'), POLICY);
  await symlink('..2026_12_01', join(path, '..data'));
  await symlink('..data/users.yaml', join(path, 'users.yaml'));
  expect(await namesIn(path)).toEqual(['users.yaml']);
  expect(await check(path)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 file, 1 subject, 1 role') });
});

test('a file is read whatever the case of its ending, and a folder that is called like one is a folder', async () => {
  const path = await policies('named', { 'A.YAML': POLICY, 'b.Yml': 'roles: { guest: {} }\n', 'c.json': '{}' });
  await mkdir(join(path, 'old.yaml'));
  await writeFile(join(path, 'old.yaml/d.yaml'), 'roles: { member: {} }\n');
  expect(await namesIn(path)).toEqual(['A.YAML', 'b.Yml', 'd.yaml']);
});

test('a link to nothing is named, and how it was called is no matter of a stack', async () => {
  const path = await policies('dangling', { 'a.yaml': POLICY });
  await symlink(join(path, 'nowhere'), join(path, 'b.yaml'));
  const { code, stdout, stderr } = await check(path);
  const told = `The policy file ${join(path, 'b.yaml')} is not there, or a link to nothing (ENOENT)\n`;
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: told });
});

test.each([
  ['latin1', Buffer.from(POLICY, 'latin1'), '2:81'],
  ['UTF-16', Buffer.from(`\uFEFF${POLICY}`, 'utf16le'), '1:1'],
])('a file in %s is told by the place where it is no UTF-8, and its cases too', async (name, content, place) => {
  const path = await policies(name, { 'a.yaml': content });
  const told = `${name}/a.yaml:${place} this file is not in UTF-8 (save it as UTF-8)\n1 problem.\n`;
  expect(await check(path)).toMatchObject({ code: 1, stdout: told });
  const json = JSON.parse((await check(path, '--json')).stdout) as object;
  expect(json).toMatchObject({ ok: false, problems: [{ file: `${name}/a.yaml` }] });

  await writeFile(join(path, 'a.yaml'), POLICY);
  await mkdir(join(path, 'cases'));
  await writeFile(join(path, 'cases/a.yaml'), content);
  const tested = await castellan(['policy', 'test', path]);
  expect(tested).toMatchObject({ code: 1, stdout: expect.stringContaining(`cases/a.yaml:${place} this file is not`) });
});
