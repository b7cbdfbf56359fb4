import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { batchHash, entryHash, GENESIS, headParts } from '../../src/domain/audit/chain.ts';
import type { AuditHead, AuditReader } from '../../src/domain/audit/log.ts';
import { AuditVerifier, type Verification } from '../../src/domain/audit/verify.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { castellan, makeFolder } from './running.ts';

/** That whoever changes the log is found out, with the place; and that all of it can be had. */

jest.setTimeout(120_000);

const KEY = 'a secret for tests that is long enough';
const DISABLE = 'mutation ($id: ID!) { disableUser(id: $id) { position } }';

interface Batch {
  readonly number: string;
  readonly month: string;
  readonly first_seq: string;
  readonly last_seq: string;
  readonly entries: string;
  readonly hash: string;
}

const log = recordedLog();
let castellans: Castellans;
let alice: SignedInUser;
let folder: Awaited<ReturnType<typeof makeFolder>>;
let headsFile: string;
const services = () => castellans.apps[0]?.services;

async function act(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const { id } = await castellans.signUp(`user${n}`);
    await castellans.ask(DISABLE, { token: alice.accessToken, variables: { id } });
  }
  await services()?.auditChainer.chain();
}

const env = () => ({ DATABASE_URL: castellans.config.databaseUrl?.reveal(), KEY_ENCRYPTION_KEY: KEY });

/** As the command has it. */
async function run(...args: readonly string[]): Promise<Verification & { readonly code: number | null }> {
  const { code, stdout, stderr } = await castellan(['audit', 'verify', '--json', ...args], env());
  if (stdout === '') throw new Error(stderr);
  return { code, ...(JSON.parse(stdout) as Verification) };
}

const headsIn = (path: string): readonly AuditHead[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditHead);

/** What the command finds, without a process for it. */
const verify = (heads: readonly AuditHead[] = []): Promise<Verification> =>
  new AuditVerifier(audit(), new Keys([new Secret(KEY)])).verify(heads);
const withHeads = () => verify(headsIn(headsFile));

function audit(): AuditReader {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('nothing was started');
  return createStore(app.database).audit;
}

const sql = (text: string, ...values: readonly unknown[]) => castellans.rows<Record<string, string>>(text, ...values);

/** What the tables of the log hold, to be put back after each attack. */
const TABLES = ['audit_entries', 'audit_batches', 'audit_anchors'];
/** And what is written beside it, and cleaned away a week later. */
const BESIDE = ['authority_log', 'outbox'];
const SAVED = [...TABLES, ...BESIDE];
const save = () => sql(SAVED.map((table) => `create table saved_${table} as select * from ${table}`).join('; '));
const restore = () =>
  sql(SAVED.map((table) => `delete from ${table}; insert into ${table} select * from saved_${table}`).join('; '));
const aWeekLater = () => sql(BESIDE.map((table) => `delete from ${table}`).join('; '));

beforeAll(async () => {
  folder = await makeFolder();
  headsFile = join(folder.path, 'heads.jsonl');
  castellans = await startCastellans(1, { logger: log.logger, settings: { auditHeads: headsFile } });
  alice = await castellans.signUp('alice', ['administrator']);
  for (let n = 0; n < 3; n += 1) {
    await act(3);
    await services()?.auditHeads.tell();
  }
  // Nothing is chained any more while the log is worked on.
  await services()?.auditChainer.rounds.stop();
  await save();
});
beforeEach(restore);
afterAll(async () => {
  await castellans?.close();
  await folder?.remove();
});

async function middle() {
  const [batch] = (await sql('select * from audit_batches order by number offset 1 limit 1')) as unknown as Batch[];
  const [entry] = await sql(
    `select seq, 'audit_' || id as id, to_char(at at time zone 'UTC', 'YYYY-MM') as month from audit_entries where seq = $1`,
    Number(batch?.first_seq),
  );
  if (batch === undefined || entry === undefined) throw new Error('there is no batch');
  return { seq: entry['seq'] ?? '', id: entry['id'] ?? '', month: entry['month'] ?? '', batch };
}

