import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { addGrant, addUser } from '../support/people.ts';
import {
  askOver,
  codesOf,
  type Castellans,
  PASSWORD,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';

/** Who may ask what was done, what they are told, and that a page costs the same however much there is. */

jest.setTimeout(120_000);

/** `AUDIT_ENTRIES=10000000 npm test -- test/api/audit-log.test.ts` asks of as many. */
const ENTRIES = Number(process.env['AUDIT_ENTRIES'] ?? 20_000);
const PART = 20_000;

const WHO = 'id seq at principalId principalKind sessionId apiKeyId address protocol operation action';
const WHAT = 'subjectType subjectId outcome code before after policyVersion position scope';
const LOG = `query Ask($first: Int!, $after: String, $filter: AuditLogFilter) {
  auditLog(first: $first, after: $after, filter: $filter) {
    edges { cursor node { ${WHO} ${WHAT} } }
    pageInfo { hasNextPage endCursor }
  }
}`;
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';

interface Log {
  readonly auditLog: {
    readonly edges: readonly { readonly cursor: string; readonly node: Readonly<Record<string, unknown>> }[];
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string };
  };
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let carol: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  carol = await castellans.signUp('carol');
  await castellans.ask(DISABLE, { token: alice.accessToken, variables: { id: carol.id } });
  await castellans.ask(DISABLE, { token: bob.accessToken, variables: { id: carol.id } });
  await castellans.apps[0]?.services.auditChainer.chain();
});
afterAll(() => castellans?.close());

async function ask(by: SignedInUser, filter: object = {}, page: object = {}): Promise<Log['auditLog']> {
  const variables = { first: 100, filter, ...page };
  const { data, errors } = await castellans.ask<Log>(LOG, { token: by.accessToken, variables });
  if (data === null) throw new Error(JSON.stringify(errors));
  return data.auditLog;
}

const nodes = async (by: SignedInUser, filter: object = {}) => (await ask(by, filter)).edges.map(({ node }) => node);

describe('who disabled carol', () => {
  test('is answered to an administrator, with everything that is known of it', async () => {
    const [entry, ...more] = await nodes(alice, { subjectId: carol.id, action: 'user.disable', outcome: 'done' });
    expect(more).toEqual([]);
    expect(entry).toEqual({
      id: expect.stringMatching(/^audit_\d+$/),
      seq: expect.any(Number),
      at: expect.any(String),
      principalId: alice.id,
      principalKind: 'user',
      sessionId: alice.sessionId,
      apiKeyId: null,
      address: '127.0.0.1',
      protocol: 'http',
      operation: expect.stringMatching(/^sha256:/),
      action: 'user.disable',
      subjectType: 'User',
      subjectId: carol.id,
      outcome: 'done',
      code: null,
      before: { status: 'active' },
      after: { status: 'disabled' },
      policyVersion: expect.any(String),
      position: expect.any(String),
      scope: null,
    });
  });

  test('and who was denied it', async () => {
    const [entry, ...more] = await nodes(alice, { subjectId: carol.id, outcome: 'denied' });
    expect(more).toEqual([]);
    expect(entry).toMatchObject({ principalId: bob.id, action: 'user.disable', code: 'NOT_FOUND', after: null });
  });

  test('is nothing that a member is told, of themselves neither, nor whoever is not signed in', async () => {
    expect(await nodes(bob)).toEqual([]);
    expect(await nodes(bob, { principalId: bob.id })).toEqual([]);
    const { data, errors } = await castellans.ask<Log>(LOG, { variables: { first: 10 } });
    expect([data?.auditLog.edges, errors]).toEqual([[], []]);
    const socket = castellans.connect({ token: bob.accessToken });
    expect((await askOver<Log>(socket, LOG, { variables: { first: 10 } })).data?.auditLog.edges).toEqual([]);
  });

  test('is told an auditor of one scope about those who are at home there, and nobody else', async () => {
    const [app] = castellans.apps;
    if (app === undefined) throw new TypeError('nothing was started');
    const tom = { email: 'tom@example.com', name: 'Tom', scope: 'acme', password: PASSWORD };
    const tomId = await addUser(app, tom);
    await addGrant(app, { principalId: tomId, role: 'auditor', scope: 'acme' });
    const there = await addUser(app, { email: 'a@example.com', name: 'A', scope: 'acme/eu' });
    const elsewhere = await addUser(app, { email: 'b@example.com', name: 'B', scope: 'globex' });
    const { accessToken } = await castellans.signIn(tom.email);
    const asTom = { ...alice, accessToken };
    const told = await nodes(asTom);
    expect(new Set(told.map(({ scope }) => scope))).toEqual(new Set(['acme', 'acme/eu']));
    expect(new Set(told.map(({ subjectId }) => subjectId))).toEqual(new Set([tomId, there]));
    expect(await nodes(asTom, { subjectId: elsewhere })).toEqual([]);
    expect(await nodes(asTom, { action: 'policy.apply' })).toEqual([]);
  });
});

