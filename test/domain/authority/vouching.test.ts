import { beforeEach, expect, test } from '@jest/globals';
import { type LiveOperation, LiveOperations } from '../../../src/domain/authority/live.ts';
import type { LogEntry } from '../../../src/domain/authority/log.ts';
import { Tombstones } from '../../../src/domain/authority/tombstones.ts';
import { Vouching } from '../../../src/domain/authority/vouching.ts';
import { createLog } from '../../../src/kit/log.ts';
import { createTestClock, type TestClock } from '../../support/castellan.ts';

/** What is looked up for thousands at once; that nobody is ever vouched for who does not hold is told by simulated histories. */

let clock: TestClock;
let tail: { tombstones: Tombstones; lease: boolean; inForce(): boolean };
let asked: string[];
let vouching: Vouching;

const entry = (seq: number, target: string): LogEntry => ({
  seq,
  target,
  kind: 'revoked',
  userId: null,
  reason: 'x',
  at: '',
});
const bob = (over: { label?: number; expiresAtMs?: number; validUntilMs?: number; key?: object } = {}) => ({
  credential: { key: over.key ?? null, label: over.label ?? 10, expiresAtMs: over.expiresAtMs ?? Infinity },
  standing: { asOf: 10, validUntilMs: Infinity },
  session: { asOf: 10, validUntilMs: over.validUntilMs ?? Infinity },
});
const ofBob: LiveOperation = {
  credentialTargets: ['sess_bob'],
  dependencies: ['user_bob', 'role_member'],
  label: 10,
  untilMs: Infinity,
  revoked: () => Promise.resolve(),
  changed() {},
  reset() {},
  due() {},
};

beforeEach(() => {
  clock = createTestClock();
  tail = { tombstones: new Tombstones(0), lease: true, inForce: () => tail.lease };
  const live = new LiveOperations({ clock, logger: createLog('silent') });
  live.add(ofBob);
  asked = [];
  const concerns = (target: string): boolean => {
    asked.push(target);
    return live.concerns(target);
  };
  vouching = new Vouching({ tail, live: { concerns }, clock });
});

function vouched(over: Parameters<typeof bob>[0] = {}) {
  const vouch = vouching.vouchFor(bob(over));
  if (vouch === null) throw new TypeError('nobody is vouched for');
  return vouch;
}

test('an entry is looked for once, however many are vouched for, and ends only what it concerns', () => {
  const vouches = Array.from({ length: 100 }, () => vouched());
  tail.tombstones.add(entry(11, 'sess_alice'), 0);
  tail.tombstones.add(entry(12, 'key_1'), 0);
  for (const vouch of vouches) expect(vouching.holds(vouch)).toBe(true);
  expect(asked).toEqual(['sess_alice', 'key_1']);
  tail.tombstones.add(entry(13, 'role_member'), 0);
  for (const vouch of vouches) expect(vouching.holds(vouch)).toBe(false);
  expect(vouching.holds(vouched())).toBe(true);
  expect(asked).toEqual(['sess_alice', 'key_1', 'role_member']);
});

test('nobody is vouched for without a lease, beyond the end of their token or session, or with an API key', () => {
  expect(vouching.vouchFor(bob({ key: {} }))).toBeNull();
  const vouches = [
    vouched({ expiresAtMs: clock.now() + 1_000 }),
    vouched({ validUntilMs: clock.now() + 2_000 }),
    vouched(),
  ];
  const held = (): readonly boolean[] => vouches.map((vouch) => vouching.holds(vouch));
  expect(held()).toEqual([true, true, true]);
  clock.advance(1_000);
  expect(held()).toEqual([false, true, true]);
  clock.advance(1_000);
  expect(held()).toEqual([false, false, true]);
  tail.lease = false;
  expect(held()).toEqual([false, false, false]);
});

test('what the log has forgotten, or another history, vouches for nobody', () => {
  const vouch = vouched();
  tail.tombstones.add(entry(11, 'sess_alice'), 5);
  tail.tombstones.forgetBefore(6);
  expect(vouching.holds(vouch)).toBe(false);
  const fresh = vouched({ label: 11 });
  expect(vouching.holds({ ...fresh, asOf: 11 })).toBe(true);
  tail.tombstones = new Tombstones(0, tail.tombstones.version + 1);
  expect(vouching.holds({ ...fresh, asOf: 11 })).toBe(false);
});