describe('a log that nobody touched', () => {
  test('is whole, with every entry in it, and its heads are found', async () => {
    const [count] = await sql('select count(*)::int as count from audit_entries');
    const all = { entries: count?.['count'], first: 1, last: count?.['count'], unchained: 0, headsFound: 3 };
    expect(await run('--heads', headsFile)).toMatchObject({ code: 0, ok: true, problems: [], ...all });
  });

  test('says so in words, and that without heads its end proves nothing', async () => {
    const { code, stdout } = await castellan(['audit', 'verify'], env());
    expect(code).toBe(0);
    expect(stdout).toContain('The audit log is whole');
    expect(stdout).toContain('Without --heads');
  });

  test('heads are signed, in a file and in order', () => {
    const heads = headsIn(headsFile);
    expect(heads).toHaveLength(3);
    const keys = new Keys([new Secret(KEY)]);
    for (const head of heads) expect(keys.attested('audit', head, ...headParts(head))).toBe(true);
  });

  test('is whole under a key that took the place of the one before, while that is listed', async () => {
    const rotated = { ...env(), KEY_ENCRYPTION_KEY: `another secret that is long enough,${KEY}` };
    expect((await castellan(['audit', 'verify'], rotated)).code).toBe(0);
    const forgotten = { ...env(), KEY_ENCRYPTION_KEY: 'another secret that is long enough' };
    const { code, stdout } = await castellan(['audit', 'verify'], forgotten);
    expect([code, stdout]).toEqual([1, expect.stringContaining('unsigned')]);
  });
});

