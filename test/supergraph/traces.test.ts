import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { addGateway } from '../support/gateway-key.ts';

const TRACED = { 'apollo-federation-include-trace': 'ftv1' };

let castellans: Castellans;
let gateway: string;

beforeAll(async () => {
  castellans = await startCastellans(1);
  ({ secret: gateway } = await addGateway(castellans));
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
  const headers = { ...TRACED, 'x-castellan-gateway': gateway };
  for (let time = 0; time < 3; time += 1) {
    expect(await extensionsOf(headers)).toEqual({ ftv1: expect.any(String) });
    expect(await extensionsOf({ 'x-castellan-gateway': gateway })).toBeUndefined();
  }
});

test('nobody else learns how long each field took', async () => {
  expect(await extensionsOf(TRACED)).toBeUndefined();
});
