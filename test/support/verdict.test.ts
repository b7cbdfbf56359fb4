import { expect, test } from '@jest/globals';
import { verdictOf } from './verdict.ts';

const clean = {
  numPassedTests: 3,
  numFailedTests: 0,
  numRuntimeErrorTestSuites: 0,
  numPendingTests: 0,
  numTodoTests: 0,
};
const of = (counts: Partial<typeof clean>, end: number | NodeJS.Signals = 0) =>
  verdictOf(JSON.stringify({ ...clean, ...counts }), end);

test('a run is a success when tests passed and nothing else is to be said', () => {
  expect(of({})).toEqual({ passed: 3, failed: 0, complaints: [] });
});

test('a file that cannot be loaded counts as a failure', () => {
  expect(of({ numFailedTests: 2, numRuntimeErrorTestSuites: 1 }, 1)).toEqual({ passed: 3, failed: 3, complaints: [] });
});

test('skipped and planned tests are no success', () => {
  expect(of({ numPendingTests: 1, numTodoTests: 2 })).toMatchObject({
    failed: 0,
    complaints: [expect.stringMatching(/^3 /)],
  });
});

test('no test is no success', () => {
  expect(of({ numPassedTests: 0 }, 1)).toEqual({ passed: 0, failed: 0, complaints: ['no test ran'] });
});

test('an unhappy end is no success, whatever the numbers say', () => {
  expect(of({}, 1).complaints).toHaveLength(1);
  expect(of({}, 'SIGKILL').complaints).toHaveLength(1);
});

test.each([null, '', '{', 'null', '{}', '[]'])('the result %p counts as one failure', (json) => {
  expect(verdictOf(json, 0)).toMatchObject({ passed: 0, failed: 1, complaints: [expect.any(String)] });
});