describe('whoever can write the database is found out', () => {
  test('who changed an entry, with its place, its id and its month', async () => {
    const { seq, id, month } = await middle();
    await sql(`update audit_entries set by = 'user_x' where seq = $1`, seq);
    const problem = { kind: 'changed', seq: Number(seq), entry: id, month };
    expect(await run()).toMatchObject({ code: 1, ok: false, problems: [problem] });
  });

  test.each([
    ['at', `at + interval '1 millisecond'`],
    ['address', `'198.51.100.1'`],
    ['outcome', `'denied'`],
    ['after', `'{"status":"active"}'`],
    ['subject_id', `null`],
    ['policy_version', `'x'`],
  ])('who changed %s of one', async (column, value) => {
    await aWeekLater();
    const { seq } = await middle();
    await sql(`update audit_entries set ${column} = ${value} where seq = $1`, seq);
    expect((await verify()).problems).toMatchObject([{ kind: 'changed', seq: Number(seq) }]);
  });

  test('who took an entry away', async () => {
    await aWeekLater();
    const { seq, month } = await middle();
    await sql('delete from audit_entries where seq = $1', seq);
    expect(await verify()).toMatchObject({ problems: [{ kind: 'missing', seq: Number(seq), month }] });
  });

  test('who let two entries change places', async () => {
    const { seq } = await middle();
    const other = Number(seq) + 1;
    await sql(
      'update audit_entries set seq = case seq when $1 then $2::bigint else $1 end where seq in ($1, $2)',
      seq,
      other,
    );
    expect((await verify()).problems).toMatchObject([
      { kind: 'reordered', seq: Number(seq) },
      { kind: 'reordered', seq: other },
    ]);
  });

  test('who added an entry, at a place that is taken or behind the last', async () => {
    const { seq } = await middle();
    const add = `insert into audit_entries (by, action, seq) values ('user_x', 'user.disable', $1)`;
    await sql(add, seq);
    expect((await verify()).problems).toMatchObject([{ kind: 'added', seq: Number(seq) }]);
    await sql(add, 1_000_000);
    expect((await verify()).problems).toMatchObject([{ kind: 'added' }, { kind: 'added', seq: 1_000_000 }]);
  });

  test('who took a batch out of the middle, with its entries', async () => {
    await aWeekLater();
    const { batch } = await middle();
    await sql('delete from audit_entries where seq between $1 and $2', batch.first_seq, batch.last_seq);
    await sql('delete from audit_batches where number = $1', batch.number);
    expect((await verify()).problems[0]).toMatchObject({ kind: 'missing', seq: Number(batch.first_seq) });
  });

  test('who cut off its end, by the heads that were exported', async () => {
    await aWeekLater();
    const { batch } = await middle();
    await sql('delete from audit_entries where seq > $1', batch.last_seq);
    await sql('delete from audit_batches where number > $1', batch.number);
    expect((await verify()).problems).toEqual([]);
    expect(await withHeads()).toMatchObject({
      problems: [{ kind: 'truncated', seq: Number(batch.last_seq) + 1 }],
    });
  });

  test('a change that somebody wrote by hand beside the log, as what it is, and with its row', async () => {
    const [row] = await sql(
      `insert into authority_log (kind, target, reason) values ('revoked', 'user_by_hand', 'disabled') returning id`,
    );
    const [told, ...others] = (await verify()).problems;
    expect(others).toEqual([]);
    expect(told).toMatchObject({
      kind: 'unaudited',
      entry: null,
      message: expect.stringMatching(
        new RegExp(
          `^a change that has no entry: revoked \\(disabled\\) of user_by_hand at .*Z, which is in authority_log with the id ${row?.['id']}: its entry was taken away, or that row was written by hand$`,
        ),
      ),
    });
  });

  test('who cut off its end before a head of it was exported, by what was written beside them', async () => {
    const { batch } = await middle();
    await sql('delete from audit_entries where seq > $1', batch.last_seq);
    await sql('delete from audit_batches where number > $1', batch.number);
    const { problems } = await verify();
    expect(problems.length).toBeGreaterThan(0);
    expect(problems).toContainEqual(
      expect.objectContaining({
        kind: 'unaudited',
        message: expect.stringMatching(/has no entry: revoked \(user_disabled\) of user_\w+/),
      }),
    );
    expect(problems).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(/has no entry: session.started of sess_\w+/) }),
    );
  });

  test('who emptied it', async () => {
    await aWeekLater();
    await sql(TABLES.map((table) => `delete from ${table}`).join('; '));
    expect((await withHeads()).problems).toMatchObject([{ kind: 'truncated', seq: 1 }]);
  });

  test('who took its beginning away and calls it retention', async () => {
    await aWeekLater();
    const { batch } = await middle();
    await sql('delete from audit_entries where seq <= $1', batch.last_seq);
    await sql('delete from audit_batches where number <= $1', batch.number);
    expect((await verify()).problems[0]).toMatchObject({ kind: 'missing', seq: 1 });
    await sql(
      `insert into audit_anchors (month, number, last_seq, hash, at, key, signature)
       select $1, $2, $3, $4, now(), key, signature from audit_batches limit 1`,
      '2020-01',
      batch.number,
      batch.last_seq,
      batch.hash,
    );
    expect((await verify()).problems).toMatchObject([{ kind: 'rewritten', seq: Number(batch.last_seq) }]);
  });

  /** All hashes anew, as they must be for what the entries say now. */
  async function rehash(sign: (head: Pick<AuditHead, 'number' | 'lastSeq' | 'hash' | 'at'>) => object): Promise<void> {
    let previous = GENESIS;
    for (const batch of await audit().batches(0, 1_000)) {
      const hashes = (await audit().between(batch.firstSeq, batch.lastSeq, 1_000)).map(entryHash);
      const hash = batchHash(previous, { ...batch, entries: hashes });
      const { key, signature } = { ...batch, ...sign({ ...batch, hash }) };
      await sql(
        'update audit_batches set entries = $2, hash = $3, key = $4, signature = $5 where number = $1',
        batch.number,
        hashes.join(' '),
        hash,
        key,
        signature,
      );
      previous = hash;
    }
  }

  test('who rewrote all of it and has no key', async () => {
    await aWeekLater();
    const { seq, batch } = await middle();
    await sql(`update audit_entries set by = 'user_x' where seq = $1`, seq);
    await rehash(() => ({}));
    const { problems } = await verify();
    expect(problems[0]).toMatchObject({ kind: 'rewritten', batch: Number(batch.number) });
    expect(new Set(problems.map(({ kind }) => kind))).toEqual(new Set(['rewritten']));
  });

  test('who rewrote all of it with a key of their own', async () => {
    const { seq } = await middle();
    await sql(`update audit_entries set by = 'user_x' where seq = $1`, seq);
    const own = new Keys([new Secret('a key of the attacker that is long')]);
    await rehash((head) => own.attest('audit', ...headParts(head)));
    expect((await verify()).problems).toMatchObject([{ kind: 'unsigned' }]);
  });

  test('who rewrote all of it with our own key, by the heads that were exported', async () => {
    const { seq, batch } = await middle();
    await sql(`update audit_entries set by = 'user_x' where seq = $1`, seq);
    const ours = new Keys([new Secret(KEY)]);
    await rehash((head) => ours.attest('audit', ...headParts(head)));
    expect((await verify()).problems).toEqual([]);
    const { number } = headsIn(headsFile).find((head) => head.number >= Number(batch.number)) ?? {};
    expect((await withHeads()).problems[0]).toMatchObject({ kind: 'rewritten', batch: number });
  });

  test('who added a head to the file', async () => {
    const [head] = headsIn(headsFile);
    const forged = { ...Object(head), number: 9_999 } as AuditHead;
    expect((await verify([forged])).problems).toMatchObject([{ kind: 'unsigned', batch: 9_999 }]);
  });
});

