import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { batchHash, entryHash, GENESIS } from '../../src/domain/audit/chain.ts';
import { AuditChainer } from '../../src/domain/audit/chainer.ts';
import { AuditHeads } from '../../src/domain/audit/heads.ts';
import type { AuditHead, AuditReader } from '../../src/domain/audit/log.ts';
import { AuditRetention } from '../../src/domain/audit/retention.ts';
import { AuditVerifier } from '../../src/domain/audit/verify.ts';
import { AuditWitness } from '../../src/domain/audit/witness.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { type Castellans, startCastellans } from '../support/castellan.ts';
import { asOwner } from '../support/database.ts';
import { recordedLog } from '../support/recorded-log.ts';

/** What somebody who can write the database makes Castellan itself sign, forget or overlook. */

jest.setTimeout(120_000);

const SECRET = new Secret('a secret for tests that is long enough');
const keys = new Keys([SECRET]);
const clock = systemClock;
const MINUTE_MS = 60_000;
const TABLES = ['audit_entries', 'audit_batches', 'audit_anchors'];

let castellans: Castellans;
const log = recordedLog();
const sql = (text: string, ...values: readonly unknown[]) => castellans.rows<Record<string, string>>(text, ...values);

function store(audited?: (ids: readonly string[]) => void) {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('nothing was started');
  return createStore(app.database, audited);
}
const verify = (heads: readonly AuditHead[] = [], by = keys, audit: AuditReader = store().audit) =>
  new AuditVerifier(audit, by).verify(heads);
const chainer = (by = keys, nowMs = () => clock.now()) =>
  new AuditChainer({ store: store(), keys: by, clock: { ...clock, now: nowMs }, logger: log.logger, everyMs: 60_000 });
const retention = (nowMs: number, auditDays = 60, by = keys) =>
  new AuditRetention({
    store: store(),
    keys: by,
    settings: { auditDays },
    clock: { ...clock, now: () => nowMs },
    logger: log.logger,
  });
const later = () => chainer(keys, () => clock.now() + 2 * MINUTE_MS);

async function write(count: number, at: string | null = null): Promise<void> {
  await sql(
    `insert into audit_entries (at, by, action) select coalesce($1::timestamptz, now()) + n * interval '1 ms', 'user_a', 'test.act'
     from generate_series(1, $2::int) as n`,
    at,
    count,
  );
}

/** Each in a batch of its own. */
async function written(count: number, at: string | null = null): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await write(1, at);
    await chainer().chain();
  }
}

/** All hashes anew, as they must be for what the entries say now, under a key of nobody's, as if it had been given up since. */
async function rehash(): Promise<void> {
  const { audit } = store();
  let previous = GENESIS;
  for (const batch of await audit.batches(0, 1_000)) {
    const entries = (await audit.between(batch.firstSeq, batch.lastSeq, 1_000)).map(entryHash);
    const hash = batchHash(previous, { ...batch, entries });
    await sql(
      `update audit_batches set entries = $2, hash = $3, key = 'nobodys', signature = '' where number = $1`,
      batch.number,
      entries.join(' '),
      hash,
    );
    previous = hash;
  }
}

const kinds = async (...args: Parameters<typeof verify>) => (await verify(...args)).problems.map(({ kind }) => kind);

beforeAll(async () => {
  // As whoever made the tables: the months of these tests are none of ours.
  castellans = await startCastellans(1, { through: asOwner });
  await castellans.apps[0]?.services.auditChainer.rounds.stop();
});
beforeEach(async () => {
  await sql([...TABLES, 'authority_log', 'outbox'].map((table) => `delete from ${table}`).join('; '));
});
afterAll(() => castellans?.close());

