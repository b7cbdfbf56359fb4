import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ABANDONED_DAYS, FRAMES } from '../libraries/time-frames.ts';
import { readConfig } from '../src/config.ts';
import { KEPT_MS } from '../src/domain/sessions/cleaner.ts';
import { ROWS } from '../src/drivers/postgres/rows.ts';
import { ROOT } from './support/source-files.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** docs/inventory.md is what assessors are shown. */
const page = readFileSync(join(ROOT, 'docs/inventory.md'), 'utf8');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function section(heading: string): string {
  return page.split(/^## /m).find((each) => each.startsWith(`${heading}\n`)) ?? '';
}

const named = (text: string): readonly string[] => [...text.matchAll(/`([a-z_-]+)`/g)].map(([, name = '']) => name);

describe('the inventory has', () => {
  test('every purpose that a key is derived for, once', () => {
    const [, union = ''] = /export type KeyPurpose =(.*?);/s.exec(read('src/kit/secret.ts')) ?? [];
    const purposes = [...union.matchAll(/'([a-z-]+)'/g)].map(([, name = '']) => name);
    expect(purposes.length).toBeGreaterThan(10);
    const [, derived = ''] = section('Keys').split('Of what is derived');
    expect(named(derived).toSorted()).toEqual(purposes.toSorted());
  });

  test('every table, in one class', () => {
    const tables = ROWS.map((row) => row.meta.tableName);
    const [, classes = ''] = section('Data').split('| class | tables');
    const rows = classes.split('\n').filter((line) => /^\| (secrets|personal|rights|figures) /.test(line));
    const found = rows.flatMap((row) => named(row.split('|')[2] ?? ''));
    expect(tables.length).toBeGreaterThan(30);
    // Refresh tokens are hashes in the rows of sessions, which are somebody's.
    expect(found.toSorted()).toEqual([...tables, 'sessions', ...NOT_ROWS].toSorted());
  });

  test('how long what has its end is kept, as the source has it', () => {
    const { endedSessionSeconds, feedSeconds, auditDays } = readConfig({});
    const [, table = ''] = section('Data').split('| what | is kept for |');
    const said = table.split('\n').flatMap((line) => {
      const [, , count, unit = ''] = /^\| (.+) \| (\d+) (days?|hours?) \|$/.exec(line) ?? [];
      return count === undefined ? [] : [Number(count) * (unit.startsWith('day') ? DAY_MS : HOUR_MS)];
    });
    expect(said).toEqual([
      endedSessionSeconds * 1_000,
      feedSeconds * 1_000,
      ...Object.values(KEPT_MS),
      auditDays * DAY_MS,
    ]);
    const [logs, days] = [section('Logs'), KEPT_MS.securityEvents / DAY_MS];
    expect(logs).toMatch(new RegExp(`^\\| security events .* \\| ${days} days \\|$`, 'm'));
    expect(section('Data')).toContain(`and for the log ${feedSeconds / 86_400} days |`);
  });

  test('what it says of nonces, heads and tokens, as the source has it', () => {
    const nonce = Number(/const NONCE_BYTES = (\d+);/.exec(read('src/kit/secret.ts'))?.[1]);
    expect(section('Keys')).toContain(`${nonce * 8}-bit random nonce`);
    expect(read('src/kit/secret.ts')).toContain("'aes-256-gcm'");
    expect(read('src/domain/audit/heads.ts')).toContain('const EVERY_MS = 60_000;');
    expect(section('Logs')).toContain('| heads of it | signed, every minute |');
    expect(section('Cryptography')).toContain('access tokens, which live for minutes');
    expect(readConfig({}).accessTokenSeconds).toBeLessThanOrEqual(300);
  });

  test('the time frames that libraries are held to', () => {
    const rows = section('Libraries')
      .split('\n')
      .filter((line) => /^\| .* \| \d+ days \|$/.test(line));
    const days = rows.map((row) => Number(/(\d+) days \|$/.exec(row)?.[1]));
    expect(days).toEqual(Object.values(FRAMES));
    expect(ABANDONED_DAYS).toBe(2 * 365);
    expect(section('Libraries')).toContain('no release of its major for two years');
  });

  test('every library with its hash, and none from elsewhere', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string }>>;
    };
    const installed = Object.entries(packages).filter(([path]) => path !== '');
    const other = installed.filter(([, { resolved, integrity }]) => resolved !== undefined || integrity === undefined);
    expect(installed.length).toBeGreaterThan(500);
    expect(other.map(([path]) => path)).toEqual([]);
  });
});

/** The months of the audit log are tables that MikroORM does not know. */
const NOT_ROWS = ['audit_entries'];
