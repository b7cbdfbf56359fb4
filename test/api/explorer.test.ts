import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { readConfig } from '../../src/config.ts';
import { startCastellans, type Castellans } from '../support/castellan.ts';

const BROWSER = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const SECRETS = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://castellan:secret@db.example.com/castellan?sslmode=verify-full',
  REDIS_URL: 'rediss://:secret@redis.example.com',
  KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
  ISSUER: 'https://castellan.example.com',
  AUDIENCE: 'example',
  METRICS_TOKEN: 'a token for whoever collects',
  TRUSTED_PROXIES: '10.0.0.1',
};

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

test('a browser that opens /graphql sees the explorer, and all that it needs comes from here', async () => {
  const page = await open('/graphql', BROWSER);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
  const html = await page.text();
  const parts = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
  expect(parts).toHaveLength(5);
  for (const path of parts) {
    expect(path).toMatch(/^\/graphql\/explorer\//);
    const part = await open(path);
    expect([path, part.status, part.headers.get('content-type')]).toEqual([
      path,
      200,
      `text/${path.endsWith('.css') ? 'css' : 'javascript'}; charset=utf-8`,
    ]);
    const text = await part.text();
    expect(text.length).toBeGreaterThan(400);
    // Fonts and pictures are in the style sheet itself.
    if (path.endsWith('.css')) expect(text).not.toMatch(/url\((?!"?'?(?:data:|#))/);
  }
});

test('a query is answered as ever, whoever sends it', async () => {
  const query = encodeURIComponent('{ __typename }');
  const asked = await open(`/graphql?query=${query}`, { ...BROWSER, 'apollo-require-preflight': 'true' });
  expect([asked.status, await asked.text()]).toEqual([200, '{"data":{"__typename":"Query"}}\n']);
  const bare = await open('/graphql', { accept: '*/*', 'apollo-require-preflight': 'true' });
  expect([bare.status, bare.headers.get('content-type')]).toEqual([400, 'application/json; charset=utf-8']);
});

test.each([
  ['as graphql-js does', {}],
  ['with all there is to know', { schemaDescription: true, inputValueDeprecation: true, directiveIsRepeatable: true }],
])('tools may ask for the schema %s', async (_, options) => {
  const { data, errors } = await castellans.ask(getIntrospectionQuery(options));
  expect(errors).toEqual([]);
  expect(data).toHaveProperty('__schema.queryType.name', 'Query');
});

test.each(['package.json', '..%2f..%2fpackage.json', 'graphiql.min.js', '__proto__', 'constructor'])(
  'nothing else is there: %s',
  async (file) => {
    expect((await open(`/graphql/explorer/${file}`)).status).toBe(404);
  },
);

test('production has none, and does not start with one', async () => {
  expect(readConfig(SECRETS).explorer).toBe(false);
  expect(() => readConfig({ ...SECRETS, EXPLORER: 'on' })).toThrow(/EXPLORER/);
  expect(readConfig({ EXPLORER: 'off' }).explorer).toBe(false);
  const without = await startCastellans(1, { settings: { explorer: false } });
  try {
    for (const path of ['/graphql', '/graphql/explorer/start.js']) {
      const answer = await fetch(`${without.apps[0]?.url ?? ''}${path}`, { headers: BROWSER });
      expect([path, answer.ok, answer.headers.get('content-type')]).toEqual([
        path,
        false,
        'application/json; charset=utf-8',
      ]);
    }
  } finally {
    await without.close();
  }
});

function open(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${castellans.apps[0]?.url ?? ''}${path}`, { headers });
}
