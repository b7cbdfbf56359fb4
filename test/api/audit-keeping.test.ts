import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AuditRetention } from '../../src/domain/audit/retention.ts';
import { auditShipment } from '../../src/domain/audit/shipment.ts';
import { AuditVerifier } from '../../src/domain/audit/verify.ts';
import { Shipper } from '../../src/domain/shipping.ts';
import { openHttpSink } from '../../src/drivers/http/audit-sink.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { createLog } from '../../src/kit/log.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { asOwner } from '../support/database.ts';

/** That months end when they are no longer kept, and nothing else does; and that a sink gets every entry. */

jest.setTimeout(120_000);

const DAY_MS = 86_400_000;

let castellans: Castellans;
const keys = new Keys([new Secret('a secret for tests that is long enough')]);
const logger = createLog('silent');

const first = () => {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('nothing was started');
  return app;
};
const store = () => createStore(first().database);
const verify = () => new AuditVerifier(store().audit, keys).verify([]);
const chain = () => first().services.auditChainer.chain();
const partitions = async (): Promise<readonly string[]> =>
  (
    await castellans.rows<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_entries'::regclass order by 1`,
    )
  ).map(({ name }) => name);

/** As if these had been written then, in a database where their month has a partition. */
async function written(at: string, count: number): Promise<void> {
  await castellans.rows(
    `insert into audit_entries (at, by, action) select $1::timestamptz + n * interval '1 ms', 'system', 'test.past'
     from generate_series(1, $2::int) as n`,
    at,
    count,
  );
  await chain();
}

const at = (nowMs: number) => ({ ...systemClock, now: () => nowMs });
const retention = (nowMs: number, auditDays = 60) =>
  new AuditRetention({ store: store(), keys, settings: { auditDays }, clock: at(nowMs), logger });

beforeAll(async () => {
  // As whoever made the tables: these months are none of ours, and an instance may see to its own alone.
  castellans = await startCastellans(1, { through: asOwner });
  await chain();
});
afterAll(() => castellans?.close());

describe('months', () => {
  const now = Date.parse('2031-03-15T12:00:00.000Z');

  test('have a partition before they begin, and each once', async () => {
    await retention(now).keep();
    await retention(now).keep();
    expect(await partitions()).toEqual(
      expect.arrayContaining(['audit_entries_2031_03', 'audit_entries_2031_04', 'audit_entries_2031_05']),
    );
    expect(await partitions()).toContain('audit_entries_other');
  });

  test('an entry of a month that has none is written all the same', async () => {
    await written('2031-07-01T00:00:00.000Z', 2);
    expect((await verify()).problems).toEqual([]);
    await castellans.rows(`delete from audit_entries_other`);
    await castellans.rows(`delete from audit_batches where month = '2031-07'`);
  });

  test('are dropped whole when their last day is no longer kept, and the log is whole from there', async () => {
    await written('2031-03-10T00:00:00.000Z', 3);
    const later = Date.parse('2031-06-15T12:00:00.000Z');
    expect((await verify()).problems).toEqual([]);
    // 60 days before is in April: of March nothing is kept, and of what came before it.
    await retention(later).keep();
    expect(await partitions()).not.toContain('audit_entries_2031_03');
    expect(await partitions()).toContain('audit_entries_2031_04');
    const kept = await castellans.rows<{ count: number }>('select count(*)::int as count from audit_entries');
    expect(kept[0]?.count).toBe(0);
    expect(await verify()).toMatchObject({ problems: [], batches: 0 });
    await written('2031-04-20T00:00:00.000Z', 2);
    await written('2031-05-20T00:00:00.000Z', 2);
    expect(await verify()).toMatchObject({ problems: [], batches: 2, entries: 4 });
  });

  test('that came late into the chain leave what was chained before them', async () => {
    await written('2031-04-02T00:00:00.000Z', 2);
    await retention(Date.parse('2031-07-15T12:00:00.000Z')).keep();
    expect(await castellans.rows(`select at from audit_entries where at < '2031-05-01'`)).toEqual([]);
    const found = await verify();
    expect(found).toMatchObject({ problems: [], entries: 2 });
    // May was chained before the entries of April that came late: it is kept, and so is what was signed of those.
    expect(found.batches).toBe(2);
    await castellans.rows(`update audit_entries set by = 'user_x' where at >= '2031-05-01'`);
    expect((await verify()).problems).toHaveLength(2);
  });

  test('an old version goes on writing, and what it left elsewhere is chained as well', async () => {
    await castellans.rows(
      `insert into audit_entries (by, session_id, action, subject_id, before, after)
       select by, null, action, 'user_old', null, '{"status":"active"}'::jsonb
       from unnest($1::text[], $2::text[]) as entry (by, action)`,
      ['svc_old'],
      ['user.disable'],
    );
    await castellans.rows(
      `insert into audit_entries_before (at, by, action, subject_id) values (now(), 'user_a', 'user.create', 'user_old')`,
    );
    await chain();
    const old = await castellans.rows(
      `select action, seq is not null as chained, outcome from audit_entries where subject_id = 'user_old' order by id`,
    );
    expect(old).toEqual([
      { action: 'user.disable', chained: true, outcome: 'done' },
      { action: 'user.create', chained: true, outcome: 'done' },
    ]);
    expect(await castellans.rows('select id from audit_entries_before')).toEqual([]);
  });
});

