import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCastellans, type Castellans } from '../support/castellan.ts';

const LISTED = 'https://app.example.com';
const BODY = JSON.stringify({ query: '{ me { id } }' });

let castellans: Castellans;
let closed: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1, { settings: { allowedOrigins: [LISTED, 'https://other.example.com'] } });
  closed = await startCastellans(1);
});

afterAll(() => Promise.all([castellans.close(), closed.close()]));

const ask = (path: string, init: RequestInit = {}, at = castellans) => fetch(`${at.apps[0]?.url}${path}`, init);

const post = (headers: Record<string, string>, at = castellans) =>
  ask('/graphql', { method: 'POST', body: BODY, headers: { 'content-type': 'application/json', ...headers } }, at);

const preflight = (origin: string, at = castellans) =>
  ask(
    '/graphql',
    {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
    },
    at,
  );

function corsOf({ headers }: Response): readonly string[] {
  return [...headers.keys()].filter((name) => name.startsWith('access-control-'));
}

describe('a page of a listed origin', () => {
  test('may ask with cookies and read the answer, whatever it says', async () => {
    const answers = [
      await post({ origin: LISTED }),
      await post({ origin: LISTED, accept: 'text/event-stream' }),
      await post({ origin: LISTED, authorization: 'Bearer garbage' }),
      await ask('/graphql', {
        method: 'POST',
        body: '[]',
        headers: { origin: LISTED, 'content-type': 'application/json' },
      }),
      await ask('/.well-known/nothing', { headers: { origin: LISTED } }),
      await ask('/.well-known/jwks.json', { headers: { origin: LISTED } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 400, 404, 200]);
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe(LISTED);
      expect(headers.get('access-control-allow-credentials')).toBe('true');
      expect(headers.get('vary')).toBe('Origin');
    }
  });

  test('reads nothing that is for operators', async () => {
    const answers = await Promise.all(
      ['/metrics', '/health/ready', '/sdl', '/'].map((path) => ask(path, { headers: { origin: LISTED } })),
    );
    expect(answers.flatMap(corsOf)).toEqual([]);
  });

  test('is told what it may send before it does', async () => {
    const answer = await preflight(LISTED);
    expect(answer.status).toBe(204);
    expect(answer.headers.get('access-control-allow-origin')).toBe(LISTED);
    expect(answer.headers.get('access-control-allow-methods')).toBe('GET, POST');
    for (const name of ['authorization', 'content-type', 'x-csrf-token', 'x-castellan-cookies', 'x-api-key']) {
      expect(answer.headers.get('access-control-allow-headers')?.split(', ')).toContain(name);
    }
  });
});

describe('a page of any other origin', () => {
  test.each([
    'https://evil.example',
    'null',
    '*',
    `${LISTED}.evil.example`,
    `https://evil.example/${LISTED}`,
    LISTED.toUpperCase(),
    LISTED.replace('https', 'http'),
    `${LISTED}:443`,
    `${LISTED}, ${LISTED}`,
  ])('AC-76: gets no header that lets it read anything: %s', async (origin) => {
    const answers = [
      await post({ origin }),
      await preflight(origin),
      await ask('/.well-known/jwks.json', { headers: { origin } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
    expect(answers.flatMap(corsOf)).toEqual([]);
  });
});

test('an answer to nobody’s page says that another one may read otherwise', async () => {
  const answer = await ask('/.well-known/jwks.json');
  expect({ vary: answer.headers.get('vary'), cors: corsOf(answer) }).toEqual({ vary: 'Origin', cors: [] });
});

test('without listed origins there are none', async () => {
  for (const answer of [await post({ origin: LISTED }, closed), await preflight(LISTED, closed)]) {
    expect({ vary: answer.headers.get('vary'), cors: corsOf(answer) }).toEqual({ vary: null, cors: [] });
  }
});
