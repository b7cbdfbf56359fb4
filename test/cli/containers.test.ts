import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { parse } from 'yaml';
import { SETTINGS } from '../../src/cli/settings.ts';
import { ConfigError, readConfig } from '../../src/config.ts';
import { startEmbedded } from '../../src/drivers/postgres/embedded.ts';
import { redisUrl } from '../support/castellan.ts';
import { createCertificate } from '../support/certificate.ts';
import { makeFolder, node, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

interface Service {
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly string[];
}

const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
};

/** The instructions of the Dockerfile, each on one line. */
const dockerfile = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '');

/** What is copied from the project, in the last stage. */
const copied = dockerfile
  .slice(dockerfile.findLastIndex((line) => line.startsWith('FROM ')))
  .flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? []);

/** Whether a path comes to the builder: the last line that names it, or what it is in, says so. */
function isLetIn(path: string): boolean {
  const lines = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const last = lines.findLast((line) => {
    const pattern = line.replace(/^!/, '').replaceAll('.', '\\.').replaceAll('*', '[^/]*');
    return new RegExp(`^${pattern}(/|$)`).test(path);
  });
  return last?.startsWith('!') ?? true;
}

/** Every file of ours that is in the image. */
function filesOfImage(): readonly string[] {
  return copied.flatMap((path) => {
    const files = statSync(join(ROOT, path)).isDirectory()
      ? readdirSync(join(ROOT, path), { recursive: true, encoding: 'utf8', withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
      : [path];
    return files.filter(isLetIn);
  });
}

const castellans = ['castellan-a', 'castellan-b'].map((name) => compose.services[name] ?? {});

/** The environment of a service as compose would make it with these variables set. */
function environmentOf({ environment = {} }: Service, given: Readonly<Record<string, string>> = {}) {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      String(value).replaceAll(
        /\$\{(\w+):-([^}]*)\}/g,
        (_, variable: string, otherwise: string) => given[variable] ?? otherwise,
      ),
    ]),
  );
}

function execForm(instruction: string): readonly string[] {
  const line = dockerfile.find((one) => one.startsWith(instruction)) ?? '';
  return JSON.parse(line.slice(line.indexOf('['))) as string[];
}

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
});

afterAll(() => folder.remove());

test('docker compose up needs nothing set, and is refused by production: it is a trial, without TLS', () => {
  for (const service of castellans) {
    expect(readConfig(environmentOf(service)).production).toBe(false);
    const production = environmentOf(service, { NODE_ENV: 'production', ISSUER: 'https://castellan.example' });
    expect(problemsOf(production)).toEqual(['METRICS_TOKEN', 'TLS_CERTIFICATE_FILE', 'DATABASE_URL', 'REDIS_URL']);
  }
});

test('both instances get every variable that production requires, and none that does not exist', () => {
  const known = SETTINGS.map(({ variable }) => variable);
  for (const { environment = {} } of castellans) {
    expect(requiredInProduction().filter((variable) => !(variable in environment))).toEqual([]);
    expect(Object.keys(environment).filter((variable) => !known.includes(variable))).toEqual([]);
  }
});

test('both instances share a database, a Redis, an issuer and a key, and have a port each, for this machine only', () => {
  const [a, b] = castellans.map((service) => environmentOf(service));
  expect(a).toEqual(b);
  expect(castellans.map(({ ports }) => ports)).toEqual([['127.0.0.1:4001:4001'], ['127.0.0.1:4002:4001']]);
});

