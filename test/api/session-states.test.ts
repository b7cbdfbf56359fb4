import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { createApp, type App } from '../../src/app.ts';
import { ANONYMOUS } from '../../src/domain/principals/principal.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createLog } from '../../src/kit/log.ts';
import { newId } from '../../src/kit/ids.ts';
import {
  type Castellans,
  codesOf,
  recordStatements,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { monitorRedis } from '../support/redis-monitor.ts';
import { type RedisServer, startRedisServer } from '../support/redis-server.ts';

/** What every instance knows of the sessions that are used, and where it has it from. */

const COUNT = 1_000;
const ASKED = 100;
const ME = '{ me { id } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { position } }';
const REVOKE = `mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }`;

let server: RedisServer;
let redis: Redis;
let castellans: Castellans;
let admin: SignedInUser;
let bob: SignedInUser;
/** Sessions of one user, put straight into the database: a thousand sign-ins would take a minute. */
let many: readonly string[];

beforeAll(async () => {
  server = await startRedisServer();
  redis = new Redis(server.options);
  castellans = await startCastellans(3, { settings: { redisUrl: new Secret(server.url) } });
  admin = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  many = Array.from({ length: COUNT }, () => newId('session'));
  await castellans.rows(
    `insert into sessions select copy.* from sessions s, unnest($2::text[]) as c (id),
       jsonb_populate_record(s, jsonb_build_object('id', c.id, 'refresh_hash', encode(sha256(c.id::bytea), 'base64'))) copy
     where s.id = $1`,
    bob.sessionId,
    many,
  );
}, 40_000);

afterAll(async () => {
  redis?.disconnect();
  await castellans?.close();
  await server?.stop();
});

const at = (instance: number): App => {
  const app = castellans.apps[instance];
  if (app === undefined) throw new TypeError(`there is no instance ${instance}`);
  return app;
};
const keyOf = (sessionId: string, { id }: SignedInUser): string => `castellan:session:{${id}}:${sessionId}`;
const aboutSessions = ({ names }: { readonly names: readonly string[] }) =>
  names.filter((name) => name === 'snapshot-sessions' || name.startsWith('session'));

/** Another instance, which has been up for no time. */
async function withFresh<T>(work: (fresh: App) => Promise<T>): Promise<T> {
  const fresh = await createApp(castellans.config, { logger: createLog('silent'), poolMax: 5 });
  try {
    return await work(fresh);
  } finally {
    await fresh.close();
  }
}

const load = ({ services }: App, sessionIds: readonly string[]) =>
  Promise.all(sessionIds.map((id) => services.sessionStates.of(id, bob.id)));

async function me(app: App, { accessToken: token }: SignedInUser): Promise<readonly unknown[]> {
  const response = await fetch(`${app.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: ME }),
  });
  const { errors = [] } = (await response.json()) as { errors?: { extensions: Record<string, unknown> }[] };
  return codesOf({ errors: errors as never });
}

test('a fresh instance has a thousand sessions from Redis, and asks PostgreSQL nothing about them', async () => {
  const first = await load(at(0), many);
  expect(first.filter((state) => state === null || state.ended)).toEqual([]);
  // They are written behind the answer.
  await until(async () => (await redis.exists(...many.map((id) => keyOf(id, bob)))) === COUNT);
  await until(() =>
    withFresh(async (fresh) => {
      const recording = recordStatements([fresh]);
      const again = await load(fresh, many);
      recording.stop();
      const { cacheHits, databaseReads } = fresh.services.sessionStates.counts;
      // Redis has a tenth of a second: on a slow machine one more instance is asked.
      if (cacheHits < COUNT) return false;
      expect(databaseReads).toBe(0);
      expect(aboutSessions(recording)).toEqual([]);
      expect(again).toEqual(first);
      return true;
    }),
  );
});

test('a session that was just started, or refreshed, is known to Redis before anybody asks for it', async () => {
  const carol = await castellans.signUp('carol');
  await until(async () => (await redis.exists(keyOf(carol.sessionId, carol))) === 1);
  await until(() =>
    withFresh(async (fresh) => {
      const recording = recordStatements([fresh]);
      expect(await me(fresh, carol)).toEqual([]);
      recording.stop();
      if (fresh.services.sessionStates.counts.cacheHits === 0) return false;
      expect(aboutSessions(recording)).toEqual([]);
      return true;
    }),
  );
  await redis.del(keyOf(carol.sessionId, carol));
  const { errors } = await castellans.ask(REFRESH, {
    variables: { token: carol.refreshToken },
  });
  expect(errors).toEqual([]);
  await until(async () => (await redis.exists(keyOf(carol.sessionId, carol))) === 1);
});

test('a warm request makes no round trip', async () => {
  const { commands } = await roundTrips(async () => {
    for (let n = 0; n < ASKED; n += 1) expect(await me(at(1), bob)).toEqual([]);
  });
  expect(commands.filter((command) => command !== 'a transaction')).toEqual([]);
  // What is written behind goes with the clock, and not with each request.
  expect(commands.length).toBeLessThan(ASKED / 10);
});

describe('when Redis has lost everything', () => {
  test('a thousand cold sessions cost a few statements, one at a time, and nobody is out', async () => {
    await withFresh(async (fresh) => {
      await server.flush();
      const running = { now: 0, most: 0, statements: 0 };
      const { pool } = fresh.database;
      const query = pool.query.bind(pool) as (...args: readonly unknown[]) => Promise<unknown>;
      Object.assign(pool, {
        query: async (...args: readonly unknown[]) => {
          const { name } = Object(args[0]) as { name?: unknown };
          if (name !== 'snapshot-sessions') return query(...args);
          running.statements += 1;
          running.now += 1;
          running.most = Math.max(running.most, running.now);
          return query(...args).finally(() => (running.now -= 1));
        },
      });
      // Each comes in a moment of its own.
      const loads: Promise<unknown>[] = [];
      for (const id of many) {
        loads.push(fresh.services.sessionStates.of(id, bob.id));
        await new Promise(setImmediate);
      }
      const states = (await Promise.all(loads)) as readonly ({ readonly ended: boolean } | null)[];
      expect(states.filter((state) => state === null || state.ended)).toEqual([]);
      expect(running.most).toBe(1);
      // How many go together depends on how fast they come; that some do does not.
      expect(running.statements).toBeLessThan(COUNT);
      expect(running.statements).toBe(fresh.services.sessionStates.counts.databaseReads);
    });
  }, 30_000);

  test('a thousand who ask at once for one session cost one statement', async () => {
    await withFresh(async (fresh) => {
      await server.flush();
      const [one = ''] = many;
      const all = await Promise.all(Array.from({ length: COUNT }, () => fresh.services.sessionStates.of(one, bob.id)));
      expect(new Set(all).size).toBe(1);
      expect(fresh.services.sessionStates.counts).toMatchObject({ cacheMisses: 1, databaseReads: 1 });
    });
  });

  test('what was revoked stays out, on an instance that knows the log and on one that has just started', async () => {
    const mallory = await castellans.signUp('mallory');
    for (const app of castellans.apps) expect(await me(app, mallory)).toEqual([]);
    await castellans.ask(REVOKE, { variables: { id: mallory.sessionId }, token: admin.accessToken });
    await server.flush();
    await withFresh(async (fresh) => {
      for (const app of [...castellans.apps, fresh]) {
        expect(await me(app, mallory)).toEqual(['SESSION_REVOKED']);
        expect(await me(app, bob)).toEqual([]);
      }
    });
  });
});

describe('what Redis says of a session', () => {
  test('counts for nothing once the session was revoked, whatever it says and whoever wrote it back', async () => {
    const mallory = await castellans.signUp('mallory');
    const key = keyOf(mallory.sessionId, mallory);
    await until(async () => (await redis.exists(key)) === 1);
    const before = (await redis.get(key)) ?? '';
    await castellans.ask(REVOKE, { variables: { id: mallory.sessionId }, token: admin.accessToken });
    await withFresh(async (fresh) => {
      for (const app of [...castellans.apps, fresh]) {
        const { sessionStates } = app.services;
        const { cacheRejected } = sessionStates.counts;
        await redis.set(key, before);
        expect(await sessionStates.of(mallory.sessionId, mallory.id)).toMatchObject({ ended: true });
        expect(sessionStates.counts.cacheRejected).toBe(cacheRejected + 1);
        expect(await me(app, mallory)).toEqual(['SESSION_REVOKED']);
        // What was there is replaced by what is so.
        await until(async () => (await redis.get(key)) !== before);
      }
    });
  });

  test('is refused where it is forged, exchanged, cut off or of another kind', async () => {
    const [carol, mallory] = [await castellans.signUp('carol'), await castellans.signUp('mallory')];
    const key = keyOf(mallory.sessionId, mallory);
    await until(async () => (await redis.exists(key, keyOf(carol.sessionId, carol))) === 2);
    const [own, others] = [(await redis.get(key)) ?? '', (await redis.get(keyOf(carol.sessionId, carol))) ?? ''];
    const end = own.indexOf('\n');
    const body = JSON.parse(own.slice(end + 1)) as { readonly inputs: object };
    const raised = JSON.stringify({ ...body, asOf: Number.MAX_SAFE_INTEGER, inputs: { ...body.inputs, aal: 2 } });
    const poison = [`${own.slice(0, end)}\n${raised}`, raised, `\n${raised}`, others, own.slice(0, -1), 'x', ''];
    for (const text of poison) {
      await withFresh(async (fresh) => {
        await redis.set(key, text);
        expect(await fresh.services.sessionStates.of(mallory.sessionId, mallory.id)).toMatchObject({
          userId: mallory.id,
          aal: 1,
          ended: false,
        });
        const { cacheHits, databaseReads } = fresh.services.sessionStates.counts;
        expect({ cacheHits, databaseReads }).toEqual({ cacheHits: 0, databaseReads: 1 });
        // What was there is replaced by what is so.
        await until(async () => (await redis.get(key)) !== text);
      });
    }
  }, 30_000);
});

test('a session whose end is known by its state alone is refused', async () => {
  const mallory = await castellans.signUp('mallory');
  expect(await me(at(0), mallory)).toEqual([]);
  // Nobody told the log.
  await castellans.rows(
    'update sessions set revoked_at = now(), revoked_reason = $2 where id = $1',
    mallory.sessionId,
    'revoked',
  );
  await redis.del(keyOf(mallory.sessionId, mallory));
  await withFresh(async (fresh) => {
    expect(await me(fresh, mallory)).toEqual(['SESSION_REVOKED']);
    expect(await me(fresh, mallory)).toEqual(['SESSION_REVOKED']);
    expect(fresh.services.sessionStates.counts.databaseReads).toBe(1);
  });
});

test('a state that the log has overtaken is read again, whoever holds it', async () => {
  const carol = await castellans.signUp('carol');
  const held = await Promise.all(castellans.apps.map((app) => identify(app, carol)));
  expect(held).toMatchObject([{ session: { aal: 1 } }, { session: { aal: 1 } }, { session: { aal: 1 } }]);
  await castellans.rows(
    `with raised as (update sessions set aal = 2 where id = $1)
     insert into authority_log (target, kind, user_id, reason) values ($1, 'changed', $2, 'test')`,
    carol.sessionId,
    carol.id,
  );
  for (const [instance, { services }] of castellans.apps.entries()) {
    await services.tail.poll(true);
    expect(services.sessionStates.warm(carol.sessionId)).toBeNull();
    const again = await services.standings.recheck(held[instance] ?? ANONYMOUS);
    expect(again).toMatchObject({ session: { aal: 2, ended: false } });
    expect(await identify({ services }, carol)).toEqual(again);
  }
});

// The last one: nobody starts Redis again.
test('while Redis is down, PostgreSQL answers, and what is revoked is out', async () => {
  const mallory = await castellans.signUp('mallory');
  await server.kill9();
  await withFresh(async (fresh) => {
    expect(await me(fresh, bob)).toEqual([]);
    expect(await me(fresh, mallory)).toEqual([]);
    await castellans.ask(REVOKE, { variables: { id: mallory.sessionId }, token: admin.accessToken });
    for (const app of [...castellans.apps, fresh]) expect(await me(app, mallory)).toEqual(['SESSION_REVOKED']);
  });
}, 30_000);

function identify({ services }: Pick<App, 'services'>, { accessToken: token }: SignedInUser) {
  return services.identification.identify({ kind: 'accessToken', token });
}

/** What the instance sends to PostgreSQL and Redis while `work` goes on, but for what goes with the clock. */
async function roundTrips(work: () => Promise<void>): Promise<{ readonly commands: readonly string[] }> {
  await work();
  const recording = recordStatements(castellans.apps);
  const commands: string[] = [];
  const monitor = await monitorRedis(server.url, ({ args }) => {
    if (args[0]?.toLowerCase() === 'get' || args[0]?.toLowerCase() === 'set') commands.push(args.join(' '));
  });
  try {
    await work();
    // What was sent before this has been seen when this has.
    await redis.set('done', '1');
    await until(() => commands.includes('set done 1'));
  } finally {
    monitor.stop();
    recording.stop();
  }
  return { commands: [...recording.names, ...commands.filter((command) => command !== 'set done 1')] };
}
