import { readdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { check, Narrator } from '../../src/cli/demo-narrator.ts';
import { makeFolder, node, processesOf, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

const demo = () => node(['src/cli/demo.ts'], { TMPDIR: folder.path });

test('tells the whole story, all of it as told, in 80 columns of plain text', async () => {
  const { code, stdout, stderr } = await demo().ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('The news was there before the revocation was acknowledged.');
  expect(stdout).toContain('All of it as told');
  expect(stdout).not.toContain('NOT AS TOLD');
  expect(stdout).not.toContain('\u001B');
  expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

test('leaves nothing behind when it is stopped in the middle', async () => {
  const running = demo();
  await running.printed('1. Two instances');
  const { code, stdout } = await running.end('SIGINT');
  expect(code).toBe(130);
  expect(stdout).toContain('Stopped by SIGINT.');
});

test('removes its data and ends its PostgreSQL either way', async () => {
  expect(await readdir(folder.path)).toEqual([]);
  expect(processesOf(folder.path)).toEqual([]);
});

test('a claim that does not hold ends the story there', async () => {
  const lines: string[] = [];
  const narrator = new Narrator({ write: (line) => lines.push(line), goOn: () => {} });
  const failing = narrator.step('The token is dead', async (say) => {
    say('so they say');
    check(lines.length === 0, 'A refuses the token');
  });
  await expect(failing).rejects.toThrow('Not as told: A refuses the token');
  narrator.summary();
  expect(lines.at(-1)).toMatch(/The token is dead .* NOT AS TOLD$/);
});
