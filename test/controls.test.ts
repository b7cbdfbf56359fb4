import { describe, expect, test } from '@jest/globals';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROLS } from './controls/list.ts';
import { ROOT } from './support/source-files.ts';

const timesIn = (path: string, text: string): number =>
  existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8').split(text).length - 1 : 0;

describe('the controls that are taken out by npm run test:controls', () => {
  test('are at least thirty, each under its own name', () => {
    expect(new Set(CONTROLS.map(({ name }) => name)).size).toBe(CONTROLS.length);
    expect(CONTROLS.length).toBeGreaterThanOrEqual(30);
  });

  test('stand once in the source, and are something else without it', () => {
    const lost = CONTROLS.filter(({ file, find, replace }) => timesIn(file, find) !== 1 || find === replace);
    expect(lost.map(({ name }) => name)).toEqual([]);
  });

  test('have a test of the title that is named', () => {
    expect(CONTROLS.filter(({ test: path, title }) => timesIn(path, title) === 0).map(({ name }) => name)).toEqual([]);
  });
});
