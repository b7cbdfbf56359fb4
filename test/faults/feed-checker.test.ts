import { expect, test } from '@jest/globals';
import { type History, problemsOf } from './feed-checker.ts';

/** That what judges a thousand subscribers says so when one of them is told wrongly. */

/** Events of one user, written one after the other, but for the fourth, which was written before the third and committed after it. */
const DUE = [
  { seq: 3, writtenAs: 30 },
  { seq: 7, writtenAs: 70 },
  { seq: 8, writtenAs: 90 },
  { seq: 9, writtenAs: 80 },
  { seq: 12, writtenAs: 120 },
];
const ALL = DUE.map(({ seq }) => seq);

const told = (numbers: readonly number[], more: Partial<History> = {}): History => ({
  numbers,
  ended: false,
  problems: [],
  ...more,
});

test('each event once and in order is no problem', () => {
  expect(problemsOf(told(ALL), DUE)).toEqual([]);
});

test.each([
  ['nothing at all', [], ['not told: 3,7,8,9,12']],
  ['without the first', [7, 8, 9, 12], ['not told: 3']],
  ['without one in between', [3, 7, 9, 12], ['not told: 8']],
  ['without the last', [3, 7, 8, 9], ['not told: 12']],
  ['with one twice in a row', [3, 7, 7, 8, 9, 12], ['told twice: 7']],
  ['with one again later', [3, 7, 8, 9, 12, 7], ['told twice: 7', 'told after a later one: 7']],
  ['with two exchanged', [3, 8, 7, 9, 12], ['told after a later one: 7']],
  ['with one of somebody else', [3, 4, 7, 8, 9, 12], ['told, and not its own: 4']],
  ['with another in place of one', [3, 7, 8, 10, 12], ['not told: 9', 'told, and not its own: 10']],
])('of one who stays, %s is one', (_, numbers, problems) => {
  expect(problemsOf(told(numbers), DUE)).toEqual(problems);
});

test('that one who stays is shut out, or saw what no client may see, is one', () => {
  expect(problemsOf(told(ALL, { ended: true }), DUE)).toEqual(['shut out, though its access goes on']);
  expect(problemsOf(told(ALL, { problems: ['told to resync'] }), DUE)).toEqual(['told to resync']);
});

test('whoever is shut out need not be told everything, and may be told what was written before the receipt', () => {
  for (const numbers of [[], [3], [3, 7, 8], [3, 7, 8, 9]]) {
    expect(problemsOf(told(numbers, { ended: true }), DUE, 90)).toEqual([]);
  }
  // No receipt came: it may be told whatever happened.
  expect(problemsOf(told(ALL, { ended: true }), DUE, null)).toEqual([]);
});

test.each([
  ['what was written after the receipt', ALL, ['told though it happened after the receipt: 12']],
  ['that, and of nothing else', [12], ['not told: 3,7,8,9', 'told though it happened after the receipt: 12']],
  ['what comes after a gap', [3, 8], ['not told: 7']],
  ['something twice', [3, 3], ['told twice: 3']],
])('of one who is shut out, that it was told %s is one', (_, numbers, problems) => {
  expect(problemsOf(told(numbers, { ended: true }), DUE, 90)).toEqual(problems);
});

test('what was written before the receipt and numbered after it is nothing that happened after it', () => {
  expect(problemsOf(told([3, 7, 8, 9], { ended: true }), DUE, 80)).toEqual([
    'told though it happened after the receipt: 8',
  ]);
  expect(problemsOf(told([3, 7], { ended: true }), DUE, 80)).toEqual([]);
});
