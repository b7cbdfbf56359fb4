import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { examine } from '../../src/cli/doctor.ts';
import { ConfigError, readConfig, readSetting } from '../../src/config.ts';
import { fileVariable, SECRET_SETTINGS } from '../../src/kit/secret-files.ts';
import { redisUrl } from '../support/castellan.ts';
import { castellan, makeFolder, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

const VALUES: Readonly<Record<(typeof SECRET_SETTINGS)[number], string>> = {
  DATABASE_URL: 'postgres://castellan:hunter2@127.0.0.1/castellan',
  MIGRATION_DATABASE_URL: 'postgres://owner:hunter2@127.0.0.1/castellan',
  REDIS_URL: 'redis://:hunter2@127.0.0.1',
  KEY_ENCRYPTION_KEY: 'hunter2 is a secret that is long enough',
  ADMIN_PASSWORD: 'hunter2 hunter2 hunter2',
  SMTP_URL: 'smtp://castellan:hunter2@127.0.0.1',
  AUDIT_SINK_URL: 'https://logs.example.com',
  AUDIT_SINK_TOKEN: 'hunter2 hunter2 for the sink',
  SECURITY_WEBHOOK_URL: 'https://alerts.example.com',
  SECURITY_WEBHOOK_SECRET: `whsec_${'c2VjcmV0'.repeat(4)}`,
  METRICS_TOKEN: 'hunter2 hunter2 for metrics',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
};

let folder: Awaited<ReturnType<typeof makeFolder>>;

beforeAll(async () => {
  folder = await makeFolder();
  for (const [name, value] of Object.entries(VALUES)) await writeFile(pathOf(name), `${value}\n`, { mode: 0o600 });
  await writeFile(pathOf('NOTHING'), '\n');
});

afterAll(() => folder.remove());

const pathOf = (name: string): string => join(folder.path, name);
const files = (names: readonly string[] = SECRET_SETTINGS) =>
  Object.fromEntries(names.map((name) => [fileVariable(name), pathOf(name)]));

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ variable, message }) => `${variable} ${message}`);
    throw error;
  }
}

/** All that are secrets, each shown as it is. */
function revealed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealed);
  if (typeof value !== 'object' || value === null) return value;
  if ('reveal' in value) return (value as { reveal: () => string }).reveal();
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, revealed(each)]));
}

test('every secret can come from a file, and is the same as from the environment, without the end of its line', () => {
  expect(revealed(readConfig(files()))).toEqual(revealed(readConfig(VALUES)));
  expect(readSetting(files(), 'DATABASE_URL')).toBe(VALUES.DATABASE_URL);
});

test('whatever the configuration keeps as a secret is among them', () => {
  const config = readConfig(VALUES);
  const secrets = JSON.stringify(config).split('"[secret]"').length - 1;
  expect(secrets).toBe(SECRET_SETTINGS.length);
  expect(JSON.stringify({ ...config })).not.toContain('hunter2');
});

describe('does not start, and names the variable and no value, when', () => {
  test.each(SECRET_SETTINGS)('%s is given in both ways', (name) => {
    const env = { ...VALUES, ...files([name]) };
    expect(problemsOf(env)).toEqual([`${name}_FILE cannot be given beside ${name}`]);
  });

  test.each([
    ['is not there', 'nowhere', 'names a file that cannot be read (ENOENT)'],
    ['is a folder', '', 'names a file that cannot be read (EISDIR)'],
    ['is empty but for the end of a line', 'NOTHING', 'names a file that is empty'],
  ])('a file %s, in production with nothing said twice', (_, name, message) => {
    const env = { ...files(), KEY_ENCRYPTION_KEY_FILE: pathOf(name) };
    expect(problemsOf(env)).toEqual([`KEY_ENCRYPTION_KEY_FILE ${message}`]);
    const production = {
      ...env,
      NODE_ENV: 'production',
      ISSUER: 'https://castellan.example.com',
      AUDIENCE: 'example',
      TRUSTED_PROXIES: '10.0.0.1',
    };
    expect(problemsOf(production)).toEqual([`KEY_ENCRYPTION_KEY_FILE ${message}`]);
    expect(() => readSetting(env, 'KEY_ENCRYPTION_KEY')).toThrow(message);
  });

  test('what a file holds is wrong, by the name of the setting', async () => {
    await writeFile(pathOf('short'), 'hunter2');
    expect(problemsOf({ KEY_ENCRYPTION_KEY_FILE: pathOf('short') })).toEqual([
      expect.stringMatching(/^KEY_ENCRYPTION_KEY must be one secret of at least 32 characters/),
    ]);
  });

  test('there is an owner of tables, and no database', () => {
    const { MIGRATION_DATABASE_URL } = VALUES;
    expect(problemsOf({ MIGRATION_DATABASE_URL })).toEqual([
      expect.stringMatching(/^MIGRATION_DATABASE_URL is for the/),
    ]);
  });
});

test('castellan doctor says where a secret comes from, and what is wrong with its file', async () => {
  const env = { ...files(['METRICS_TOKEN']), AUDIT_SINK_TOKEN_FILE: pathOf('nowhere') };
  const { code, stdout } = await castellan(['doctor'], env);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^METRICS_TOKEN +\[secret\] \(from a file\)$/m);
  expect(stdout).toMatch(/^AUDIT_SINK_TOKEN_FILE names a file that cannot be read \(ENOENT\)$/m);
  expect(stdout).not.toMatch(/^warning/m);
});

test('in production castellan doctor warns of secrets in the environment, and of files that everybody may read', async () => {
  await writeFile(pathOf('open'), VALUES.KEY_ENCRYPTION_KEY);
  await chmod(pathOf('open'), 0o644);
  const production = {
    NODE_ENV: 'production',
    BREACHED_PASSWORDS_URL: 'off',
    REDIS_URL: redisUrl(),
    AUDIT_SINK_URL: VALUES.AUDIT_SINK_URL,
    METRICS_TOKEN: VALUES.METRICS_TOKEN,
    KEY_ENCRYPTION_KEY_FILE: pathOf('open'),
    MIGRATION_DATABASE_URL: VALUES.MIGRATION_DATABASE_URL,
    ...files(['AUDIT_SINK_TOKEN']),
  };
  const warnedOf = async (env: Record<string, string>) => {
    const { facts } = await examine(env);
    const { warnings } = facts as { warnings: { variable: string }[] };
    // Of roles that ask for no second factor it is told as well.
    return warnings.map(({ variable }) => variable).filter((variable) => variable !== 'POLICIES_DIR');
  };
  const warned = ['MIGRATION_DATABASE_URL', 'KEY_ENCRYPTION_KEY_FILE', 'METRICS_TOKEN'];
  expect(await warnedOf(production)).toEqual(warned);
  await chmod(pathOf('open'), 0o640);
  expect(await warnedOf(production)).toEqual(warned.filter((name) => !name.endsWith('FILE')));
});
