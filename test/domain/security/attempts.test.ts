import { beforeEach, describe, expect, test } from '@jest/globals';
import { Attempts } from '../../../src/domain/security/attempts.ts';
import { recordedLog } from '../../support/recorded-log.ts';
import { createStillClock, type StillClock } from '../../support/still-clock.ts';

let log: ReturnType<typeof recordedLog>;
let clock: StillClock;
let attempts: Attempts;

beforeEach(() => {
  log = recordedLog();
  clock = createStillClock(0);
  attempts = new Attempts({ clock, logger: log.logger });
});

/** What the log has been told, without when. */
const lines = () => log.lines().map((line) => ({ ...(JSON.parse(line) as object), time: undefined, level: undefined }));

describe('an attempt that was refused', () => {
  test('is told at once with its code, door, network and principal, and nothing else', () => {
    attempts.note('BAD_USER_INPUT', 'websocket', '2001:db8:1:2:3:4:5:6', 'user_1');
    expect(lines()).toEqual([
      {
        code: 'BAD_USER_INPUT',
        door: 'websocket',
        network: '2001:db8:1:2::/64',
        principalId: 'user_1',
        msg: 'an attempt was refused',
      },
    ]);
  });

  test('is told once for a minute, and then with how often it came again', async () => {
    for (let n = 0; n < 10_000; n += 1) attempts.note('RATE_LIMITED', 'http', `2001:db8::${n.toString(16)}`, null);
    expect(lines()).toHaveLength(1);
    clock.advance(59_999);
    await attempts.rounds.next();
    expect(lines()).toHaveLength(1);
    clock.advance(1);
    await attempts.rounds.next();
    expect(lines().slice(1)).toMatchObject([{ code: 'RATE_LIMITED', network: '2001:db8:0:0::/64', times: 9_999 }]);
    expect(attempts.folded).toBe(9_999);
    attempts.note('RATE_LIMITED', 'http', '2001:db8::1', null);
    expect(lines()).toHaveLength(3);
  });

  test('is told apart from no more than 500 others: all beyond are one line', async () => {
    for (let n = 0; n < 2_000; n += 1) attempts.note('FORBIDDEN', 'sse', `198.51.${n >> 8}.${n & 255}`, null);
    expect(lines()).toHaveLength(500);
    await attempts.rounds.next();
    expect(lines().slice(500)).toMatchObject([{ times: 1_500, msg: 'attempts were refused that are not told apart' }]);
  });

  test('is told of when everything is closed', async () => {
    for (let n = 0; n < 3; n += 1) attempts.note('CONFLICT', 'http', null, 'user_1');
    await attempts.rounds.stop();
    expect(lines().slice(1)).toMatchObject([{ code: 'CONFLICT', network: null, times: 2 }]);
  });

  test.each(['TOKEN_EXPIRED', 'AUTHORITY_UNAVAILABLE', 'INTERNAL'])('is none with %s', (code) => {
    attempts.note(code, 'http', '198.51.100.1', null);
    expect(lines()).toEqual([]);
  });
});
