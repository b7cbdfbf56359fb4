import { describe, expect, test } from '@jest/globals';
import { type LevelStep, moved, type SessionLevel } from '../../../src/domain/sessions/session-levels.ts';

const [ONE, TWO, THREE, FOUR] = ['01', '02', '03', '04'].map((hour) => `2024-05-15T${hour}:00:00.000Z`) as [
  string,
  string,
  string,
  string,
];
const BASE: readonly SessionLevel[] = [{ start: ONE, live: 5, peak: 7 }];

const step = (start: string, by: 1 | -1): LevelStep => ({ start, by });

describe('levels of live sessions', () => {
  test('go on from the level before, and keep the highest', () => {
    expect(moved(BASE, [step(TWO, 1), step(TWO, 1), step(TWO, -1), step(FOUR, -1)])).toEqual([
      { start: ONE, live: 5, peak: 7 },
      { start: TWO, live: 6, peak: 7 },
      { start: FOUR, live: 5, peak: 6 },
    ]);
  });

  test('are those they would have been, when an end is told late', () => {
    const late = moved(moved(BASE, [step(THREE, 1), step(FOUR, 1)]), [step(TWO, -1)]);
    expect(late).toEqual([
      { start: ONE, live: 5, peak: 7 },
      { start: TWO, live: 4, peak: 5 },
      { start: THREE, live: 5, peak: 5 },
      { start: FOUR, live: 6, peak: 6 },
    ]);
    expect(late).toEqual(moved(BASE, [step(TWO, -1), step(THREE, 1), step(FOUR, 1)]));
  });

  test('all move with what happened before them', () => {
    expect(moved([{ start: TWO, live: 1, peak: 1 }], [step(ONE, 1), step(ONE, -1), step(ONE, -1)])).toEqual([
      { start: TWO, live: 0, peak: 0 },
    ]);
  });

  test('of the same steps are the same in any order, but for the peak of a quarter', () => {
    const steps = [step(TWO, 1), step(THREE, -1), step(TWO, 1), step(FOUR, 1), step(THREE, 1), step(ONE, -1)];
    const live = (levels: readonly SessionLevel[]) => levels.map(({ start, live: count }) => [start, count]);
    const expected = live(moved(BASE, steps));
    for (let turn = 1; turn < steps.length; turn += 1) {
      const turned = [...steps.slice(turn), ...steps.slice(0, turn)];
      expect(live(moved(BASE, turned))).toEqual(expected);
      expect(live(turned.reduce((levels, each) => moved(levels, [each]), BASE))).toEqual(expected);
    }
  });
});
