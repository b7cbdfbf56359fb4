import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { examine } from '../../src/cli/doctor.ts';
import { SETTINGS } from '../../src/cli/settings.ts';
import type { SettingProblem } from '../../src/kit/production-settings.ts';
import { createDatabase } from '../support/database.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedisSentinel } from '../support/redis-sentinel.ts';
import { castellan, makeFolder, node, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

/** A folder of policies: ours, with one text in one of their files replaced by another. */
async function policies(name: string, file: string, from: string, to: string): Promise<string> {
  const path = join(folder.path, name);
  await cp(join(ROOT, 'policies'), path, { recursive: true });
  const text = await readFile(join(path, file), 'utf8');
  expect(text).toContain(from);
  await writeFile(join(path, file), text.replace(from, to));
  return path;
}

/** Stands in for a Node that is too old. */
const OLD = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '20.11.0' } });`;

describe('castellan policy', () => {
  test('check finds nothing in our own policies', async () => {
    expect(await castellan(['policy', 'check'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/rules: no problems\. Policy version [0-9a-f]{64}\.\n$/),
    });
  });

  test('check names file, line and column, with a hint, and as JSON', async () => {
    const broken = await policies('broken', 'roles.yaml', 'action: read', 'action: raed');
    const { code, stdout } = await castellan(['policy', 'check', broken]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^broken\/roles\.yaml:\d+:\d+ .*raed.*\(.*read.*\)$/m);

    const json = await castellan(['policy', 'check', broken, '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      problems: [
        { file: 'broken/roles.yaml', line: expect.any(Number), column: expect.any(Number), hint: expect.any(String) },
      ],
    });
  });

  test('test asks every case of our own policies', async () => {
    const { code, stdout } = await castellan(['policy', 'test', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, failures: [], untried: [] });
  });

  test('test names the case that is answered otherwise', async () => {
    const wrong = await policies('wrong', 'cases/policy.yaml', 'expect: deny', 'expect: allow');
    const { code, stdout } = await castellan(['policy', 'test', wrong]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong\/cases\/policy\.yaml:\d+:\d+ sam is denied read/m);
    expect(stdout).toContain('1 answered otherwise');
  });

  test('test names the rules that no case decides', async () => {
    const untried = join(folder.path, 'untried');
    await mkdir(untried);
    for (const file of ['policy.yaml', 'roles.yaml', 'sessions.yaml', 'users.yaml']) {
      await cp(join(ROOT, 'policies', file), join(untried, file));
    }
    const { code, stdout } = await castellan(['policy', 'test', untried]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^untried\/users\.yaml:\d+:\d+ this rule of the role member decides no case$/m);
  });

  test('looks where POLICIES_DIR says, and refuses a folder that is not there', async () => {
    const { code, stderr } = await castellan(['policy', 'check'], { POLICIES_DIR: '/no/such/folder' });
    expect({ code, stderr }).toEqual({ code: 2, stderr: 'there is no folder /no/such/folder\n' });
  });
});

describe('castellan', () => {
  test('misuse is exit code 2, and is told what was meant', async () => {
    const hints: Readonly<Record<string, string>> = {
      polcy: 'Did you mean policy?',
      'policy chekc': 'Did you mean check?',
      'doctor --jsno': 'Did you mean --json?',
      'policy check one two': 'too many arguments',
      '': 'Usage: castellan',
    };
    const told = Object.entries(hints).map(async ([line, hint]) => {
      const { code, stdout, stderr } = await castellan(line.split(' ').filter(Boolean));
      expect({ line, code, stdout }).toEqual({ line, code: 2, stdout: '' });
      expect(stderr).toContain(hint);
    });
    await Promise.all(told);
  });

  test('--help and --version are none', async () => {
    expect(await castellan(['policy', 'check', '--help'])).toMatchObject({ code: 0, stderr: '' });
    expect(await castellan(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });

  test('sdl prints the schema that the server shows', async () => {
    const { code, stdout } = await castellan(['sdl']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^extend schema @link\(url: "https:\/\/specs\.apollo\.dev\/federation\/v2\.9"/);
    expect(stdout).toMatch(/^ {2}signOut: SignOutPayload! @authenticated$/m);
    expect(stdout).not.toContain('@policy');
  });

  test('sdl --auth says how much of who may ask for what is in it', async () => {
    const [none, policies, scopes, wrong] = await Promise.all(
      ['none', 'policies', 'scopes', 'everything'].map((auth) => castellan(['sdl', '--auth', auth])),
    );
    expect(none?.code).toBe(0);
    expect(none?.stdout).toMatch(/^ {2}signOut: SignOutPayload!$/m);
    expect(none?.stdout).not.toMatch(/@(authenticated|policy)/);
    expect(policies?.stdout).toContain('policy: Policy! @authenticated @policy(policies: [["policy:read"]])');
    expect(scopes?.stdout).toContain('policy: Policy! @authenticated @requiresScopes(scopes: [["policy:read"]])');
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--auth can be none') });
  });

  test('works from any folder', async () => {
    expect((await castellan(['policy', 'check', join(ROOT, 'policies')], {}, folder.path)).code).toBe(0);
  });
});

describe('castellan doctor', () => {
  test('explains every variable that the configuration reads, and no other', async () => {
    const { code, stdout } = await castellan(['doctor', '--json']);
    const { settings } = JSON.parse(stdout) as { settings: { variable: string }[] };
    const [, schema = ''] = (await readFile(join(ROOT, 'src/environment.ts'), 'utf8')).split(
      'const variables = z.object({',
    );
    const read = [...(schema.split('\n});')[0] ?? '').matchAll(/^ {2}([A-Z0-9_]+):/gm)].map(([, name]) => name);
    expect(code).toBe(0);
    expect(settings.map(({ variable }) => variable)).toEqual(read);
  });

  test('names what is wrong by its variable, and tells no secret', async () => {
    const { code, stdout } = await castellan(['doctor'], {
      NODE_ENV: 'production',
      BREACHED_PASSWORDS_URL: 'off',
      DATABASE_URL: 'postgres://castellan:hunter2@127.0.0.1:1/castellan?password=hunter2',
      KEY_ENCRYPTION_KEY: `hunter2${'x'.repeat(40)}`,
      ADMIN_PASSWORD: 'hunter2',
      METRICS_TOKEN: 'hunter2 hunter2 hunter2',
      ISSUER: 'http://castellan.example',
      POLICIES_DIR: '/no/such/folder',
    });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^DATABASE_URL +postgres:\/\/127\.0\.0\.1:1\/castellan$/m);
    expect(stdout).toMatch(/^KEY_ENCRYPTION_KEY +\[secret\]$/m);
    for (const problem of [
      'ADMIN_PASSWORD must have at least 15 characters',
      'AUDIENCE is required in production',
      'ISSUER must start with https:// in production',
      'POLICIES_DIR is a folder that cannot be read',
      'DATABASE_URL cannot be used: nothing listens there (ECONNREFUSED, 127.0.0.1:1).',
    ]) {
      expect(stdout).toContain(`\n${problem}`);
    }
    expect(stdout).not.toContain('hunter2');
  });

  describe('shows all settings, and all that is wrong with them, whichever it is', () => {
    const WEBHOOK = 'https://alerts.example.com/';
    test.each<[string, Record<string, string>, readonly string[]]>([
      [
        'a webhook without its secret',
        { SECURITY_WEBHOOK_URL: WEBHOOK },
        ['SECURITY_WEBHOOK_SECRET is required where SECURITY_WEBHOOK_URL is set'],
      ],
      [
        'a webhook with a secret that is none',
        { SECURITY_WEBHOOK_URL: WEBHOOK, SECURITY_WEBHOOK_SECRET: 'hunter2' },
        ['SECURITY_WEBHOOK_SECRET must'],
      ],
      [
        'a webhook whose secret is in a file that is not there',
        { SECURITY_WEBHOOK_URL: WEBHOOK, SECURITY_WEBHOOK_SECRET_FILE: '/no/such/file' },
        ['SECURITY_WEBHOOK_SECRET_FILE names a file that cannot be read'],
      ],
      ['a certificate without a key', { TLS_CERTIFICATE_FILE: '/no/such/file' }, ['TLS_CERTIFICATE_FILE must come']],
      ['an owner of nothing', { MIGRATION_DATABASE_URL: 'postgres://a@b/c' }, ['MIGRATION_DATABASE_URL is for']],
    ])('%s', async (_, wrong, told) => {
      const { facts } = await examine({ ...wrong, PORT: 'hunter2', POLICIES_DIR: '/no/such/folder' });
      const { settings, problems } = facts as { settings: readonly object[]; problems: readonly SettingProblem[] };
      expect(settings).toHaveLength(SETTINGS.length);
      const said = problems.map(({ variable, message }) => `${variable} ${message}`);
      expect(said).toHaveLength(told.length + 2);
      for (const problem of [...told, 'PORT must be a port number', 'POLICIES_DIR is a folder that cannot be read']) {
        expect(said).toContainEqual(expect.stringContaining(problem));
      }
    });

    test('each of them by itself, whatever it is set to', async () => {
      for (const { variable } of SETTINGS) {
        const { facts } = await examine({ POLICIES_DIR: '/no/such/folder', [variable]: '§', REDIS_URL: '§' });
        const { settings, problems } = facts as { settings: readonly object[]; problems: readonly SettingProblem[] };
        expect(settings).toHaveLength(SETTINGS.length);
        expect(problems.map((problem) => problem.variable)).toEqual(
          expect.arrayContaining(['POLICIES_DIR', 'REDIS_URL']),
        );
      }
    });
  });

  test('shows which servers REDIS_URL names, and that they do not answer', async () => {
    const shown = {
      'redis://:hunter2@127.0.0.1:1/3': 'redis://127.0.0.1:1/3',
      'rediss://a:hunter2@127.0.0.1:1, rediss://a:hunter2@[::1]': 'Redis Cluster: rediss://127.0.0.1:1,[::1]:6379',
      'redis+sentinel://a:hunter2@127.0.0.1:1,127.0.0.1/main/2?sentinelPassword=hunter2':
        'Sentinel: redis+sentinel://127.0.0.1:1,127.0.0.1:26379/main/2',
    };
    const told = Object.entries(shown).map(async ([url, place]) => {
      const { code, stdout } = await castellan(['doctor'], { REDIS_URL: url });
      expect(code).toBe(1);
      expect(
        stdout
          .split('\n')
          .find((line) => line.startsWith('REDIS_URL '))
          ?.slice(10)
          .trim(),
      ).toBe(place);
      expect(stdout).toMatch(/\nREDIS_URL cannot be used: no answer within 3 s \(.+\)$/m);
      expect(stdout).not.toContain('hunter2');
    });
    await Promise.all(told);
  });

  test('finds nothing wrong with a Redis Cluster, nor with sentinels, that answer', async () => {
    const places = await Promise.all([startRedisCluster(), startRedisSentinel()]);
    const found = await Promise.all(places.map(({ url }) => castellan(['doctor'], { REDIS_URL: url })));
    await Promise.all(places.map((place) => place.stop()));
    for (const { code, stdout } of found) {
      expect(stdout).toContain('Nothing is wrong with these settings.');
      expect(code).toBe(0);
    }
  });

  test('warns of variables that are like a setting and are none, and of no others; so does a start', async () => {
    const env = { TRUSTED_PROXY: '10.0.0.1', DATABSE_URL_FILE: '/run/x', RATE_LIMIT_USER: 'off' };
    const others = {
      OTEL_EXPORTER_OTLP_HEADERS: 'x',
      SSL_CERT_FILE: 'x',
      NODE_OPTIONS: '',
      HOSTNAME: 'x',
      SMTP_PORT: '25',
    };
    const { code, stdout } = await castellan(['doctor'], { ...env, ...others });
    const warnings = [
      'warning: TRUSTED_PROXY is no setting: did you mean "TRUSTED_PROXIES"?',
      'warning: DATABSE_URL_FILE is no setting: did you mean "DATABASE_URL_FILE"?',
      'warning: RATE_LIMIT_USER is no setting: did you mean "RATE_LIMIT_USERS"?',
    ];
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => line.startsWith('warning'))).toEqual(warnings);
    const { stderr } = await castellan(['start'], { ...env, ...others, PORT: 'none' });
    expect(stderr.split('\n').filter((line) => line.startsWith('warning'))).toEqual(warnings);
  });
});

describe('the launcher', () => {
  test('runs on the Node that came with Castellan when the one that runs is too old', async () => {
    const ended = await node(['--import', OLD, 'bin/castellan.js', 'policy', 'check', '/no/such/folder']).ended;
    expect(ended).toMatchObject({ code: 2, stderr: 'there is no folder /no/such/folder\n' });
  });

  test('says what to do when there is none', async () => {
    await cp(join(ROOT, 'bin/castellan.js'), join(folder.path, 'bin/castellan.js'));
    await writeFile(join(folder.path, 'package.json'), '{"type":"module"}');
    const { code, stderr } = await node(['--import', OLD, 'bin/castellan.js', 'sdl'], {}, folder.path).ended;
    expect(code).toBe(1);
    expect(stderr).toMatch(/needs Node 24\.7 or newer.*npm ci/s);
  });

  test('says what to do when the libraries are not installed', async () => {
    await cp(join(ROOT, 'src'), join(folder.path, 'bare/src'), { recursive: true });
    await cp(join(ROOT, 'bin'), join(folder.path, 'bare/bin'), { recursive: true });
    await cp(join(ROOT, 'package.json'), join(folder.path, 'bare/package.json'));
    const { code, stdout, stderr } = await node(['bin/castellan.js', 'start'], {}, join(folder.path, 'bare')).ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^castellan lacks a library it uses: run `npm ci` first\.\n/);
  });

  test('what is called wrongly says how to see what there is', async () => {
    for (const args of [['frobnicate'], ['policy', 'chekc'], ['policy', 'check', '--wat'], ['keys', 'list']]) {
      const { code, stderr } = await castellan(args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/\nAdd --help to see what there is\.\n$/);
    }
  });

  test('passes signals on, and the exit code back', async () => {
    const database = await createDatabase();
    const env = { CASTELLAN_DIR: join(folder.path, 'data'), DATABASE_URL: database.url, PORT: '0' };
    const started = node(['--import', OLD, 'bin/castellan.js', 'start', '--json'], env);
    await started.printed('"ok":true');
    expect((await started.end('SIGTERM')).code).toBe(0);
    await database.drop();
  });
});
