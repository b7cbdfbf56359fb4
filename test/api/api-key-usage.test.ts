import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { apiKeysOn, came, ROTATE_KEY } from '../support/api-keys.ts';
import { extensionsOf, INSTANCES, onEveryInstance } from '../support/asking.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';

const USAGE = `query ($id: ID!, $range: AnalyticsRange!) {
  apiKeyUsage(id: $id, range: $range) {
    admitted limited failed
    operations { version operation outcome count }
    buckets { start admitted limited failed }
  }
}`;
const HOUR_MS = 3_600_000;
const at = (ms: number): string => new Date(ms).toISOString();
const range = (more: object = {}) => ({ from: at(Date.now() - HOUR_MS), to: at(Date.now() + HOUR_MS), ...more });

interface Usage {
  readonly admitted: number;
  readonly limited: number;
  readonly failed: number;
  readonly operations: readonly object[];
  readonly buckets: readonly { readonly start: string; readonly admitted: number; readonly failed: number }[];
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

const { ask, done, createKey, withKey, addAccount } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { keyRates: [{ max: 8, seconds: 600 }] } });
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
}, 40_000);

afterAll(() => castellans?.close());

test('tells by version, operation and outcome what was done with a key on any instance, at once', async () => {
  const { apiKey, secret } = await createKey(bob);
  for (const instance of INSTANCES) await withKey(secret, 'query Mine { me { id } }', { instance });
  await withKey(secret, '{ me { id } }');
  const rotated = await done<{ secret: string }>(ROTATE_KEY, { id: apiKey.id, overlapSeconds: 60 }, { by: bob });
  await withKey(rotated.secret, 'query Mine { mine }', { instance: 1 });
  for (let n = 0; n < 5; n += 1) await withKey(rotated.secret, 'query Mine { me { id } }', { instance: 2 });
  // Failed ones are sent behind.
  for (const { services } of castellans.apps) await services.uncountedUses.send();

  const answers = await onEveryInstance((instance) =>
    done<Usage>(USAGE, { id: apiKey.id, range: range() }, { by: bob, instance }),
  );
  for (const { operations, buckets, ...totals } of answers) {
    expect(totals).toEqual({ admitted: 8, limited: 2, failed: 1 });
    expect(operations).toEqual([
      { version: 2, operation: 'Mine', outcome: 'admitted', count: 4 },
      { version: 1, operation: 'Mine', outcome: 'admitted', count: 3 },
      { version: 2, operation: 'Mine', outcome: 'limited', count: 2 },
      { version: 2, operation: 'Mine', outcome: 'failed', count: 1 },
      { version: 1, operation: expect.stringMatching(/^sha256:/), outcome: 'admitted', count: 1 },
    ]);
    expect(buckets.length).toBeGreaterThanOrEqual(2);
    expect(buckets.reduce((sum, { admitted }) => sum + admitted, 0)).toBe(8);
  }
});

test('tells how often others’ tokens were asked about with it, and how often that was limited or refused', async () => {
  const { apiKey, secret } = await createKey(alice, { serviceAccountId: await addAccount('curious', ['service']) });
  const introspect = async (instance: number) => {
    const init = { method: 'POST', body: new URLSearchParams({ token: 'x' }), headers: { 'x-api-key': secret } };
    return (await fetch(`${castellans.apps[instance]?.url}/oauth/introspect`, init)).status;
  };
  for (let n = 0; n < 8; n += 1) expect(await introspect(n % 3)).toBe(403);
  expect(await introspect(0)).toBe(429);
  for (const { services } of castellans.apps) await services.uncountedUses.send();
  const { operations } = await done<Usage>(USAGE, { id: apiKey.id, range: range() });
  expect(operations).toEqual(
    expect.arrayContaining([
      { version: 1, operation: 'introspect', outcome: 'admitted', count: 8 },
      { version: 1, operation: 'introspect', outcome: 'failed', count: 8 },
      { version: 1, operation: 'introspect', outcome: 'limited', count: 1 },
    ]),
  );
});

test('divides a day as the calendar of a time zone does, and tells of hours without any use', async () => {
  const { apiKey } = await createKey(bob);
  const days = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z', bucket: 'day', timeZone: 'Europe/Berlin' };
  const { buckets } = await done<Usage>(USAGE, { id: apiKey.id, range: days }, { by: bob });
  expect(buckets).toEqual(
    ['2025-12-31T23:00:00.000Z', '2026-01-01T23:00:00.000Z'].map((start) => ({
      start,
      admitted: 0,
      limited: 0,
      failed: 0,
    })),
  );
});

test('is for whoever may read the key; to others there is no such key', async () => {
  const serviceAccountId = await addAccount('deployment', ['service']);
  const { apiKey } = await createKey(alice, { serviceAccountId });
  const mallory = await castellans.signUp('mallory');
  for (const by of [mallory, null]) {
    const [real, missing] = [
      await ask(USAGE, { id: apiKey.id, range: range() }, { by }),
      await ask(USAGE, { id: 'key_none', range: range() }, { by }),
    ];
    expect([came(real), came(missing)]).toEqual([
      [200, 'NOT_FOUND'],
      [200, 'NOT_FOUND'],
    ]);
    expect(JSON.stringify(real.errors).replaceAll(apiKey.id, 'key_none')).toBe(JSON.stringify(missing.errors));
  }
  expect(await done<Usage>(USAGE, { id: apiKey.id, range: range() })).toMatchObject({ admitted: 0, operations: [] });
});

test.each([
  ['to', { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
  ['bucket', { from: '2024-01-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }],
  ['timeZone', { timeZone: 'Mars/Olympus' }],
] as const)('refuses a range with a wrong %s', async (field, wrong) => {
  const { apiKey } = await createKey(bob);
  const answer = await ask(USAGE, { id: apiKey.id, range: range(wrong) }, { by: bob });
  expect(extensionsOf(answer)).toMatchObject([{ code: 'BAD_USER_INPUT', field }]);
});
