import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { createLog } from '../../src/kit/log.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { makeFolder, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

/** A fenced block of docs/policies.md. */
interface Block {
  readonly kind: string;
  readonly text: string;
  readonly line: number;
}

/** What a block of commands printed. */
interface Ran {
  readonly code: number;
  readonly output: string;
}

let folder: Awaited<ReturnType<typeof makeFolder>>;
let castellans: Castellans;

beforeAll(async () => {
  folder = await makeFolder();
  castellans = await startCastellans(1);
});

afterAll(async () => {
  await castellans.close();
  await folder.remove();
});

test('docs/policies.md works as it is written, from an empty folder', async () => {
  const blocks = blocksOf(await readFile(join(ROOT, 'docs/policies.md'), 'utf8'));
  const home = join(folder.path, 'home');
  const work = join(home, 'work');
  await mkdir(work, { recursive: true });
  await symlink(ROOT, join(home, 'castellan'));
  const admin = await castellans.signIn('admin@castellan.local');
  const sam = await castellans.signUp('sam', ['member']);
  const { roles, grants } = castellans.apps[0]?.services ?? {};
  const support = await roles?.findByName(SYSTEM, 'support');
  await castellans.addScopes('acme');
  await grants?.grant(SYSTEM, { principalId: sam.id, roleId: support?.id ?? '', scope: 'acme' });

  const shell = new Shell(work, {
    HOME: home,
    DATABASE_URL: castellans.config.databaseUrl?.reveal(),
    CASTELLAN_URL: castellans.apps[0]?.url,
    CASTELLAN_TOKEN: admin.accessToken,
  });
  const counts = { yaml: 0, sh: 0, text: 0 };
  let ran: Ran | null = null;
  for (const { kind, text, line } of blocks) {
    counts[kind as keyof typeof counts] += 1;
    if (kind === 'yaml') {
      const path = /^# (\S+\.yaml)\n/.exec(text)?.[1] ?? '';
      expect({ line, path }).toEqual({ line, path: expect.stringMatching(/\.yaml$/) });
      await mkdir(dirname(join(work, path)), { recursive: true });
      await writeFile(join(work, path), text);
    } else if (kind === 'sh') {
      ran = await shell.run(text);
      expect({ line, ...ran, code: ran.code }).toMatchObject({ line, code: 0 });
    } else {
      expect({ line, output: ran?.output }).toEqual({ line, output: expect.stringMatching(patternOf(text)) });
    }
    expect(text.split('\n').filter((each) => each.length > 130)).toEqual([]);
  }
  expect(Object.keys(counts)).toEqual(['yaml', 'sh', 'text']);
  expect(counts.sh).toBeGreaterThan(10);

  const diff = JSON.parse(await readFile(join(work, 'diff.json'), 'utf8')) as object;
  expect(diff).toMatchObject({ ok: true, population: 'endpoint' });

  const config = { ...castellans.config, policiesDir: join(work, 'proposal') };
  const restarted = await createApp(config, { logger: createLog('silent'), poolMax: 5 });
  await restarted.close();
  const { output } = await shell.run('castellan policy diff proposal');
  expect(output).toContain('Both mean the same. Nobody gains or loses anything; asked for 2 principals.');
});

test('the docs name every option of every command', async () => {
  const docs = await readFile(join(ROOT, 'docs/policies.md'), 'utf8');
  const source = await readFile(join(ROOT, 'src/cli/policy-commands.ts'), 'utf8');
  const options = [...source.matchAll(/'(--[a-z-]+)/g)].map(([, option]) => option ?? '');
  expect(options.length).toBeGreaterThan(10);
  expect(options.filter((option) => !docs.includes(option))).toEqual([]);
});

function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(({ 1: kind = '', 2: text = '', index }) => ({
    kind,
    text,
    line: markdown.slice(0, index).split('\n').length,
  }));
}

/** Literally, but for `…`: part of a line, or, alone on a line, any number of lines. */
function patternOf(text: string): RegExp {
  const lines = text.trimEnd().split('\n');
  const parts = lines.map((line) => (line === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(literally).join('.*')}\\n`));
  return new RegExp(`^${parts.join('')}$`);
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Commands one block after the other, with the functions that earlier blocks defined. */
class Shell {
  readonly #cwd: string;
  readonly #env: NodeJS.ProcessEnv;
  #defined = '';

  constructor(cwd: string, env: NodeJS.ProcessEnv) {
    const { PATH } = process.env;
    this.#cwd = cwd;
    this.#env = { PATH, NODE_COMPILE_CACHE: join(ROOT, '.castellan/compiled'), ...env };
  }

  run(commands: string): Promise<Ran> {
    const script = `set -e\n${this.#defined}\nexec 2>&1\n${commands}`;
    this.#defined += commands
      .split('\n')
      .filter((line) => /^\w+\(\) \{.*\}$/.test(line))
      .join('\n');
    return new Promise((resolve) => {
      execFile('bash', ['-c', script], { cwd: this.#cwd, env: this.#env }, (error, output) => {
        resolve({ code: error === null ? 0 : Number(error.code), output });
      });
    });
  }
}