describe('who rewrote the log, and lets an instance sign what comes after it', () => {
  test('is found out all the same, with the place from which nobody vouches', async () => {
    await written(3);
    await sql(`update audit_entries set by = 'user_x' where seq = 2`);
    await rehash();
    await write(1);
    await later().chain();
    const { problems, unchained } = await verify();
    expect([problems, unchained]).toEqual([[expect.objectContaining({ kind: 'unsigned', batch: 3, seq: 3 })], 0]);
  });

  test('nothing is chained for a minute, in which an instance that knows the key may come', async () => {
    await written(1);
    const next = new Keys([new Secret('a secret that is not known everywhere'), SECRET]);
    await write(1);
    await chainer(next).chain();
    await write(1);
    await chainer().chain();
    expect(await verify([], next)).toMatchObject({ problems: [], batches: 2, unchained: 1 });
    await chainer(next).chain();
    expect(await verify([], next)).toMatchObject({ problems: [], batches: 3, unchained: 0 });
    // Where none comes the log goes on, and whoever knows that key sees that nothing is wrong.
    await write(1);
    await later().chain();
    expect(await verify([], next)).toMatchObject({ problems: [], batches: 4, unchained: 0 });
    expect(await kinds([], keys)).toEqual(['unsigned']);
  });
});

describe('who lets retention sign where the log begins', () => {
  const MARCH = '2031-03-10T00:00:00.000Z';
  const now = Date.parse('2031-06-15T12:00:00.000Z');

  test('by telling it of other months than those of the batches, gets nothing signed and nothing dropped', async () => {
    await written(3, '2031-06-10T00:00:00.000Z');
    await sql(`update audit_batches set month = '2020-01' where number < 3`);
    await retention(now).keep();
    expect(await sql('select * from audit_anchors')).toEqual([]);
    expect(await kinds()).toContain('rewritten');
  });

  test('by rewriting its beginning under a key of nobody’s, gets nothing signed and nothing dropped', async () => {
    await written(2, MARCH);
    await written(1, '2031-06-10T00:00:00.000Z');
    await sql('delete from audit_entries where seq = 2');
    await rehash();
    await retention(now).keep();
    expect(await sql('select * from audit_anchors')).toEqual([]);
  });

  test('by an anchor of nobody’s, gets nothing signed', async () => {
    await written(2, MARCH);
    await written(1, '2031-06-10T00:00:00.000Z');
    const [second] = await store().audit.batches(1, 1);
    await sql('delete from audit_batches where number <= 2');
    await sql(
      `insert into audit_anchors (month, number, last_seq, hash, at, key, signature) values ('2031-02', 2, 2, $1, now(), 'nobodys', '')`,
      second?.hash,
    );
    await retention(now).keep();
    expect(await kinds()).toContain('unsigned');
  });

  test('by an entry of long ago, does not make it begin earlier than it did', async () => {
    await written(1, MARCH);
    await written(1, '2031-05-10T00:00:00.000Z');
    await written(1, '2031-03-20T00:00:00.000Z');
    await retention(now).keep();
    await written(1, '2031-01-20T00:00:00.000Z');
    await retention(now).keep();
    expect(await sql('select month from audit_anchors')).toEqual([{ month: '2031-03' }]);
    expect(await verify()).toMatchObject({ problems: [], entries: 1 });
  });

  test('a key that took the place of the one before signs it anew, so that that can be dropped', async () => {
    await written(1, MARCH);
    await written(1, '2031-05-10T00:00:00.000Z');
    await retention(now).keep();
    const replaced = new Keys([new Secret('another secret that is long enough'), SECRET]);
    await retention(now, 60, replaced).keep();
    await write(1, '2031-05-11T00:00:00.000Z');
    await chainer(replaced).chain();
    expect(await kinds([], new Keys([new Secret('another secret that is long enough')]))).toEqual([]);
  });

  test('while it is looked at, the log is whole', async () => {
    await written(1, MARCH);
    await written(1, '2031-05-10T00:00:00.000Z');
    const reader = store().audit;
    let isKept = false;
    const going: AuditReader = {
      ...reader,
      async batches(after, limit) {
        if (!isKept) await retention(now).keep();
        isKept = true;
        return reader.batches(after, limit);
      },
    };
    expect(await verify([], keys, going)).toMatchObject({ problems: [], batches: 1, entries: 1 });
  });
});