describe('castellan audit export', () => {
  const exported = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await castellan(['audit', 'export', ...args], env());
    const lines = stdout.split('\n').filter((line) => line !== '');
    return { code, stderr, entries: lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>) };
  };

  test('prints every entry once, in the order of the chain, and where to go on from', async () => {
    const { code, stderr, entries } = await exported();
    const [count] = await sql('select count(*)::int as count from audit_entries');
    expect([code, entries.length]).toEqual([0, count?.['count']]);
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
    expect(entries.at(-1)).toMatchObject({
      action: 'user.disable',
      principalId: alice.id,
      after: { status: 'disabled' },
    });
    expect(stderr).toContain(`go on with --since ${entries.length}`);
  });

  test('since a place, and since an instant', async () => {
    const { entries: all } = await exported();
    const [, , third] = all;
    expect((await exported('--since', '3')).entries).toEqual(all.slice(3));
    const { entries } = await exported('--since', String(third?.['at']));
    expect(entries[0]?.['at']).toBe(third?.['at']);
    expect((await exported('--since', '2199-01-01T00:00:00Z')).entries).toEqual([]);
  });

  test('as OCSF has what the class API Activity requires, and what was denied as a failure', async () => {
    const { entries } = await exported('--format', 'ocsf');
    for (const entry of entries) {
      expect(entry).toMatchObject({
        category_uid: 6,
        class_uid: 6003,
        activity_id: expect.any(Number),
        type_uid: 600_300 + Number(entry['activity_id']),
        severity_id: expect.any(Number),
        time: expect.any(Number),
        metadata: { version: '1.5.0', product: { vendor_name: 'Castellan' }, uid: expect.stringMatching(/^audit_/) },
        actor: { user: { uid: expect.any(String), type_id: expect.any(Number) } },
        api: { operation: expect.any(String) },
        src_endpoint: expect.any(Object),
      });
    }
    expect(entries.map((entry) => entry['status_id'])).toContain(1);
    const named = { activity_id: 3, activity_name: 'Update', actor: { user: { type_id: 1, type: 'User' } } };
    expect(entries.at(-1)).toMatchObject({ ...named, api: { operation: 'user.disable' } });
  });

  test('of what is no instant, no place or no format is a misuse', async () => {
    for (const since of ['yesterday', '2026-02-30', '2026-11-30T09:00', '2026-11-30 (noon)', '9'.repeat(15)]) {
      expect([since, (await exported('--since', since)).code]).toEqual([since, 2]);
    }
    expect((await exported('--format', 'xml')).code).toBe(2);
  });
});

describe('what is not asked rightly is told with code 2', () => {
  test.each([
    ['a file that is not there', ['--heads', '/nowhere/heads']],
    ['a file without a head', ['--heads', '/dev/null']],
    ['an option that is none', ['--tails', 'x']],
  ])('%s', async (_, args) => {
    expect((await castellan(['audit', 'verify', ...args], env())).code).toBe(2);
  });

  test('without a database, and without a key', async () => {
    expect((await castellan(['audit', 'verify'], { KEY_ENCRYPTION_KEY: KEY })).code).toBe(2);
    expect((await castellan(['audit', 'verify'], { DATABASE_URL: env().DATABASE_URL })).code).toBe(2);
  });
});

