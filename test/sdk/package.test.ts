import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { PASSWORD, startCastellans, type Castellans } from '../support/castellan.ts';
import { ROOT } from '../support/source-files.ts';

const run = promisify(execFile);
/** What `npm run build` and `npm pack` read. */
const SOURCES = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'bin', 'migrations', 'schema', 'src'];

let castellans: Castellans;
let folder: string;
/** A program of somebody else, with the packed castellan in its node_modules. */
let program: string;
let shipped: readonly string[];

beforeAll(async () => {
  castellans = await startCastellans(1);
  folder = await mkdtemp(join(tmpdir(), 'castellan-package-'));
  const source = join(folder, 'castellan');
  for (const name of SOURCES) await cp(join(ROOT, name), join(source, name), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(source, 'node_modules'));
  await run('npm', ['run', 'build'], { cwd: source });
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: source });
  const [{ filename } = { filename: '' }] = JSON.parse(stdout) as { filename: string }[];

  program = join(folder, 'program');
  const installed = join(program, 'node_modules', 'castellan');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', installed, '--strip-components=1']);
  for (const name of ['@casl', 'graphql-ws'])
    await symlink(join(ROOT, 'node_modules', name), join(program, 'node_modules', name));
  shipped = (await readdir(installed, { recursive: true })).toSorted();
}, 60_000);

afterAll(async () => {
  await castellans?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the package ships JavaScript and declarations, and nothing of the server', () => {
  expect(shipped.filter((name) => /\.tsx?$/.test(name) && !name.endsWith('.d.ts'))).toEqual([]);
  expect(shipped.filter((name) => name.startsWith('src'))).toEqual([]);
  expect(shipped).toContain(join('dist', 'sdk', 'client.js'));
});

test('nothing in castellan/client needs Node', async () => {
  const dist = join(program, 'node_modules/castellan/dist/sdk');
  const outside = new Set<string>();
  for (const name of await readdir(dist)) {
    if (!name.endsWith('.js')) continue;
    const text = await readFile(join(dist, name), 'utf8');
    for (const [, specifier = ''] of text.matchAll(/from '([^']+)'/g)) {
      if (specifier.startsWith('./')) expect(await readdir(dist)).toContain(specifier.slice(2));
      else outside.add(specifier);
    }
    expect(text).not.toMatch(/\b(process|Buffer|require|global)\b[.(]/);
  }
  expect([...outside].toSorted()).toEqual(['@casl/ability', '@casl/ability/extra', 'graphql-ws/client']);
});

test('a program in plain JavaScript imports castellan/client and is live', async () => {
  const bob = await castellans.signUp('bob', ['support']);
  await writeFile(
    join(program, 'main.mjs'),
    `import { createLiveAbility } from 'castellan/client';
    const [url, token] = process.argv.slice(2);
    const live = createLiveAbility({ url, accessToken: () => token });
    await live.ready;
    console.log(live.state, live.ability.can('disable', { __typename: 'User', id: 'user_another' }));
    live.dispose();`,
  );
  const url = `${(castellans.apps[0]?.url ?? '').replace('http', 'ws')}/graphql`;
  const { stdout } = await run(process.execPath, ['main.mjs', url, bob.accessToken], { cwd: program });
  expect(stdout).toBe('live true\n');
});

test('the page about front ends is right, with a role that holds in one scope', async () => {
  const [use = '', , , asSubject = ''] = await blocksOf('docs/front-ends.md', 'js');
  const query = (await blocksOf('docs/front-ends.md', 'graphql')).find((block) => block.includes('user(id: $id)'));
  const { url } = castellans.apps[0] ?? { url: '' };
  const { users, roles, grants } = castellans.apps[0]?.services ?? {};
  const bob = await castellans.signUp('bob');
  const support = await roles?.findByName(SYSTEM, 'support');
  await castellans.addScopes('acme/platform', 'acmes');
  await grants?.grant(SYSTEM, { principalId: bob.id, roleId: support?.id ?? '', scope: 'acme' });
  const ids: unknown[] = [];
  for (const scope of ['acme', 'acme/platform', 'acmes']) {
    const made = await users?.create(SYSTEM, { email: `${ids.length}@example.com`, name: scope, scope });
    ids.push(made?.value.id);
  }
  const alice = await castellans.signUp('alice', ['administrator']);
  const given = JSON.stringify({
    ...bob,
    url,
    query,
    ids,
    alice: alice.accessToken,
  });
  await writeFile(
    join(program, 'page.mjs'),
    `const given = ${given};
    const signIn = () => given;
    const ask = (query, variables, token) => fetch(given.url + '/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(token && { authorization: 'Bearer ' + token }) },
      body: JSON.stringify({ query, variables }),
    }).then((response) => response.json());
    ${use.replace('ws://127.0.0.1:4001', url.replace('http', 'ws'))}
    ${asSubject}
    for (const id of given.ids) {
      const { data } = await ask(given.query, { id }, given.alice);
      console.log(data.user.scope, live.ability.can('disable', asSubject(data.user)));
    }
    live.dispose();`,
  );
  const { stdout } = await run(process.execPath, ['page.mjs'], { cwd: program });
  expect(stdout).toBe('acme true\nacme/platform true\nacmes false\nended false\n');
});

