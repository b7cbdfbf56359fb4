import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { EDITS, edited } from '../bench/support/without.ts';

const ROOT = join(import.meta.dirname, '..');

test.each(Object.entries(EDITS))('what a bench takes out as %s stands in the sources, each once', (_part, edits) => {
  expect(edits.length).toBeGreaterThan(0);
  for (const edit of edits) {
    const source = readFileSync(join(ROOT, edit.file), 'utf8');
    expect(edited(source, edit)).not.toBe(source);
  }
});
