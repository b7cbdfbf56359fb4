import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { findChromium } from './chromium.js';
import { install } from './install.js';
import { serve } from './serve.js';

const ROOT = join(import.meta.dirname, '../..');
const ADMIN = 'admin@castellan.local';
const PASSWORD = 'a password for the browser test';
const START_MS = 60_000;
const SHOWN_MS = 5_000;

const undo = [];
let castellan;
let site;
let page;
const mistakes = [];

before(async () => {
  const executablePath = findChromium();
  install();
  const { chromium } = await import('playwright-core');
  castellan = await startCastellan();
  const server = await serve({ port: 0, castellan });
  undo.push(() => {
    server.close();
    server.closeAllConnections();
  });
  site = `http://127.0.0.1:${server.address().port}`;
  // Its sandbox refuses to run for root, as whom containers run tests. It sees no page but ours.
  const browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
  undo.push(() => browser.close());
  page = await browser.newPage();
  page.setDefaultTimeout(SHOWN_MS);
  page.on('pageerror', (error) => mistakes.push(error.message));
});

after(async () => {
  for (const back of undo.toReversed()) await back();
});

test('a button goes dark when the role is revoked, and the page when the session is', async () => {
  const { accessToken: alice } = await signIn(ADMIN);
  const [bob, carol] = await Promise.all([createUser(alice, 'Bob'), createUser(alice, 'Carol')]);
  const { role } = await ask('{ role(name: "support") { id } }', {}, alice);
  const grant = () =>
    ask(
      'mutation ($principalId: ID!, $roleId: ID!) { grantRole(principalId: $principalId, roleId: $roleId) { grant { id } } }',
      { principalId: bob.id, roleId: role.id },
      alice,
    );
  const { grantRole } = await grant();

  await page.goto(`${site}/?user=${carol.id}`);
  await page.fill('[name=email]', bob.email);
  await page.fill('[name=password]', PASSWORD);
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('signIn') ?? false);
  await page.click('#sign-in button');
  const { data } = await (await answered).json();
  await page.waitForSelector('#disable:enabled');
  assert.equal(await page.textContent('#user'), 'Carol');
  assert.equal(await page.textContent('#state'), 'live');

  await ask('mutation ($id: ID!) { revokeRole(grantId: $id) { position } }', { id: grantRole.grant.id }, alice);
  await page.waitForSelector('#disable:disabled');
  await grant();
  await page.waitForSelector('#disable:enabled');

  await ask(
    'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }',
    { id: data.signIn.session.id },
    alice,
  );
  await page.waitForSelector('body.dark');
  assert.equal(await page.isDisabled('#disable'), true);
  assert.match(await page.textContent('#message'), /^SESSION_REVOKED: /);
  assert.deepEqual(mistakes, []);
});

test('a browser that opens /graphql asks from there, and nothing comes from elsewhere', async () => {
  const elsewhere = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${castellan}/`) && !url.startsWith('data:')) elsewhere.push(url);
  });
  const shown = page.waitForResponse(
    (response) => response.request().postData()?.includes('IntrospectionQuery') ?? false,
  );
  await page.goto(`${castellan}/graphql`);
  await page.waitForSelector('.graphiql-container');
  assert.deepEqual((await (await shown).json()).errors, undefined);
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('signIn') ?? false);
  await page.click('.graphiql-execute-button');
  const { errors } = await (await answered).json();
  assert.equal(errors[0].extensions.code, 'UNAUTHENTICATED');
  assert.deepEqual({ elsewhere, mistakes }, { elsewhere: [], mistakes: [] });
});

/** A Castellan of our own, with the embedded PostgreSQL, until the tests have run. */
async function startCastellan() {
  const folder = await mkdtemp(join(tmpdir(), 'castellan-browser-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const { DATABASE_URL: _database, REDIS_URL: _redis, NODE_ENV: _mode, ...env } = process.env;
  const child = spawn(process.execPath, [join(ROOT, 'src/main.ts')], {
    cwd: ROOT,
    env: { ...env, PORT: port, CASTELLAN_DIR: folder, ADMIN_EMAIL: ADMIN, ADMIN_PASSWORD: PASSWORD, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = once(child, 'exit');
  undo.push(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  const url = `http://127.0.0.1:${port}`;
  const givesUpAt = performance.now() + START_MS;
  while (performance.now() < givesUpAt && child.exitCode === null) {
    const ready = await fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return url;
    await wait(100);
  }
  throw new Error('Castellan did not start');
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return String(port);
}

async function ask(query, variables, token) {
  const response = await fetch(`${castellan}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function signIn(email) {
  const { signIn } = await ask(
    'mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { accessToken } } }',
    { input: { email, password: PASSWORD } },
  );
  return signIn;
}

async function createUser(token, name) {
  const { createUser } = await ask(
    'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id email } } }',
    { input: { name, email: `${name.toLowerCase()}@example.com`, password: PASSWORD } },
    token,
  );
  return createUser.user;
}
