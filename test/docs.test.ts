import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { PASSWORD, startCastellans, type Castellans } from './support/castellan.ts';

const ROOT = new URL('../', import.meta.url);

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

/** The shell commands of a page, in order. */
function commandsOf(page: string): readonly string[] {
  const text = readFileSync(new URL(page, ROOT), 'utf8');
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
}

test('the commands of the quick start do what it says', async () => {
  const [start = '', ...rest] = commandsOf('docs/quick-start.md');
  expect(start).toContain('npm start');
  const { port } = new URL(castellans.apps[0]?.url ?? '');
  const script = rest.join('\n').replaceAll(':4001', `:${port}`).replaceAll('a password for trying it', PASSWORD);
  const { stdout } = await promisify(execFile)('bash', ['-euc', `${script}\nwait`], { cwd: ROOT, timeout: 15_000 });
  const answers = stdout.trim().split('\n');

  expect(answers.some((line) => line.includes('"administrator"'))).toBe(true);
  expect(answers.filter((line) => line.includes('viewerCan')).map((line) => line.includes('"allowed":true'))).toEqual([
    true,
    false,
    true,
  ]);
  const dark = answers.findIndex((line) => line.includes('AccessEnded') || line.includes("code: 'SESSION_REVOKED'"));
  const receipt = answers.findIndex((line) => line.includes('revokeSession'));
  expect(dark).toBeGreaterThan(-1);
  expect(answers[receipt]).toContain('"enforced":true');
  expect(stdout).toContain('closed with 4401');
  expect(answers.at(-1)).toContain('SESSION_REVOKED');
});
