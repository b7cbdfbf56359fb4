import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import type { Count } from '../../src/domain/analytics/rollup-store.ts';
import type { Policy } from '../../src/domain/policy/policy.ts';
import { type Principal, SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { toInstant } from '../../src/kit/clock.ts';
import {
  type Answer,
  type Castellans,
  codesOf,
  createTestClock,
  type SignedInUser,
  startCastellans,
  type TestClock,
} from '../support/castellan.ts';

const POLICIES = join(import.meta.dirname, '../../policies');
const INSTANCES = [0, 1, 2];
const QUARTER_MS = 900_000;

/** Lines count: rules are told apart by them. */
const DOCUMENTS = `
subjects:
  Document: { actions: [read, update, archive], attributes: { id: id, secret: boolean } }
roles:
  member:
    allow:
      - { action: read, subject: Document }
      - { action: archive, subject: Document, where: { secret: false } }
    deny:
      - { action: read, subject: Document, where: { secret: true } }
`;
const [READ, ARCHIVE, SECRET] = [7, 8, 10].map((line) => `policies/documents.yaml:${line}`);

interface Decided {
  readonly action: string | null;
  readonly subject: string | null;
  readonly allowed: boolean;
  readonly rule: string | null;
  readonly count: number;
}
interface Report {
  readonly decisions: readonly Decided[];
  readonly buckets: readonly { readonly start: string; readonly allowed: number; readonly denied: number }[];
  readonly overflow: number;
  readonly rulesWithoutDecision: readonly string[];
  readonly risingDenials: readonly (Omit<Decided, 'allowed' | 'count'> & { before: number; now: number })[];
  readonly completeUntil: string;
}
interface Range {
  readonly from: string;
  readonly to: string;
  readonly bucket?: 'hour' | 'day';
  readonly timeZone?: string;
}

const ANALYTICS = `query ($range: AnalyticsRange!) {
  permissionAnalytics(range: $range) {
    decisions { action subject allowed rule count }
    buckets { start allowed denied }
    overflow
    rulesWithoutDecision
    risingDenials { action subject rule before now }
    completeUntil
  }
}`;
const MAY = `query ($action: String!) { viewerCan(action: $action, subject: "Document") { allowed } }`;
const MAY_MANY = `query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed } }`;

let castellans: Castellans;
let clock: TestClock;
let alice: SignedInUser;
let bob: SignedInUser;
/** Bob as he acted last. */
let acting: Principal;
/** What every decision about a user came to, counted where it was made. */
const made = new Map<string, number>();

beforeAll(async () => {
  const policyFiles = [...(await readPolicyFiles(POLICIES)), { path: 'policies/documents.yaml', text: DOCUMENTS }];
  clock = createTestClock();
  castellans = await startCastellans(3, { clock, policyFiles });
  for (const { services } of castellans.apps) noteDecisions(services.policy);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans.close());

/** Each test has a quarter of an hour of its own. Access tokens do not last for as long. */
beforeEach(async () => {
  await nextQuarter();
});

async function nextQuarter(): Promise<void> {
  clock.advance(QUARTER_MS - (clock.now() % QUARTER_MS));
  alice = { ...alice, ...(await castellans.signIn(alice.email)) };
  bob = { ...bob, ...(await castellans.signIn(bob.email)) };
}

function noteDecisions(policy: Policy): void {
  const decide = policy.decide.bind(policy);
  policy.decide = (by, action, subject, field) => {
    const decision = decide(by, action, subject, field);
    const { allowed, rule } = decision;
    const key = JSON.stringify([action, subject.__typename, allowed, rule]);
    if (by.id === bob?.id) acting = by;
    if (by.kind === 'user') made.set(key, (made.get(key) ?? 0) + 1);
    return decision;
  };
}

const flushAll = () => Promise.all(castellans.apps.map(({ services }) => services.rollups.flush()));

function ask(range: Range, { by = alice, instance = 0 } = {}): Promise<Answer<{ permissionAnalytics: Report }>> {
  return castellans.ask(ANALYTICS, { variables: { range }, token: by.accessToken, instance });
}

async function report(range: Range, instance = 0): Promise<Report> {
  const { data, errors } = await ask(range, { instance });
  if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  return data.permissionAnalytics;
}

/** The quarter that it is, or as many as are asked for that end with it. */
function lately(quarters = 1): { readonly from: string; readonly to: string } {
  const end = Math.floor(clock.now() / QUARTER_MS + 1) * QUARTER_MS;
  return { from: toInstant(end - quarters * QUARTER_MS), to: toInstant(end) };
}

async function decideOnDocuments(instance: number): Promise<void> {
  const [token, document] = [bob.accessToken, { action: 'read', subject: 'Document', id: '1' }];
  const checks = [
    { ...document, attributes: { secret: false } },
    { ...document, attributes: { secret: true } },
    { ...document, action: 'update' },
  ];
  await castellans.ask(MAY_MANY, { variables: { checks: [...checks, ...checks] }, token, instance });
  await castellans.ask(MAY, { variables: { action: 'update' }, token, instance });
}

/** Nothing is counted at that time but these: the counts of a test in the past. */
async function addCounts(counts: readonly Pick<Count, 'start' | 'count' | 'dimensions'>[]): Promise<void> {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('there is no instance');
  const metric = 'decision';
  await createStore(app.database).transaction((tx) =>
    tx.rollups.add(
      crypto.randomUUID(),
      counts.map((count) => ({ ...count, metric })),
    ),
  );
}

describe('the decisions of a range', () => {
  test('are those that were made on all instances', async () => {
    made.clear();
    await Promise.all(INSTANCES.map(decideOnDocuments));
    await castellans.ask('{ users(first: 10) { nodes { id email name } } }', { token: alice.accessToken, instance: 1 });
    await castellans.ask('{ me { id email sessions(first: 5) { nodes { id } } } }', { token: bob.accessToken });
    const disable = 'mutation ($id: ID!) { disableUser(id: $id) { user { id } } }';
    const forbidden = { variables: { id: bob.id }, token: bob.accessToken, instance: 2 };
    expect(codesOf(await castellans.ask(disable, forbidden))).toEqual(['FORBIDDEN']);
    await flushAll();

    const recount = [...made].map(([key, count]) => [...(JSON.parse(key) as unknown[]), count]);
    const { decisions, buckets, overflow } = await report(lately(), 1);
    const told = decisions
      .map(({ action, subject, allowed, rule, count }) => [action, subject, allowed, rule, count])
      // Whoever asks decides about themselves while they do.
      .filter(([, subject]) => subject !== 'Analytics');
    expect(new Set(told)).toEqual(new Set(recount));
    expect(told).toHaveLength(recount.length);
    const documents = decisions.filter(({ subject }) => subject === 'Document');
    expect(documents).toEqual([
      { action: 'update', subject: 'Document', allowed: false, rule: null, count: 9 },
      // Equal ones in the order of their words.
      { action: 'read', subject: 'Document', allowed: false, rule: SECRET, count: 6 },
      { action: 'read', subject: 'Document', allowed: true, rule: READ, count: 6 },
    ]);
    const sumOf = (allowed: boolean) =>
      decisions.filter((each) => each.allowed === allowed).reduce((sum, { count }) => sum + count, 0);
    expect(buckets).toEqual([{ start: expect.any(String), allowed: sumOf(true), denied: sumOf(false) }]);
    expect(overflow).toBe(0);
  });

  test('come with the rules that decided nothing in it', async () => {
    await decideOnDocuments(0);
    // Whoever asks is allowed to by a rule as well.
    await report(lately());
    await flushAll();
    const idle = (await report(lately(), 2)).rulesWithoutDecision;
    expect(idle).toContain(ARCHIVE);
    expect(idle).not.toContain(READ);
    expect(idle).not.toContain(SECRET);
    expect(new Set(idle).size).toBe(idle.length);

    const { errors, data } = await castellans.ask<{ viewerCan: { allowed: boolean } }>(MAY, {
      variables: { action: 'archive' },
      token: bob.accessToken,
      instance: 1,
    });
    expect([errors, data?.viewerCan.allowed]).toEqual([[], false]);
    const checks = [{ action: 'archive', subject: 'Document', id: '1', attributes: { secret: false } }];
    await castellans.ask(MAY_MANY, { variables: { checks }, token: bob.accessToken, instance: 1 });
    await flushAll();
    expect((await report(lately())).rulesWithoutDecision).toEqual(idle.filter((rule) => rule !== ARCHIVE));
  });

  test('come with the denials that rose against the time before, the largest rise first', async () => {
    const deny = async (action: string, times: number) => {
      for (let n = 0; n < times; n += 1) {
        const variables = { action };
        await castellans.ask(MAY, { variables, token: bob.accessToken, instance: n % 3 });
      }
    };
    await deny('update', 2);
    await deny('archive', 3);
    await flushAll();
    await nextQuarter();
    await deny('update', 6);
    await deny('archive', 2);
    const checks = [{ action: 'read', subject: 'Document', id: '1', attributes: { secret: true } }];
    await castellans.ask(MAY_MANY, { variables: { checks }, token: bob.accessToken });
    await flushAll();
    const { risingDenials } = await report(lately());
    expect(risingDenials.filter(({ subject }) => subject === 'Document')).toEqual([
      { action: 'update', subject: 'Document', rule: null, before: 2, now: 6 },
      { action: 'read', subject: 'Document', rule: SECRET, before: 0, now: 1 },
    ]);
    // Both times together rose against nothing, or against what other tests left.
    const both = await report(lately(2));
    expect(both.decisions).toContainEqual(expect.objectContaining({ action: 'archive', allowed: false, count: 5 }));
  });

  test('are known to be complete until the oldest that is not written', async () => {
    await flushAll();
    const { completeUntil } = await report(lately());
    await decideOnDocuments(0);
    clock.advance(1_000);
    expect((await report(lately())).completeUntil >= completeUntil).toBe(true);
    const now = toInstant(clock.now());
    await flushAll();
    const later = (await report(lately())).completeUntil;
    expect(later >= now).toBe(true);
    expect(later <= toInstant(clock.now())).toBe(true);
  });

  test('that could not be told apart are an overflow, and nowhere else', async () => {
    const start = '2020-06-01T12:00:00Z';
    const dimensions = { action: 'read', subject: 'User', allowed: true, rule: null };
    await addCounts([
      { start, dimensions: { overflow: true }, count: 5_000_000_000 },
      { start, dimensions, count: 1 },
      { start, dimensions: { ...dimensions, action: null, subject: null, allowed: false }, count: 2 },
    ]);
    expect(await report({ from: start, to: '2020-06-01T13:00:00Z' })).toMatchObject({
      decisions: [
        { action: null, subject: null, allowed: false, rule: null, count: 2 },
        { action: 'read', subject: 'User', allowed: true, rule: null, count: 1 },
      ],
      buckets: [{ start: '2020-06-01T12:00:00.000Z', allowed: 1, denied: 2 }],
      overflow: 5_000_000_000,
      risingDenials: [{ action: null, subject: null, rule: null, before: 0, now: 2 }],
    });
  });
});

describe('hours and days are those of the time zone', () => {
  /** One that is allowed in each quarter from the one instant to the other, and two that are denied. */
  async function steadily(from: string, to: string): Promise<void> {
    const quarters = Array.from({ length: (Date.parse(to) - Date.parse(from)) / QUARTER_MS }, (_, n) => n);
    const words = { action: 'read', subject: 'User', rule: null };
    await addCounts(
      quarters.flatMap((n) => {
        const start = toInstant(Date.parse(from) + n * QUARTER_MS);
        return [
          { start, dimensions: { ...words, allowed: true }, count: 1 },
          { start, dimensions: { ...words, allowed: false }, count: 2 },
        ];
      }),
    );
  }

  test.each([
    ['23', '2024-03-30T23:00:00.000Z', '2024-03-31T22:00:00.000Z'],
    ['25', '2024-10-26T22:00:00.000Z', '2024-10-27T23:00:00.000Z'],
  ])('a day of %s hours in Berlin', async (hours, from, to) => {
    await steadily(toInstant(Date.parse(from) - QUARTER_MS), toInstant(Date.parse(to) + QUARTER_MS));
    const timeZone = 'Europe/Berlin';
    const day = await report({ from, to, timeZone, bucket: 'day' });
    expect(day.buckets).toEqual([{ start: from, allowed: Number(hours) * 4, denied: Number(hours) * 8 }]);
    const { buckets } = await report({ from, to, timeZone });
    expect(buckets).toEqual(
      Array.from({ length: Number(hours) }, (_, n) => ({
        start: toInstant(Date.parse(from) + n * 4 * QUARTER_MS),
        allowed: 4,
        denied: 8,
      })),
    );
    const around = { from: toInstant(Date.parse(from) - 1), to: toInstant(Date.parse(to) + 1) };
    expect((await report({ ...around, timeZone, bucket: 'day' })).buckets.map(({ allowed }) => allowed)).toEqual([
      1,
      Number(hours) * 4,
      1,
    ]);
  });

  test('hours in Kolkata begin at half past, and empty ones are there', async () => {
    await steadily('2024-05-15T11:15:00.000Z', '2024-05-15T13:15:00.000Z');
    const { buckets } = await report({
      from: '2024-05-15T11:00:00Z',
      to: '2024-05-15T15:00:00Z',
      timeZone: 'Asia/Kolkata',
    });
    expect(buckets).toEqual([
      { start: '2024-05-15T10:30:00.000Z', allowed: 1, denied: 2 },
      { start: '2024-05-15T11:30:00.000Z', allowed: 4, denied: 8 },
      { start: '2024-05-15T12:30:00.000Z', allowed: 3, denied: 6 },
      { start: '2024-05-15T13:30:00.000Z', allowed: 0, denied: 0 },
      { start: '2024-05-15T14:30:00.000Z', allowed: 0, denied: 0 },
    ]);
  });

  test('a thousand of them at most', async () => {
    const from = '2000-03-01T00:00:00Z';
    const after = (hours: number) => toInstant(Date.parse(from) + hours * 3_600_000);
    expect((await report({ from, to: after(1_000) })).buckets).toHaveLength(1_000);
    // Their calendar has an hour more than a thousand times twenty-four.
    const days = { from: '2000-06-30T22:00:00Z', timeZone: 'Europe/Berlin', bucket: 'day' } as const;
    expect((await report({ ...days, to: '2003-03-27T23:00:00Z' })).buckets).toHaveLength(1_000);
    for (const range of [
      { from, to: after(1_000.1) },
      { from: '2000-03-01T00:30:00Z', to: after(1_000.5) },
      { from, to: '9999-12-31T00:00:00Z' },
      { ...days, to: '2003-03-27T23:00:01Z' },
    ]) {
      const { errors } = await ask(range);
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'bucket' });
    }
  });
});

