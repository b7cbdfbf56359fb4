import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { shedEarly } from '../../src/api/http/shedding.ts';
import { LIMITS } from '../../src/kit/limits.ts';
import { LoadShedder } from '../../src/kit/load-shedder.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { WAYS_IN } from '../support/every-door.ts';
import { createStillClock } from '../support/still-clock.ts';

const PAGE = 'https://app.example.com';

let castellans: Castellans;
let token: string;

beforeAll(async () => {
  // Every turn of the event loop is late, and has done enough before it begins.
  const limits = { ...LIMITS, load: { turnMs: 0, lateMs: 0, workMs: 0 } };
  castellans = await startCastellans(1, { settings: { limits, allowedOrigins: [PAGE] } });
  // It shows what is too much.
  ({ accessToken: token } = await castellans.signIn('admin@castellan.local'));
});
afterAll(() => castellans?.close());

test('nobody waits for what will not be done: it is refused at once, in the same words through every door', async () => {
  for (const { name, ask } of WAYS_IN) {
    const answers = await ask(castellans, { token }, 0);
    expect([name, ...answers]).toEqual([name, { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 }]);
  }
});

test.each([
  ['a program', {}, {}],
  ['a page, which may read it', { origin: PAGE }, { 'access-control-allow-origin': PAGE }],
])('says when to come again, and is not kept by anybody: to %s', async (_who, headers, expected) => {
  const response = await fetch(`${castellans.apps[0]?.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: '{ me { id } }' }),
  });
  expect(response.status).toBe(503);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'retry-after': '1',
    'cache-control': 'private, no-store',
    'content-security-policy': expect.any(String),
    ...expected,
  });
  expect(await response.json()).toEqual({
    errors: [
      {
        message: expect.stringMatching(/not begun/),
        extensions: { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 },
      },
    ],
  });
});

test('whoever looks after it is answered as ever, and can see it', async () => {
  const url = castellans.apps[0]?.url ?? '';
  expect((await fetch(`${url}/health/ready`)).status).toBe(200);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(Number(/^castellan_operations_shed_total (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(0);
});

test.each([
  ['has no end has its connection closed, so that it comes again in another turn', false, 'close'],
  ['ends keeps its connection', true, 'keep-alive'],
])('whoever is refused where a turn %s', async (_, ends, connection) => {
  const clock = createStillClock();
  let end = (): void => {};
  const shedder = new LoadShedder(clock, { turnMs: 0, lateMs: 100, workMs: 0 }, (turned) => (end = turned));
  for (let n = 0; n < 1_024; n += 1) shedder.refuses();
  clock.advance(101);
  if (ends) end();
  const server = createServer((request, response) => void shedEarly(shedder)(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number }; // it listens on TCP
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, { method: 'POST', body: '{}' });
  expect([response.status, response.headers.get('connection')]).toEqual([503, connection]);
  server.close();
});