describe('a sink', () => {
  interface Taken {
    readonly lines: readonly { readonly id: string; readonly seq: number }[];
    readonly authorization: string | undefined;
  }

  let server: Server;
  let taken: Taken[] = [];
  let answers: (times: number, lines: number) => number = () => 204;

  beforeAll(async () => {
    server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (part: string) => (text += part));
      request.on('end', () => {
        const lines = text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Taken['lines'][number]);
        const status = answers(taken.length, lines.length);
        // What it answers wrongly it may have taken as well.
        taken.push({ lines, authorization: request.headers.authorization });
        response.writeHead(status, status === 302 ? { location: 'http://127.0.0.1:1/' } : {}).end();
      });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    await castellans.rows(`delete from audit_sinks`);
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const shipper = () => {
    const url = new Secret(`http://127.0.0.1:${(server.address() as AddressInfo).port}/audit`);
    const sink = openHttpSink({ url, token: new Secret('a token for the sink') });
    return new Shipper({ store: store(), shipment: auditShipment(store().audit, sink), clock: systemClock, logger });
  };

  test('gets every entry in order with the token, from where it was left, and nothing twice', async () => {
    const ours = shipper();
    await ours.ship();
    expect(taken.map(({ authorization }) => authorization)).toEqual(['Bearer a token for the sink']);
    const chained = await castellans.rows<{ seq: string }>(
      'select seq from audit_entries where seq is not null order by seq',
    );
    expect(taken.flatMap(({ lines }) => lines.map(({ seq }) => seq))).toEqual(chained.map(({ seq }) => Number(seq)));
    taken = [];
    await ours.ship();
    expect(taken).toEqual([]);
    await castellans.signUp('new');
    await chain();
    await ours.ship();
    expect(taken.flatMap(({ lines }) => lines).length).toBeGreaterThan(0);
  });

  test('that fails, or sends elsewhere, gets the same again, by the same ids', async () => {
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    await castellans.signUp('again');
    await chain();
    taken = [];
    answers = (n) => [503, 302][n] ?? 200;
    const ours = shipper();
    await expect(ours.ship()).rejects.toThrow('503');
    await expect(ours.ship()).rejects.toThrow();
    await ours.ship();
    const [failed, sentAway, right] = taken.map(({ lines }) => lines.map(({ id }) => id));
    expect([sentAway, right]).toEqual([failed, failed]);
    answers = () => 204;
  });

  test('that takes only so much at once gets less at a time, and all of it in order', async () => {
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    await written('2031-05-21T00:00:00.000Z', 23);
    taken = [];
    answers = (_, lines) => (lines > 4 ? 413 : 204);
    await shipper().ship();
    const seqs = taken.filter(({ lines }) => lines.length <= 4).flatMap(({ lines }) => lines.map(({ seq }) => seq));
    expect(seqs).toHaveLength(23);
    expect(seqs).toEqual(seqs.map((_, index) => (seqs[0] ?? 0) + index));
    // What it learns it need not be told again for each part.
    expect(taken.filter(({ lines }) => lines.length > 4)).toHaveLength(3);
    answers = () => 204;
  });

  test('that does not take a single entry, since it is too large, is waited for: nothing is left out', async () => {
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    await written('2031-05-22T00:00:00.000Z', 3);
    taken = [];
    answers = (times, lines) => (times < 3 || lines > 1 ? 413 : 204);
    const ours = shipper();
    await expect(ours.ship()).rejects.toThrow('413');
    expect(taken.map(({ lines }) => lines.length)).toEqual([3, 2, 1]);
    const refused = taken[0]?.lines.map(({ seq }) => seq);
    taken = [];
    answers = () => 204;
    await ours.ship();
    expect(taken.map(({ lines }) => lines.map(({ seq }) => seq))).toEqual([refused]);
  });

  test('that is said to have more than there is, is no sink that has all: it is told, and nothing is passed over', async () => {
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    const [before] = await castellans.rows<{ seq: string }>(`select seq from audit_sinks where name = 'http'`);
    await castellans.rows(`update audit_sinks set seq = 9007199254740000`);
    const ours = shipper();
    await expect(ours.ship()).rejects.toThrow('which ends at');
    await expect(ours.ship()).rejects.toThrow('which ends at');
    await castellans.rows(`update audit_sinks set seq = $1::bigint`, before?.seq);
    await ours.ship();
  });

  test('is sent to by one instance at a time', async () => {
    await castellans.rows(`update audit_sinks set held_until = now() - interval '1 second'`);
    const [one, other] = [shipper(), shipper()];
    await castellans.signUp('once');
    await chain();
    taken = [];
    await Promise.all([one.ship(), other.ship()]);
    const ids = taken.flatMap(({ lines }) => lines.map(({ id }) => id));
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test('entries of one day are kept for as long as is said', async () => {
  const [{ count } = { count: 0 }] = await castellans.rows<{ count: number }>(
    'select count(*)::int as count from audit_entries',
  );
  await retention(systemClock.now(), 30).keep();
  await retention(systemClock.now() + DAY_MS, 30).keep();
  expect(await castellans.rows('select count(*)::int as count from audit_entries')).toEqual([{ count }]);
});