describe('it is refused', () => {
  test.each([
    ['a range that ends before it begins', { to: '2024-05-14T00:00:00Z' }, 'to'],
    ['a range that ends as it begins', { to: '2024-05-15T00:00:00Z' }, 'to'],
    ['a time zone that does not exist', { timeZone: 'Europe/Atlantis' }, 'timeZone'],
    ['an offset, which PostgreSQL would take for the opposite', { timeZone: '+05:30' }, 'timeZone'],
    ['what is no name at all', { timeZone: "UTC'\0" }, 'timeZone'],
  ])('%s', async (_, values, field) => {
    const { errors } = await ask({ from: '2024-05-15T00:00:00Z', to: '2024-05-16T00:00:00Z', ...values });
    expect(errors).toHaveLength(1);
    expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  test('to members, support, and administrators and auditors of one scope, on every instance', async () => {
    const sam = await castellans.signUp('sam', ['support']);
    const { roles, grants } = castellans.apps[0]?.services ?? {};
    await castellans.addScopes('acme');
    const scoped = await Promise.all(
      ['administrator', 'auditor'].map(async (name) => {
        const user = await castellans.signUp('ada');
        const role = await roles?.findByName(SYSTEM, name);
        await grants?.grant(SYSTEM, { principalId: user.id, roleId: role?.id ?? '', scope: 'acme' });
        return user;
      }),
    );
    for (const instance of INSTANCES) {
      for (const by of [bob, sam, ...scoped]) {
        expect(codesOf(await ask(lately(), { by, instance }))).toEqual(['FORBIDDEN']);
      }
      const { errors } = await castellans.ask(ANALYTICS, { variables: { range: lately() }, instance });
      expect(codesOf({ errors })).toEqual(['UNAUTHENTICATED']);
    }
    const auditor = await castellans.signUp('ann', ['auditor']);
    expect(codesOf(await ask(lately(), { by: auditor, instance: 1 }))).toEqual([]);
  });

  test('to nobody who only asks whether they may: that is answered', async () => {
    const may = `query ($id: ID) { viewerCan(action: "read", subject: "Analytics", id: $id) { allowed } }`;
    const asked = async ({ accessToken: token }: SignedInUser) =>
      (await castellans.ask(may, { variables: { id: 'permissions' }, token })).data;
    expect(await asked(alice)).toEqual({ viewerCan: { allowed: true } });
    expect(await asked(bob)).toEqual({ viewerCan: { allowed: false } });
    const checks = [{ action: 'read', subject: 'Analytics', id: 'permissions', attributes: { id: 'permissions' } }];
    const described = await castellans.ask(MAY_MANY, { variables: { checks }, token: alice.accessToken });
    expect(codesOf(described)).toEqual(['BAD_USER_INPUT']);
  });
});

describe('an instance', () => {
  /** May Bob? Decided at once, so that nothing is written in between. */
  function decideHere(app: App | undefined, actions: readonly string[]): void {
    for (const action of actions) app?.services.policy.decide(acting, action, { __typename: 'Document', id: '' });
  }

  test('tells how much it has written, and what waits', async () => {
    await decideOnDocuments(1);
    await flushAll();
    const [, app] = castellans.apps;
    const metrics = async () => {
      const text = (await app?.metrics.render()) ?? '';
      return ['keys_pending', 'counted_total', 'flushes_failed_total'].map((name) =>
        Number(new RegExp(`^castellan_rollup_${name} (.+)$`, 'm').exec(text)?.[1]),
      );
    };
    const [pending, written = NaN] = await metrics();
    expect(pending).toBe(0);
    decideHere(app, ['update', 'update', 'read']);
    expect(await metrics()).toEqual([2, written, 0]);
    await flushAll();
    expect(await metrics()).toEqual([0, written + 3, 0]);
  });

  test('that stops without writing loses what it counted since it last did, and nothing else', async () => {
    const [, , app] = castellans.apps;
    await Promise.all(INSTANCES.map(decideOnDocuments));
    await flushAll();
    for (const each of castellans.apps) decideHere(each, ['read', 'update']);
    // From here on it reaches nothing, as if it were not there any more.
    await app?.database.pool.end();
    await app?.close();
    await Promise.allSettled(castellans.apps.map(({ services }) => services.rollups.flush()));
    const { decisions } = await report(lately());
    expect(decisions.filter(({ subject }) => subject === 'Document')).toMatchObject([
      { action: 'update', count: 9 + 2 },
      { action: 'read', allowed: true, count: 6 + 2 },
      { action: 'read', allowed: false, count: 6 },
    ]);
  });
});
