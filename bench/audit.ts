import { Client } from 'pg';
import { formatCursor } from '../src/domain/pages.ts';
import { newId } from '../src/kit/ids.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { ask } from './support/client.ts';
import { startPlatform } from './support/platform.ts';
import { quantile } from './support/statistics.ts';

const FEW = 10_000;
const CREATE = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';
const CHAINED_MS = 120_000;
const QUERY = `query ($after: String, $filter: AuditLogFilter) {
  auditLog(first: 100, after: $after, filter: $filter) { edges { cursor node { id at action principalId } } }
}`;

/** Without pauses of the server for its own writing while pages are timed. */
const SETTINGS = { max_wal_size: '8GB', checkpoint_timeout: '30min' };

interface Page {
  readonly auditLog: { readonly edges: readonly { readonly cursor: string }[] };
}

/** Entries of the last weeks, by a thousand principals, as the chain has them or as it finds them. */
const add = (client: Client, from: number, count: number, chained: boolean) =>
  client.query(
    `insert into audit_entries (at, by, kind, action, subject_type, subject_id, outcome, protocol, seq)
     select now() - (n % 1209600) * interval '1 second', 'user_' || n % 997, 'user', 'load.' || n % 20, 'User',
       'user_' || n % 100003, case when n % 100 = 0 then 'denied' else 'done' end, 'http',
       case when $3 then 1000000000 + n end
     from generate_series($1::bigint, $2::bigint) as n`,
    [from, from + count - 1, chained],
  );

export const audit: Bench = {
  name: 'audit',
  title:
    'auditLog(first: 100) by how many entries there are and how far one has read, and how fast entries are chained',

  async run({ quick }): Promise<Table> {
    const [many, unchained, times] = quick ? [100_000, 5_000, 30] : [10_000_000, 100_000, 300];
    await using stack = new AsyncDisposableStack();
    const platform = stack.use(await startPlatform(SETTINGS));
    const castellan = await platform.startCastellan();
    const administrator = await platform.administrator(castellan);
    const client = new Client({ connectionString: platform.databaseUrl });
    await client.connect();
    stack.defer(() => client.end());

    const page = (after: string | null, filter: object) =>
      ask<Page>(castellan.url, QUERY, { after, filter }, administrator.token);
    const pages = async (filter: object, deep: number): Promise<number> => {
      const after = deep === 0 ? null : await cursorAt(client, deep);
      const found = await page(after, filter);
      if (found.auditLog.edges.length === 0) throw new Error(`there is no page at ${deep} of the log`);
      const tookMs = await timed(times, () => page(after, filter));
      return quantile(tookMs, 0.5);
    };
    const asked = [
      ['the newest', {}, 0],
      ['after half of the log', {}, 0.5],
      ['after 98 % of it', {}, 0.98],
      ['of one principal', { principalId: 'user_7' }, 0],
      ['about one subject', { subjectId: 'user_7' }, 0],
      ['denied', { outcome: 'denied' }, 0],
      ['denied, after half of the log', { outcome: 'denied' }, 0.5],
    ] as const;
    const measure = async () => {
      const found: number[] = [];
      for (const [, filter, deep] of asked) found.push(await pages(filter, deep));
      return found;
    };
    // Without a password, whose hash would be most of it.
    const create = () => ({ input: { email: `${newId('user')}@example.com`, name: 'Bob' } });
    const created = () => timed(times, () => ask(castellan.url, CREATE, create(), administrator.token));

    await add(client, 1, FEW, true);
    await client.query('analyze audit_entries');
    const [fewMs, fewCreateMs] = [await measure(), quantile(await created(), 0.5)];
    const fillsAtMs = performance.now();
    for (let from = FEW + 1; from <= many; from += 1_000_000) {
      await add(client, from, Math.min(1_000_000, many - from + 1), true);
    }
    const filledSeconds = (performance.now() - fillsAtMs) / 1_000;
    await client.query('analyze audit_entries');
    await client.query('checkpoint');
    const [manyMs, manyCreateMs] = [await measure(), quantile(await created(), 0.5)];

    await add(client, many + 1, unchained, false);
    const startedAtMs = performance.now();
    for (;;) {
      const { rows } = await client.query('select exists (select from audit_entries where seq is null) as waiting');
      if ((rows as { waiting: boolean }[])[0]?.waiting === false) break;
      if (performance.now() - startedAtMs > CHAINED_MS) throw new Error('entries are not chained in time');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const perSecond = (unchained / (performance.now() - startedAtMs)) * 1_000;
    const rows: Cell[][] = asked.map(([what], index) => ratio(`a page, ${what}`, fewMs[index], manyMs[index]));
    return {
      columns: ['p50 ms', FEW.toLocaleString('en-US'), many.toLocaleString('en-US'), 'ratio'],
      rows: [...rows, ratio('createUser, which writes an entry', fewCreateMs, manyCreateMs)],
      notes: [
        `medians of ${times}; the log is read from the newest on, over two weeks of entries, which took ${Math.round(filledSeconds)} s to write`,
        `Chained, hashed and signed: ${Math.round(perSecond).toLocaleString('en-US')} entries a second.`,
      ],
    };
  },
};

/** Where a reader goes on who has read this part of the log. */
async function cursorAt(client: Client, part: number): Promise<string> {
  const { rows } = await client.query<{ ms: number }>(
    `select extract(epoch from max(at) - (max(at) - min(at)) * $1::float8)::float8 * 1000 as ms from audit_entries
     where action ^@ 'load.'`,
    [part],
  );
  const value = new Date(rows[0]?.ms ?? NaN).toISOString();
  return formatCursor('AuditEntry', { by: 'at', descending: true }, { value, id: 'audit_0' });
}

function ratio(what: string, few = NaN, many = NaN): Cell[] {
  return [what, few, many, many / few];
}

async function timed(times: number, work: () => Promise<unknown>): Promise<readonly number[]> {
  const tookMs: number[] = [];
  for (let n = 0; n < times; n += 1) {
    const startedAtMs = performance.now();
    await work();
    tookMs.push(performance.now() - startedAtMs);
  }
  return tookMs;
}
