import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp, type App } from '../../src/app.ts';
import { newId } from '../../src/kit/ids.ts';
import { createLog } from '../../src/kit/log.ts';
import { recordStatements, startCastellans, until, type Castellans } from '../support/castellan.ts';

const COUNT = 1_000;

let castellans: Castellans;
let ids: readonly string[];

beforeAll(async () => {
  castellans = await startCastellans(1, { redis: true });
  ids = Array.from({ length: COUNT }, () => newId('user'));
  await castellans.rows(
    `insert into users (id, email, email_folded, name, status, created_at)
     select id, id || '@example.com', id || '@example.com', 'Bob', 'active', now() from unnest($1::text[]) as id`,
    ids,
  );
  for (const role of ['member', 'support']) {
    await castellans.rows(
      `insert into grants (id, principal_id, role_id, granted_by, created_at)
       select 'grant_' || $2 || substr(u, 6), u, r.id, 'system', now() from unnest($1::text[]) as u, roles r
       where r.name = $2`,
      ids,
      role,
    );
  }
});

afterAll(() => castellans.close());

const load = ({ services }: App) => Promise.all(ids.map((id) => services.standings.of(id)));

test('a fresh instance has a thousand known abilities from Redis, and asks PostgreSQL nothing about them', async () => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('one was started');
  const first = await load(app);
  expect(app.services.standings.counts).toMatchObject({ databaseReads: 1 });
  expect(first.filter((standing) => standing === null)).toEqual([]);
  // They are written behind the answer.
  const written = async () => {
    const fresh = await createApp(castellans.config, { logger: createLog('silent'), poolMax: 5 });
    const recording = recordStatements([fresh]);
    try {
      const again = await load(fresh);
      const { cacheHits, databaseReads } = fresh.services.standings.counts;
      if (cacheHits < COUNT) return false;
      expect({ cacheHits, databaseReads }).toEqual({ cacheHits: COUNT, databaseReads: 0 });
      expect(recording.names.filter((name) => name === 'snapshot-principals')).toEqual([]);
      for (const [at, standing] of again.entries()) {
        expect(standing?.record).toEqual(first[at]?.record);
        expect(standing?.grants).toEqual(first[at]?.grants);
      }
      return true;
    } finally {
      recording.stop();
      await fresh.close();
    }
  };
  await until(written);
}, 30_000);

test('a thousand who ask at once for the same cost one statement', async () => {
  const fresh = await createApp(castellans.config, { logger: createLog('silent'), poolMax: 5 });
  try {
    const id = newId('user');
    await castellans.rows(
      `insert into users (id, email, email_folded, name, status, created_at) values ($1, $1, $1, 'Bob', 'active', now())`,
      id,
    );
    const all = await Promise.all(Array.from({ length: COUNT }, () => fresh.services.standings.of(id)));
    expect(new Set(all).size).toBe(1);
    expect(fresh.services.standings.counts).toMatchObject({ cacheMisses: 1, databaseReads: 1 });
  } finally {
    await fresh.close();
  }
});