describe('who gives an entry a place that none has', () => {
  test.each(['0', '-1', '9007199254740993', '9223372036854775807'])('%s, is found out', async (place) => {
    await written(1);
    await write(1);
    await sql('update audit_entries set seq = $1::bigint where seq is null', place);
    expect((await verify()).problems).toMatchObject([{ kind: 'added', entry: expect.stringMatching(/^audit_/) }]);
  });

  test.each(['-1', '1', '2', '9223372036854775807'])(
    '%s, has it watched by the instance that wrote it',
    async (place) => {
      const witness = new AuditWitness({ clock, logger: log.logger });
      await written(3);
      const head = await store().audit.head();
      await store((ids) => witness.committed(ids)).transaction((tx) =>
        tx.audit.append({ by: 'system', sessionId: null, action: 'user.disable', subjectId: null }),
      );
      await sql('update audit_entries set seq = $1::bigint where seq is null', place);
      await witness.check(store().audit, head?.lastSeq ?? 0);
      await sql(`delete from audit_entries where action = 'user.disable'`);
      await witness.check(store().audit, head?.lastSeq ?? 0);
      expect(witness.missing).toBe(1);
    },
  );

  test('and one of a time that no calendar has neither keeps others from the chain nor is overlooked', async () => {
    await sql(`insert into audit_entries (at, by, action) values ('infinity', 'user_a', 'test.act')`);
    await sql(`insert into audit_entries (at, by, action) values ('0044-03-15 BC', 'user_a', 'test.act')`);
    await written(1);
    const { problems, entries } = await verify();
    expect(entries).toBe(1);
    expect(problems).toMatchObject([{ kind: 'added' }, { kind: 'added' }]);
  });
});

describe('who cuts off the end of the log, of which a head was told', () => {
  test('is told of, also where the log went on since', async () => {
    const witness = new AuditWitness({ clock, logger: log.logger });
    const heads = new AuditHeads({ store: store(), file: null, witness, clock, logger: log.logger });
    await written(3);
    await heads.tell();
    await sql('delete from audit_entries where seq > 1');
    await sql('delete from audit_batches where number > 1');
    await written(4);
    await heads.tell();
    expect(witness.missing).toBe(1);
    await heads.tell();
    expect(witness.missing).toBe(1);
  });

  test('is not who lets a month be dropped', async () => {
    const witness = new AuditWitness({ clock, logger: log.logger });
    const heads = new AuditHeads({ store: store(), file: null, witness, clock, logger: log.logger });
    await written(1, '2031-03-10T00:00:00.000Z');
    await heads.tell();
    await written(1, '2031-05-10T00:00:00.000Z');
    await retention(Date.parse('2031-06-15T12:00:00.000Z')).keep();
    await heads.tell();
    expect(witness.missing).toBe(0);
  });
});

describe('who changes what is kept of a state', () => {
  test.each(['5', 'true', '[]', '""'])('from nothing to %s, is found out', async (value) => {
    await sql(`insert into audit_entries (by, action, before) values ('user_a', 'test.act', '{}')`);
    await chainer().chain();
    expect(await kinds()).toEqual([]);
    await sql('update audit_entries set before = $1::jsonb', value);
    expect(await kinds()).toEqual(['changed']);
  });

  test('from an object to a list of its facts, is found out', async () => {
    await sql(`insert into audit_entries (by, action, before) values ('user_a', 'test.act', '{"status":"active"}')`);
    await chainer().chain();
    expect(await kinds()).toEqual([]);
    await sql(`update audit_entries set before = '[["status","active"]]'`);
    expect(await kinds()).toEqual(['changed']);
    await sql(`update audit_entries set before = '{"status":"active","x":null}'`);
    expect(await kinds()).toEqual(['changed']);
  });
});

describe('who writes the file of heads', () => {
  test('adds none that is held against a log whose beginning is not kept any more', async () => {
    await written(1, '2031-03-10T00:00:00.000Z');
    const told = await store().audit.head();
    if (told === null) throw new TypeError('nothing was chained');
    await written(1, '2031-05-10T00:00:00.000Z');
    await retention(Date.parse('2031-06-15T12:00:00.000Z')).keep();
    expect(await verify([told, told])).toMatchObject({ problems: [], headsFound: 0, headsRetired: 2 });
    const other = { ...told, hash: GENESIS };
    const signed = { ...other, ...keys.attest('audit', 'head', '1', '1', other.hash, other.at) };
    expect(await kinds([signed])).toEqual(['rewritten']);
  });
});