test('the page about cookies is right: a browser is live, refreshes and signs out, and sees no token', async () => {
  const [, cookies = ''] = await blocksOf('docs/front-ends.md', 'js');
  const { url } = castellans.apps[0] ?? { url: '' };
  const bob = await castellans.signUp('bob');
  await writeFile(
    join(program, 'cookies.mjs'),
    `import { createLiveAbility } from 'castellan/client';
    // What browsers have and Node lacks: storage, an address, and cookies.
    const stored = new Map();
    globalThis.localStorage = { getItem: (key) => stored.get(key) ?? null, setItem: (key, value) => stored.set(key, value) };
    globalThis.location = new URL(${JSON.stringify(url)});
    const jar = new Map();
    const cookie = () => [...jar].map((pair) => pair.join('=')).join('; ');
    const { fetch: fetchBare, WebSocket: BareWebSocket } = globalThis;
    let seen = '';
    globalThis.fetch = async (path, init) => {
      const response = await fetchBare(new URL(path, location), { ...init, headers: { ...init.headers, cookie: cookie() } });
      for (const line of response.headers.getSetCookie()) {
        const [name, value] = line.split(';')[0].split('=');
        if (value === '') jar.delete(name);
        else jar.set(name, value);
      }
      seen += await response.clone().text();
      return response;
    };
    globalThis.WebSocket = class extends BareWebSocket {
      constructor(url, protocols) {
        super(url, { protocols, headers: { cookie: cookie() } });
      }
    };
    ${cookies}
    const user = await signInWithCookies(${JSON.stringify(bob.email)}, ${JSON.stringify(PASSWORD)});
    const live = startLive();
    await live.ready;
    const before = cookie();
    await live.refresh();
    console.log(user.name, live.state, before !== cookie(), [...jar.values()].some((token) => seen.includes(token)));
    console.log((await askWithCookies('{ me { name } }')).data.me.name);
    await askWithCookies('mutation { signOut { position } }');
    // What is left is no credential.
    console.log([...jar.keys()].join());
    live.dispose();`,
  );
  const { stdout } = await run(process.execPath, ['cookies.mjs'], { cwd: program });
  expect(stdout).toBe('bob live true false\nbob\n__Host-castellan-device\n');
});

test('a program in TypeScript for browsers compiles against its declarations', async () => {
  await writeFile(
    join(program, 'main.ts'),
    `import { createLiveAbility, type LiveAbilityState } from 'castellan/client';
    const live = createLiveAbility({ url: 'ws://127.0.0.1:4001/graphql', accessToken: () => 'token' });
    const state: LiveAbilityState = live.state;
    document.title = state + String(live.ability.can('disable', { __typename: 'User', id: 'user_1' }));
    createLiveAbility({ url: '', csrfToken: () => '', refresh: () => live.refresh() });
    // @ts-expect-error -- a token is needed
    createLiveAbility({ url: '' });
    // @ts-expect-error -- or a cookie, and not both
    createLiveAbility({ url: '', accessToken: () => '', csrfToken: () => '' });`,
  );
  const options = ['--strict', '--noEmit', '--target', 'es2024', '--lib', 'es2024,dom', '--types', ''];
  const modules = ['--module', 'esnext', '--moduleResolution', 'bundler'];
  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  await expect(run(tsc, [...options, ...modules, 'main.ts'], { cwd: program })).resolves.toMatchObject({ stdout: '' });
});

async function blocksOf(page: string, language: string): Promise<readonly string[]> {
  const text = await readFile(join(ROOT, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block);
}