/** The last: what is written from here on is not put back. */
describe('of a log that goes on', () => {
  test('who took an entry away before it was chained', async () => {
    const { id } = await castellans.signUp('unchained');
    const before = await verify();
    expect(before).toMatchObject({ problems: [], unchained: expect.any(Number) });
    await castellans.ask(DISABLE, { token: alice.accessToken, variables: { id } });
    await sql(`delete from audit_entries where seq is null and action = 'user.disable'`);
    const { problems } = await verify();
    expect(problems).toMatchObject([{ kind: 'unaudited', message: expect.stringContaining(id) }]);
    // And then from what was written beside it as well.
    await sql('delete from authority_log where target = $1', id);
    expect((await verify()).problems).toMatchObject([
      { kind: 'truncated', message: expect.stringContaining('authority log') },
    ]);
  });

  /** What the instance has told of since, and how much of it by its own count. */
  async function told(): Promise<{ readonly lines: readonly string[]; readonly counted: string }> {
    const from = log.lines().length;
    await services()?.auditHeads.tell();
    const metrics = (await castellans.apps[0]?.metrics.render()) ?? '';
    const [, counted = ''] = /^castellan_audit_entries_missing_total (\d+)$/m.exec(metrics) ?? [];
    return {
      lines: log
        .lines()
        .slice(from)
        .filter((line) => line.includes('has lost what was committed')),
      counted,
    };
  }

  test('an instance misses an entry of its own that was taken away before it was chained, once', async () => {
    await told();
    const { counted: before, lines: none } = await told();
    expect(none).toEqual([]);
    const { id } = await castellans.signUp('missed');
    await castellans.ask(DISABLE, { token: alice.accessToken, variables: { id } });
    expect((await told()).lines).toEqual([]);
    const [gone] = await sql(
      `delete from audit_entries where seq is null and subject_id = $1 and action = 'user.disable' returning id`,
      id,
    );
    await aWeekLater();
    const { lines, counted } = await told();
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ entries: 1, first: `audit_${gone?.['id']}` });
    expect(Number(counted)).toBe(Number(before) + 1);
    expect((await told()).lines).toEqual([]);
  });

  test('and the end of the log that was cut off before or after its head was told', async () => {
    const cut = async () => {
      const [last] = await sql(
        'delete from audit_batches where number = (select max(number) from audit_batches) returning first_seq',
      );
      await sql('delete from audit_entries where seq >= $1', last?.['first_seq']);
    };
    await castellans.signUp('cut');
    await services()?.auditChainer.chain();
    await cut();
    const { lines } = await told();
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ entries: expect.any(Number) });

    await castellans.signUp('again');
    await services()?.auditChainer.chain();
    expect((await told()).lines).toEqual([]);
    await cut();
    const { lines: after } = await told();
    expect(JSON.parse(after[0] ?? '')).toMatchObject({ batches: 1 });
  });

  test('what a told head vouches for is watched no more', async () => {
    await castellans.signUp('vouched');
    await services()?.auditChainer.chain();
    await told();
    // Or it would be missed when its month is not kept any more.
    await sql('delete from audit_entries');
    expect((await told()).lines).toEqual([]);
  });
});

test('a log that goes on while it is looked at is whole, with all that was chained meanwhile', async () => {
  const reader = audit();
  let more = 3;
  const going: AuditReader = {
    ...reader,
    async batches(after, limit) {
      const page = await reader.batches(after, limit);
      if (more > 0) {
        more -= 1;
        await sql(`insert into audit_entries (at, by, action) values (now(), 'system', 'user.disable')`);
        await services()?.auditChainer.chain();
      }
      return page;
    },
  };
  const [before, found] = [await verify(), await new AuditVerifier(going, new Keys([new Secret(KEY)])).verify([])];
  expect([more, found.problems]).toEqual([0, []]);
  expect(found.entries).toBe(before.entries + 3);
});
