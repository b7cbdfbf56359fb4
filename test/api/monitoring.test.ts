import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { examine } from '../../src/cli/doctor.ts';
import { VERSION } from '../../src/app/version.ts';
import {
  askOver,
  type Castellans,
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  type TestClock,
  until,
} from '../support/castellan.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { listening } from '../support/session-events.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const HEALTH = `{
  systemHealth {
    status at position policyVersion missingMigrations
    problems { name instanceId }
    backlog { events eventsSeconds errands errandsSeconds }
    instances {
      id current state lastSeenAt position lag reportedAt version startedAt notReady leaseMarginSeconds
      pool { connections idle waiting max } redis policyVersion policyFilesUsable outboxLagSeconds
    }
  }
}`;
const NAME = 'query ($id: ID!) { user(id: $id) { name } }';
/** Longer than between two reports. */
const REPORT_MS = 5_001;
/** As long as a night has to be for somebody to be woken. */
const OUTAGE_MS = 600_000;

interface Instance {
  readonly id: string;
  readonly current: boolean;
  readonly state: string;
  readonly notReady: readonly string[];
}
interface Health {
  readonly status: string;
  readonly problems: readonly { readonly name: string; readonly instanceId: string | null }[];
  readonly missingMigrations: readonly string[];
  readonly instances: readonly Instance[];
}

let castellans: Castellans;
let clock: TestClock;
let alice: SignedInUser;
let bob: SignedInUser;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(2, { clock });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});

afterAll(() => castellans.close());

const metrics = async (instance = 0): Promise<string> => (await castellans.apps[instance]?.metrics.render()) ?? '';

/** The value of a series; 0 where it is not told yet. */
async function valueOf(series: string, instance = 0): Promise<number> {
  const line = (await metrics(instance)).split('\n').find((each) => each.startsWith(`castellan_${series} `));
  return line === undefined ? 0 : Number(line.slice(line.lastIndexOf(' ')));
}

async function ready(instance = 0) {
  const response = await fetch(`${castellans.apps[instance]?.url}/health/ready`);
  const body = (await response.json()) as {
    readonly checks: Readonly<Record<'authority' | 'pool' | 'policy' | 'migrations', boolean>>;
    readonly reasons?: Record<string, string>;
  };
  return { status: response.status, checks: body.checks, reasons: body.reasons };
}

const health = async (instance = 0) => {
  const { data } = await castellans.ask<{ systemHealth: Health }>(HEALTH, { token: alice.accessToken, instance });
  if (data === null) throw new Error('there is no answer');
  return data.systemHealth;
};

