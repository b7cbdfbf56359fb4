import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ROWS } from '../src/drivers/postgres/rows.ts';
import { ROOT } from './support/source-files.ts';

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