describe('filters', () => {
  // Entries get their numbers a moment after they are written.
  beforeAll(() => castellans.apps[0]?.services.auditChainer.chain());

  test.each([
    ['principalId', () => ({ principalId: alice.id })],
    ['sessionId', () => ({ sessionId: alice.sessionId })],
    ['subjectId', () => ({ subjectId: carol.id })],
    ['subjectType', () => ({ subjectType: 'Session' })],
    ['action', () => ({ action: 'session.start' })],
    ['outcome', () => ({ outcome: 'denied' })],
  ])('%s finds what has it, and only that', async (name, made) => {
    const filter = made();
    const all = await nodes(alice);
    const wanted = Object.values(filter)[0];
    const expected = all.filter((node) => node[name] === wanted);
    expect(expected.length).toBeGreaterThan(0);
    expect(await nodes(alice, filter)).toEqual(expected);
  });

  test('apiKeyId, and what no entry has', async () => {
    expect(await nodes(alice, { apiKeyId: `key_${'0'.repeat(26)}` })).toEqual([]);
    expect(await nodes(alice, { action: 'user.fly' })).toEqual([]);
  });

  test('from then on, and before then', async () => {
    const all = await nodes(alice);
    const middle = String(all[Math.floor(all.length / 2)]?.['at']);
    expect(await nodes(alice, { from: middle })).toEqual(all.filter(({ at }) => String(at) >= middle));
    expect(await nodes(alice, { until: middle })).toEqual(all.filter(({ at }) => String(at) < middle));
    const both = { from: middle, until: middle };
    expect(await nodes(alice, both)).toEqual([]);
  });

  test('and pages give each once, the newest first', async () => {
    const all = await nodes(alice);
    const paged: unknown[] = [];
    for (let after: string | null = null; ;) {
      const { edges, pageInfo } = await ask(alice, {}, { first: 3, after });
      paged.push(...edges.map(({ node }) => node));
      if (!pageInfo.hasNextPage) break;
      after = pageInfo.endCursor;
    }
    expect(paged).toEqual(all);
    const instants = all.map(({ at }) => Date.parse(String(at)));
    expect(instants).toEqual(instants.toSorted((a, b) => b - a));
  });

  test('a page of no or too many entries, and a cursor of something else, are refused', async () => {
    for (const page of [{ first: 0 }, { first: 101 }, { after: 'x' }]) {
      const variables = { first: 10, ...page };
      expect(codesOf(await castellans.ask(LOG, { token: alice.accessToken, variables }))).toEqual(['BAD_USER_INPUT']);
    }
  });
});

describe(`among ${ENTRIES} entries`, () => {
  beforeAll(async () => {
    // A part at a time: no statement takes longer than it may.
    for (let from = 1; from <= ENTRIES; from += PART) {
      await castellans.rows(
        `insert into audit_entries (at, by, kind, action, subject_type, subject_id, outcome, api_key_id, seq)
         select now() - n * interval '1 ms', 'user_' || n % 997, 'user', 'load.' || n % 7, 'User', 'user_' || n % 1009,
           case when n % 50 = 0 then 'denied' else 'done' end, case when n % 101 = 0 then 'key_' || n % 11 end, 1000000 + n
         from generate_series($1::int, $2::int) as n`,
        from,
        Math.min(from + PART - 1, ENTRIES),
      );
    }
    await castellans.rows('analyze audit_entries');
  }, 3_600_000);

  const plans = async (work: () => Promise<unknown>) => {
    const asked: { text: string; values: unknown[] }[] = [];
    const pool = castellans.apps[0]?.database.pool;
    const query = pool?.query.bind(pool) as (...args: readonly unknown[]) => unknown;
    Object.assign(pool ?? {}, {
      query: (statement: { name?: string; text: string; values: unknown[] }, ...rest: readonly unknown[]) => {
        if (
          statement.name?.startsWith('audit-entry-page') === true ||
          statement.text?.includes('from audit_entries e left')
        )
          asked.push({ text: statement.text, values: statement.values });
        return query(statement, ...rest);
      },
    });
    await work().finally(() => Reflect.deleteProperty(pool ?? {}, 'query'));
    expect(asked.length).toBeGreaterThan(0);
    const [{ text, values }] = asked as [{ text: string; values: unknown[] }];
    const rows = await castellans.rows<{ 'QUERY PLAN': string }>(
      `explain (analyze, costs off, timing off) ${text}`,
      ...values,
    );
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  };

  /** The month that has them. An empty table is read as it is. */
  const FULL = new RegExp(`Seq Scan on audit_entries_${new Date().toISOString().slice(0, 7).replace('-', '_')}`);

  /** The most rows that any step of the plan looked at. */
  const mostRows = (plan: string): number =>
    Math.max(
      ...[...plan.matchAll(/rows=([\d.]+) loops=(\d+)/g)].map(([, rows, loops]) => Number(rows) * Number(loops)),
    );

  test.each([
    ['all', {}],
    ['of one principal', { principalId: 'user_7' }],
    ['about one subject', { subjectId: 'user_7' }],
    ['of one action', { action: 'load.3' }],
    ['of one key', { apiKeyId: 'key_3' }],
    ['that were denied', { outcome: 'denied' }],
    ['of one day', { from: '2020-01-01T00:00:00.000Z', until: '2030-01-01T00:00:00.000Z' }],
  ])('a page of those %s reads no table from end to end, at the beginning and deep in it alike', async (_, filter) => {
    const first = await plans(() => ask(alice, filter, { first: 10 }));
    expect(first).not.toMatch(FULL);
    const { edges } = await ask(alice, filter, { first: 50 });
    const deep = await plans(() => ask(alice, filter, { first: 10, after: edges.at(-1)?.cursor ?? null }));
    expect(deep).not.toMatch(FULL);
    for (const plan of [first, deep]) expect(mostRows(plan)).toBeLessThan(200);
  });
});
