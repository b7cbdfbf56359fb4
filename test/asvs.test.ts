import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ROOT } from './support/source-files.ts';

/** A requirement of OWASP's ASVS, and one of the last two: what it rests on, or why it asks nothing here. */
interface Requirement {
  readonly id: string;
  readonly level: 1 | 2;
  readonly title: string;
  /** Headings, as `docs/page.md#heading`, and words that a file has, as `path: words`: of a test, those of its title. */
  readonly evidence?: readonly string[];
  readonly excluded?: string;
}

/** How many requirements of the first and of the second level the chapters of ASVS 5.0.0 have, in their order. */
const CHAPTERS = [
  [8, 19],
  [4, 7],
  [8, 11],
  [2, 8],
  [4, 5],
  [13, 22],
  [6, 12],
  [4, 3],
  [4, 3],
  [5, 24],
  [3, 11],
  [3, 6],
  [1, 12],
  [2, 7],
  [3, 10],
  [0, 16],
  [0, 7],
];
/** Of the lines `id level` of all these, as the standard is published: no other requirement takes the place of one of them. */
const PUBLISHED = '29debb6cfc11acf5deb2b2bb4e01bd836c5648dcc592aae17957e36b808cec05';
const REASON = /^\S+( \S+){3,}$/;

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

const requirements = JSON.parse(read('test/asvs.json')) as readonly Requirement[];
/** What docs/security.md says of it. */
const [, said = ''] = /^## Held against OWASP’s ASVS\n(.*?)(?=^## )/ms.exec(read('docs/security.md')) ?? [];

test('every requirement of the first two levels of ASVS 5.0 is there once, in order', () => {
  const counts = CHAPTERS.map((_, at) => {
    const chapter = requirements.filter(({ id }) => id.startsWith(`${at + 1}.`));
    return [1, 2].map((level) => chapter.filter((each) => each.level === level).length);
  });
  expect(counts).toEqual(CHAPTERS);
  const lines = requirements.map(({ id, level }) => `${id} ${level}`);
  expect(createHash('sha256').update(lines.join('\n')).digest('hex')).toBe(PUBLISHED);
});

test('each is met or excluded, and says by what or why', () => {
  const silent = requirements.filter(({ title, evidence, excluded }) => {
    if (title === '' || (evidence === undefined) === (excluded === undefined)) return true;
    return evidence?.length === 0 || (excluded !== undefined && !REASON.test(excluded));
  });
  expect(silent.map(({ id }) => id)).toEqual([]);
});

test('what one rests on is there: the test of that title, the heading, the words in the source', () => {
  const wrong = requirements.flatMap(({ id, evidence = [] }) =>
    evidence.filter((each) => !isThere(each)).map((each) => `${id} ${each}`),
  );
  expect(wrong).toEqual([]);
});

test.each([
  'test/api/nothing.test.ts: is there',
  'test/api/http.test.ts: runs no such test',
  'test/api/http.test.ts: ',
  'test/api/http.test.ts',
  'docs/nothing.md#passwords',
  'docs/users.md#no-such-heading',
  'docs/users.md#creating-and-changing',
  'docs/users.md',
])('what is not there is found out: %j', (evidence) => {
  expect(isThere(evidence)).toBe(false);
});

test('docs/security.md has the numbers', () => {
  const excluded = requirements.filter((each) => each.excluded !== undefined).length;
  const met = requirements.length - excluded;
  expect(said.replaceAll('\n', ' ')).toContain(`each of the ${requirements.length} requirements`);
  expect(said.replaceAll('\n', ' ')).toContain(`${met} are met and ${excluded} excluded`);
});

function isThere(evidence: string): boolean {
  const [, path = '', mark, rest = ''] = /^([^:#]+)(#|: )(.+)$/.exec(evidence) ?? [];
  if (!existsSync(join(ROOT, path)) || rest === '') return false;
  return mark === '#' ? anchorsOf(path).has(rest) : read(path).includes(rest);
}

/** As GitHub makes them of headings. */
function anchorsOf(path: string): ReadonlySet<string> {
  const prose = read(path).replaceAll(/^```.*?^```/gms, '');
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase());
  return new Set(headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')));
}