describe('what is asked is counted', () => {
  const OK = 'operation_seconds_count{kind="query",field="user"}';

  test('by kind and root field, through every door and however often it was asked before', async () => {
    const before = await valueOf(OK);
    const total = await valueOf('operations_total{kind="query",outcome="ok"}');
    for (let n = 0; n < 3; n += 1) {
      await castellans.ask(NAME, { token: bob.accessToken, variables: { id: bob.id } });
    }
    const client = castellans.connect({ token: bob.accessToken });
    await askOver(client, NAME, { variables: { id: bob.id } });
    const stream = await fetch(`${castellans.apps[0]?.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${bob.accessToken}`,
      },
      body: JSON.stringify({ query: NAME, variables: { id: bob.id } }),
    });
    expect(await stream.text()).toContain('"name":"bob"');
    expect(await valueOf(OK)).toBe(before + 5);
    expect(await valueOf('operations_total{kind="query",outcome="ok"}')).toBe(total + 5);
    expect(await valueOf('operation_seconds_bucket{le="+Inf",kind="query",field="user"}')).toBe(before + 5);
    expect(await valueOf('operation_seconds_sum{kind="query",field="user"}')).toBeGreaterThan(0);
  });

  test('with the code of what was wrong, the first time and when it is known', async () => {
    const series = 'operation_errors_total{kind="mutation",field="disableUser",code="FORBIDDEN"}';
    const before = await valueOf(series);
    const disable = `mutation { disableUser(id: "${bob.id}") { position } }`;
    expect(codesOf(await castellans.ask(disable, { token: bob.accessToken }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await askOver(castellans.connect({ token: bob.accessToken }), disable))).toEqual(['FORBIDDEN']);
    expect(await valueOf(series)).toBe(before + 2);

    // A query that Apollo Server has answered well goes past it the next time.
    const secret = 'query ($id: ID!) { session(id: $id) { id user { id } } analytics: signingKeys { id } }';
    const several = 'operation_errors_total{kind="query",field="several",code="FORBIDDEN"}';
    expect((await castellans.ask(secret, { token: alice.accessToken, variables: { id: 'sess_0' } })).errors).toEqual(
      [],
    );
    await castellans.ask(secret, { token: bob.accessToken, variables: { id: 'sess_0' } });
    expect(await valueOf(several)).toBe(1);
  });

  test('as unknown where nobody can know it: names that anybody may invent are no labels', async () => {
    const before = await valueOf('operation_errors_total{kind="unknown",field="none",code="BAD_USER_INPUT"}');
    await castellans.ask('{ inventedByMallory { id } }');
    await castellans.ask('query InventedByMallory { me { id } }');
    await castellans.ask('{ invented: me { id } }');
    expect(await valueOf('operation_errors_total{kind="unknown",field="none",code="BAD_USER_INPUT"}')).toBe(before + 1);
    expect((await metrics()).toLowerCase()).not.toContain('invented');
  });

  test('and what is refused before it begins, by code', async () => {
    const before = await valueOf('requests_refused_total{code="UNAUTHENTICATED"}');
    expect((await castellans.ask('{ me { id } }', { token: 'not a token' })).status).toBe(401);
    expect(await valueOf('requests_refused_total{code="UNAUTHENTICATED"}')).toBe(before + 1);
  });

  test('subscriptions by field: those that run, and what they were told', async () => {
    const [running, events] = ['subscriptions', 'subscription_events_total'].map(
      (name) => `${name}{field="sessionEvents"}`,
    );
    const client = castellans.connect({ token: bob.accessToken });
    const feed = await listening(castellans, 0, () => collect(client, 'subscription { sessionEvents { __typename } }'));
    expect(await valueOf(running ?? '')).toBe(1);
    await castellans.signIn(bob.email, 1);
    expect(await feed.next()).toMatchObject({ sessionEvents: { __typename: 'SessionStarted' } });
    expect(await valueOf(events ?? '')).toBe(1);
    expect(await valueOf('operation_seconds_count{kind="subscription",field="sessionEvents"}')).toBe(1);
    await client.dispose();
    await until(async () => (await valueOf(running ?? '')) === 0);
  });

  test('connections, caches and lags', async () => {
    const text = await metrics();
    for (const name of [
      'database_connections{state="in_use"}',
      'database_connections{state="idle"}',
      'database_connections_max',
      'database_waiting',
      'redis_lost',
      'redis_silent',
      'redis_unanswered_total',
      'authority_lag',
      'outbox_lag_seconds',
      'standing_memory_hits_total',
      'standing_memory_misses_total',
      'limits_by_share_total',
    ]) {
      expect(text).toContain(`\ncastellan_${name} `);
    }
    expect(await valueOf('instances')).toBe(2);
    expect(await valueOf('database_connections_max')).toBe(5);
    expect(await valueOf('standing_memory_hits_total')).toBeGreaterThan(0);
    for (const secret of [alice.id, alice.email, bob.id, bob.accessToken]) expect(text).not.toContain(secret);
  });
});

/** As every instance does every five seconds. */
const report = () => Promise.all(castellans.apps.map(({ services }) => services.health.report()));

