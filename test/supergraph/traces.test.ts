import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Castellans, startCastellans } from '../support/castellan.ts';

const TRACED = { 'apollo-federation-include-trace': 'ftv1' };

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1, {
    trustsGateway: (headers) => Promise.resolve(headers['x-castellan-gateway'] === 'trusted'),
  });
}, 40_000);

afterAll(() => castellans?.close());

async function extensionsOf(headers: Record<string, string>): Promise<unknown> {
  const response = await fetch(`${castellans.apps[0]?.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: '{"query":"{ me { id } }"}',
  });
  const { data, extensions } = (await response.json()) as { data?: unknown; extensions?: unknown };
  expect(data).toEqual({ me: null });
  return extensions;
}

test('a trusted gateway gets the trace that it asks for, whether or not the query is known already', async () => {
  const headers = { ...TRACED, 'x-castellan-gateway': 'trusted' };
  for (let time = 0; time < 3; time += 1) {
    expect(await extensionsOf(headers)).toEqual({ ftv1: expect.any(String) });
    expect(await extensionsOf({ 'x-castellan-gateway': 'trusted' })).toBeUndefined();
  }
});

test('nobody else learns how long each field took', async () => {
  for (const gateway of [{}, { 'x-castellan-gateway': 'trust me' }]) {
    expect(await extensionsOf({ ...TRACED, ...gateway })).toBeUndefined();
  }
});
