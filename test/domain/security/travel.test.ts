import { describe, expect, test } from '@jest/globals';
import { apartKm, impossibleKm, type Location, travelSeconds } from '../../../src/domain/security/travel.ts';
import { changedThresholds, THRESHOLDS, TRAVEL } from '../../../src/kit/thresholds.ts';

const LONDON = { latitude: 51.5074, longitude: -0.1278, radiusKm: 0 };
const NEW_YORK = { latitude: 40.7128, longitude: -74.006, radiusKm: 0 };
const HOUR = 3_600;
const START = Date.parse('2030-01-01T00:00:00.000Z');

const at = (location: Location, seconds: number) => ({
  ...location,
  userId: 'user_1',
  sessionId: 'sess_1',
  at: new Date(START + seconds * 1_000).toISOString(),
});
const after = (seconds: number, to: Location = NEW_YORK, from: Location = LONDON) =>
  impossibleKm(at(from, 0), at(to, seconds), TRAVEL.threshold);

describe('the distance', () => {
  test.each([
    ['London and New York', LONDON, NEW_YORK, 5_570],
    ['the poles', { ...LONDON, latitude: 90 }, { ...LONDON, latitude: -90 }, 20_015],
    ['both sides of the date line', { ...LONDON, longitude: 179.9 }, { ...LONDON, longitude: -179.9 }, 14],
    ['a place and itself', LONDON, LONDON, 0],
  ])('between %s', (_, one, other, km) => {
    expect(Math.round(apartKm(one, other))).toBe(km);
    expect(apartKm(other, one)).toBe(apartKm(one, other));
  });

  test('is what is left of it where both are as near as they may be', () => {
    expect(Math.round(apartKm({ ...LONDON, radiusKm: 500 }, { ...NEW_YORK, radiusKm: 70 }))).toBe(5_000);
    expect(apartKm({ ...LONDON, radiusKm: 3_000 }, { ...NEW_YORK, radiusKm: 3_000 })).toBe(0);
  });
});

describe('who is in two places', () => {
  test('cannot have travelled faster than a thousand kilometres an hour, whoever of both is told of first', () => {
    expect(after(5.5 * HOUR)).toBe(5_570);
    expect(after(-5.5 * HOUR)).toBe(5_570);
    expect(after(0)).toBe(5_570);
    expect(after(5.6 * HOUR)).toBeNull();
  });

  test('and not a hundred kilometres from where they were may have another provider', () => {
    expect(after(0, { ...LONDON, latitude: 52.4 })).toBeNull();
    expect(after(0, { ...LONDON, latitude: 52.41 })).toBe(100);
    expect(after(0, { ...LONDON, latitude: 52.41, radiusKm: 1 })).toBeNull();
  });

  test('may have come from anywhere once they could have come from the other side of the Earth', () => {
    expect(travelSeconds(TRAVEL.threshold) / HOUR).toBeCloseTo(20.02, 1);
    const poles = [
      { ...LONDON, latitude: 90 },
      { ...LONDON, latitude: -90 },
    ] as const;
    expect(after(travelSeconds(TRAVEL.threshold) + 1, ...poles)).toBeNull();
    expect(travelSeconds(null)).toBe(0);
  });
});

describe('the speed', () => {
  test('is set as thresholds are, and can be turned off', () => {
    expect(changedThresholds('session.impossible_travel=300/15m')[TRAVEL.kind]).toEqual({ count: 300, seconds: 900 });
    expect(changedThresholds('session.impossible_travel=off')[TRAVEL.kind]).toBeNull();
    expect(changedThresholds('read.denied=off')[TRAVEL.kind]).toEqual(THRESHOLDS[TRAVEL.kind]);
  });

  test.each(['99/1h', '1000/1d', '10000/1h', '1000', '0/1h'])('is never %s', (value) => {
    expect(() => changedThresholds(`session.impossible_travel=${value}`)).toThrow('100 to 9999 kilometres an hour');
  });
});