describe('systemHealth', () => {
  test('shows every instance to an administrator, and which of them answers', async () => {
    await report();
    for (const instance of [0, 1]) {
      await until(async () => (await health(instance)).status === 'ok');
      const { data } = await castellans.ask<{ systemHealth: Health & object }>(HEALTH, {
        token: alice.accessToken,
        instance,
      });
      expect(data?.systemHealth).toMatchObject({ problems: [], missingMigrations: [], backlog: { errands: 0 } });
      expect(data?.systemHealth.instances).toHaveLength(2);
      for (const each of data?.systemHealth.instances ?? []) {
        expect(each).toMatchObject({
          state: 'active',
          version: VERSION,
          notReady: [],
          redis: 'answers',
          policyFilesUsable: true,
          pool: { max: 5, waiting: expect.any(Number) },
          leaseMarginSeconds: expect.any(Number),
        });
      }
      const current = data?.systemHealth.instances.filter((each) => each.current) ?? [];
      expect(current.map(({ id }) => id)).toEqual([castellans.apps[instance]?.services.tail.instanceId]);
    }
  });

  test('is for those who may read it everywhere, and for nobody else', async () => {
    expect(codesOf(await castellans.ask(HEALTH, { token: bob.accessToken }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await castellans.ask(HEALTH))).toEqual(['UNAUTHENTICATED']);
  });

  test('tells of an instance that says nothing any more, and of what waits too long', async () => {
    const other = castellans.apps[1]?.services.tail.instanceId ?? '';
    await castellans.rows(`update instances set reported_at = reported_at - interval '1 hour' where id = $1`, other);
    // It was tried and failed, and is tried again later: so it is not due, and has waited all the same.
    await castellans.rows(
      `insert into errands (id, kind, sealed, attempts, created_at, due_at)
       values ('errand_stuck', 'none', '', 5, now() - interval '1 hour', now() + interval '1 hour')`,
    );
    const { status, problems } = await health();
    expect(status).toBe('degraded');
    expect(problems).toContainEqual({ name: 'errands', instanceId: null });
    expect(problems).toContainEqual({ name: 'silent', instanceId: other });
    await castellans.rows(`delete from errands where id = 'errand_stuck'`);
    await report();
    await until(async () => (await health()).status === 'ok');
  });
});

test('what may wake somebody is told before it is there for the first time: what begins at 1 has increased to nobody', async () => {
  const text = await metrics();
  for (const series of [
    'receipt_seconds_count{enforced="false"}',
    'security_events_total{kind="sign_in.stuffing"}',
    'faults_total',
    'errands_failed_total',
    'operations_shed_total',
    'audit_entries_missing_total',
  ]) {
    expect(text).toContain(`\ncastellan_${series} `);
  }
  expect(await valueOf(`build_info{version="${VERSION}"}`)).toBe(1);
  expect(await valueOf('not_ready{check="migrations"}')).toBe(0);
});

test('a mail that is not handed over counts at once, and not when it is given up a day later', async () => {
  const [failed, abandoned] = await Promise.all([valueOf('errands_failed_total'), valueOf('errands_abandoned_total')]);
  await castellans.rows(
    `insert into errands (id, kind, sealed, created_at, due_at) values ('errand_unreadable', 'mail', '', now(), now())`,
  );
  clock.advance(REPORT_MS);
  await until(
    async () => (await valueOf('errands_failed_total')) + (await valueOf('errands_failed_total', 1)) > failed,
  );
  expect(await valueOf('errands_abandoned_total')).toBe(abandoned);
  await castellans.rows(`delete from errands where id = 'errand_unreadable'`);
});

test('while the mail server is away the log says so once, however many mails wait, and once that they go out', async () => {
  const { logger, lines } = recordedLog();
  const night = createTestClock();
  const server = { isAway: true };
  const mailer = {
    send: () => (server.isAway ? Promise.reject(new Error('nobody there')) : Promise.resolve()),
    close: () => Promise.resolve(),
  };
  const one = await startCastellans(1, { clock: night, logger, mailer });
  try {
    const [app] = one.apps;
    const failed = () => app?.errands.failed ?? 0;
    await one.rows(`insert into users (id, email, email_folded, name, status, created_at, search)
      select 'user_' || n, n || '@example.com', n || '@example.com', 'Bob', 'active', now(), '' from generate_series(1, 5) n`);
    for (const n of [1, 2, 3, 4, 5]) {
      await one.ask(`mutation { requestPasswordReset(email: "${n}@example.com") { position } }`);
    }
    await until(() => failed() === 5);
    const said = (message: string) => lines().filter((line) => line.includes(`"msg":"${message}"`));
    expect(said('an errand failed')).toEqual([
      expect.stringMatching(/"errand":"errand_\w+","kind":"mail","attempts":1/),
    ]);
    server.isAway = false;
    // When they are tried again goes by the clock of this instance.
    await until(() => {
      night.advance(REPORT_MS);
      return said('what failed goes on').length > 0;
    });
    expect(failed()).toBe(5);
  } finally {
    await one.close();
  }
});

describe('what watches it', () => {
  const read = (path: string) => readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');

  test.each([
    ['the alert rules', 'prometheus/castellan-alerts.yaml'],
    ['the dashboard', 'grafana/castellan.json'],
    ['the page', '../docs/monitoring.md'],
  ])('%s name only what an instance tells', async (_, path) => {
    const named = new Set(read(path).match(/\b(castellan|nodejs)_[a-z0-9_]+/g));
    const told = new Set(
      [...(await metrics()).matchAll(/^# TYPE (\S+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name],
      ),
    );
    expect(named.size).toBeGreaterThan(10);
    expect([...named].filter((name) => !told.has(name))).toEqual([]);
  });

  test('the alert rules are a list of alerts, each with an expression, a severity and a summary', () => {
    const { groups } = parse(read('prometheus/castellan-alerts.yaml')) as {
      readonly groups: readonly { readonly rules: readonly Record<string, unknown>[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        alert: expect.stringMatching(/^Castellan[A-Z]\w+$/),
        expr: expect.any(String),
        labels: { severity: expect.stringMatching(/^(warning|critical)$/) },
        annotations: { summary: expect.any(String), runbook: `docs/runbook.md#${String(rule['alert']).toLowerCase()}` },
      });
    }
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    const told = [...read('../docs/runbook.md').matchAll(/^### (Castellan\w+)$/gm)].map(([, name]) => name);
    expect(new Set(told)).toEqual(new Set(rules.map(({ alert }) => alert)));
  });
});

describe('a machine whose clock is wrong', () => {
  test('says so once, in its log, in numbers and to the others, and once more when it is right again', async () => {
    const { logger, lines } = recordedLog();
    const wrong = createTestClock();
    const one = await startCastellans(1, { clocks: [wrong], logger });
    try {
      const [app] = one.apps;
      const [said, admin] = [
        () => lines().filter((line) => line.includes('the clock of this machine')),
        await one.signUp('alice', ['administrator']),
      ];
      const ask = () => one.ask<{ systemHealth: Health }>(HEALTH, { token: admin.accessToken });
      expect((await ask()).data?.systemHealth.problems).toEqual([]);
      wrong.advance(60_000);
      await app?.services.health.report();
      await app?.services.health.report();
      expect(said()).toEqual([expect.stringMatching(/"level":40.*"aheadSeconds":60/)]);
      expect(Math.round(app?.services.health.clockAheadSeconds ?? 0)).toBe(60);
      expect(await app?.metrics.render()).toContain('\ncastellan_clock_ahead_seconds ');
      expect((await ask()).data?.systemHealth.problems.map(({ name }) => name)).toEqual(['clock']);
      wrong.advance(-60_000);
      await app?.services.health.report();
      expect(said()).toHaveLength(2);
    } finally {
      await one.close();
    }
  });
});

describe('while PostgreSQL is away for ten minutes', () => {
  test('each thing that fails is told once, by a line of the log and a number, and once that it goes on', async () => {
    const { logger, lines } = recordedLog();
    const still = createTestClock();
    const state = { isAway: false };
    const proxy = await startTcpProxy(process.env['TEST_POSTGRES_URL'] ?? '', (client, remote) => {
      if (state.isAway) client.destroy();
      client.pipe(remote).pipe(client);
    });
    const one = await startCastellans(1, { clock: still, logger, through: proxy.through });
    try {
      const [app] = one.apps;
      if (app === undefined) throw new Error('there is no instance');
      const { tail } = app.services;
      state.isAway = true;
      for (const socket of proxy.sockets) socket.destroy();
      for (let ms = 0; ms < OUTAGE_MS; ms += 500) {
        still.advance(500);
        await tail.poll(false).catch(() => {});
      }
      const failing = await app.metrics.render();
      expect(failing).toMatch(/^castellan_work_failing_seconds\{work="the chain of the audit log"\} [56]\d\d/m);
      expect(failing).toMatch(/^castellan_lease_margin_seconds -/m);
      state.isAway = false;
      await until(async () => {
        still.advance(500);
        await tail.poll(false).catch(() => {});
        return tail.inForce();
      });
      const told = lines().map((line) => JSON.parse(line) as { readonly level: number; readonly msg: string });
      const counts = Map.groupBy(
        told.filter(({ level }) => level >= 40),
        ({ msg }) => msg,
      );
      expect([...counts.keys()]).toContain('the authority log could not be read');
      // A server that goes away fails in a few ways.
      expect([...counts].filter(([, { length }]) => length > 4).map(([msg, { length }]) => `${length} ${msg}`)).toEqual(
        [],
      );
      const goesOn = lines().filter((line) => line.includes('what failed goes on') && line.includes('authority log'));
      expect(goesOn).toHaveLength(1);
    } finally {
      await one.close();
      await proxy.close();
    }
  }, 60_000);
});

describe('an instance is not ready', () => {
  const released: (() => void)[] = [];
  // Whatever became of the test: what waits for one would wait for ever.
  afterEach(() => released.splice(0).forEach((release) => release()));
  const all = { authority: true, pool: true, policy: true, migrations: true };

  test('while the database is older than its code, and says what is missing; so does the other, and the doctor', async () => {
    await castellans.rows(`delete from migrations where name = '0017-security-events'`);
    clock.advance(REPORT_MS);
    await until(async () => {
      const { checks } = await ready();
      return !checks.migrations && checks.authority;
    });
    expect(await ready()).toEqual({
      status: 503,
      checks: { ...all, migrations: false },
      reasons: { migrations: 'The database is older than this code, and lacks 0017-security-events.' },
    });
    expect(await health(1)).toMatchObject({ status: 'degraded', missingMigrations: ['0017-security-events'] });
    const { ok, facts } = await examine({ DATABASE_URL: castellans.config.databaseUrl?.reveal() });
    expect(ok).toBe(false);
    expect(facts).toMatchObject({
      problems: [{ variable: 'DATABASE_URL', message: expect.stringContaining('lacks 0017-security-events') }],
    });
    expect(await valueOf('not_ready{check="migrations"}')).toBe(1);
    await castellans.rows(`insert into migrations (name) values ('0017-security-events')`);
    clock.advance(REPORT_MS);
    await until(async () => (await ready()).status === 200);
  });

  test('while others wait for connections that nobody gives back, and is as soon as there are some', async () => {
    const [app] = castellans.apps;
    if (app === undefined) throw new Error('there is no instance');
    const { pool, queue } = app.database;
    const held = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
    const release = (): void => {
      for (const client of held.splice(0)) client.release();
    };
    released.push(release);
    const waiting = castellans.ask('mutation ($i: SignInInput!) { signIn(input: $i) { __typename } }', {
      variables: { i: { email: bob.email, password: PASSWORD } },
    });
    await until(() => queue.waiting > 0);
    clock.advance(501);
    expect((await ready()).checks).toMatchObject({ pool: true });
    clock.advance(2_001);
    expect(await ready()).toMatchObject({
      status: 503,
      checks: { pool: false },
      reasons: { pool: expect.stringContaining('All 5 connections') },
    });
    release();
    await waiting;
    clock.advance(501);
    await until(async () => (await ready()).status === 200);
  });
});