test('an instance waits until what it depends on is healthy, and asks with the password that is set there', () => {
  for (const service of castellans) {
    const { DATABASE_URL = '', REDIS_URL = '' } = environmentOf(service);
    for (const [name, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect([name, condition]).toEqual([name, 'service_healthy']);
      expect(compose.services[name]?.healthcheck?.test).toBeDefined();
    }
    expect(Object.keys(service.depends_on ?? {})).toEqual(['postgres', 'redis']);
    const postgres = environmentOf(compose.services['postgres'] ?? {});
    const { hostname, username, password, pathname } = new URL(DATABASE_URL);
    expect([hostname, username, password, pathname]).toEqual([
      'postgres',
      postgres['POSTGRES_USER'],
      postgres['POSTGRES_PASSWORD'],
      `/${postgres['POSTGRES_DB']}`,
    ]);
    expect(new URL(REDIS_URL).password).toBe(environmentOf(compose.services['redis'] ?? {})['REDISCLI_AUTH']);
  }
});

test('every volume is declared, and what is mounted of this folder is there or says how it is made', () => {
  const used = Object.values(compose.services).flatMap(({ volumes = [] }) =>
    volumes.map((volume) => volume.split(':')[0] ?? ''),
  );
  const own = used.filter((name) => name.startsWith('./'));
  expect(Object.keys(compose.volumes)).toEqual(used.filter((name) => !own.includes(name)));
  const missing = own.map((name) => name.slice(2)).filter((name) => !existsSync(join(ROOT, name)));
  expect(missing.filter((name) => !read('docker-compose.yml').includes(`> ${name}`))).toEqual([]);
});

test('what the Dockerfile copies is there, and is let in by .dockerignore', () => {
  const letIn = read('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const all = dockerfile.flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
  expect(all.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  expect([...new Set(all)].toSorted()).toEqual(letIn.toSorted());
});

test('no demonstration, test, measurement, example or tool is in the image, and all that is in production is', () => {
  const files = filesOfImage();
  expect(files.length).toBeGreaterThan(300);
  expect(files.filter((path) => /demo|\.test\.|bench|example|generate\.ts$|^libraries|^src\/sdk/.test(path))).toEqual(
    [],
  );
  expect(files).toEqual(
    expect.arrayContaining(['src/main.ts', 'bin/castellan.js', 'schema/users.graphql', 'package.json']),
  );
});

test('the image has an inventory of what is installed in it', async () => {
  const made = dockerfile.findIndex((line) => line.startsWith('RUN node libraries/sbom.ts --installed'));
  expect(made).toBeGreaterThan(dockerfile.findIndex((line) => line.includes('npm ci')));
  expect(dockerfile).toContain('COPY --from=dependencies /app/sbom.cdx.json ./');

  const stage = join(folder.path, 'stage');
  await mkdir(join(stage, 'node_modules/pino'), { recursive: true });
  await cp(join(ROOT, 'libraries'), join(stage, 'libraries'), { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) await cp(join(ROOT, name), join(stage, name));
  expect(await node(['libraries/sbom.ts', '--installed'], {}, stage).ended).toMatchObject({ code: 0, stderr: '' });
  const { components } = JSON.parse(readFileSync(join(stage, 'sbom.cdx.json'), 'utf8')) as {
    readonly components: readonly { readonly name: string }[];
  };
  expect(components.map(({ name }) => name)).toEqual(['pino']);
});

test('dependencies are installed from the lockfile, the optional ones of others included', () => {
  expect(dockerfile.find((line) => line.startsWith('RUN '))).toMatch(/^RUN npm ci --omit=dev --ignore-scripts/);
  expect(read('Dockerfile')).not.toContain('--omit=optional');
});

test('what is in the image starts in production, is healthy, and ends with exit code 0', async () => {
  const image = join(folder.path, 'app');
  await mkdir(image);
  for (const path of filesOfImage()) {
    await mkdir(dirname(join(image, path)), { recursive: true });
    await cp(join(ROOT, path), join(image, path));
  }
  await symlink(join(ROOT, 'node_modules'), join(image, 'node_modules'));
  expect(dockerfile.at(-1)?.startsWith('CMD [')).toBe(true);
  expect(dockerfile).toContain('USER node');

  // Production asks for one whose commits outlive a crash.
  const postgres = await startEmbedded({ dataDir: join(folder.path, 'postgres') });
  const [program, ...args] = execForm('CMD');
  const { certificate, key } = createCertificate();
  const tls = { TLS_CERTIFICATE_FILE: join(folder.path, 'tls.crt'), TLS_KEY_FILE: join(folder.path, 'tls.key') };
  await writeFile(tls.TLS_CERTIFICATE_FILE, certificate);
  await writeFile(tls.TLS_KEY_FILE, key);
  expect(program).toBe('node');
  const env = {
    ...environmentOf(castellans[0] ?? {}, { NODE_ENV: 'production', ISSUER: 'https://castellan.example' }),
    METRICS_TOKEN: 'a token for whoever collects',
    ...tls,
    HOST: '127.0.0.1',
    PORT: '0',
    DRAIN_SECONDS: '0',
    DATABASE_URL: postgres.url,
    REDIS_URL: redisUrl(),
  };
  const demo = await node(['bin/castellan.js', 'demo'], {}, image).ended;
  expect(demo).toMatchObject({ code: 2, stderr: expect.stringContaining('not part of this installation') });
  const running = node(args, env, image);
  const { port } = new URL(/https:\S+/.exec(await running.printed('health'))?.[0] ?? '');
  expect(running.stdout).toContain('There is no administrator yet: castellan admin create <email> makes one.');
  expect(running.stdout).toMatch(/"roles":\["administrator"\],.*asks for no second factor of them/);
  const [, ...check] = execForm('HEALTHCHECK');
  const { TLS_KEY_FILE } = env;
  expect((await node(check, { PORT: port, TLS_KEY_FILE }).ended).code).toBe(0);
  expect((await node(check, { PORT: port }).ended).code).toBe(1);
  expect((await running.end('SIGTERM')).code).toBe(0);
  expect((await node(check, { PORT: port, TLS_KEY_FILE }).ended).code).toBe(1);
  await postgres.stop();
});

function requiredInProduction(): readonly string[] {
  return problemsOf({ NODE_ENV: 'production' });
}

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems.map(({ variable }) => variable) : [];
  }
}
