import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { RateLimits, Taken, Window } from '../../src/domain/limits/rate-limits.ts';

/** The words of the port's doc comment. */
export type RateLimitsLaw = keyof typeof LAWS;

export interface OpenRateLimits {
  /** As five instances have them. */
  readonly instances: readonly RateLimits[];
  /** Lets the time pass by which the driver counts. */
  readonly pass: (seconds: number) => Promise<void>;
  /** From now on whatever holds the counts does not answer. */
  readonly hang: () => Promise<void>;
  readonly release: () => Promise<void>;
}

export interface RateLimitsDriver {
  readonly name: string;
  /** Laws that have no case for this driver, each with the reason. */
  readonly except?: Partial<Record<RateLimitsLaw, string>>;
  readonly open: () => Promise<OpenRateLimits>;
}

export function describeRateLimitsContract({ name, except = {}, open }: RateLimitsDriver): void {
  describe(`the ${name} rate limits`, () => {
    const reasons: Readonly<Record<string, string | undefined>> = except;
    let opened: OpenRateLimits;
    let subject: string;

    beforeAll(async () => {
      opened = await open();
    });
    beforeEach(() => {
      subject = `user_${randomUUID()}`;
    });
    afterAll(() => opened?.release());

    // The law of a driver that hangs comes last: it goes on hanging.
    for (const [law, prove] of Object.entries(LAWS)) {
      const reason = reasons[law];
      if (reason === undefined) test(law, () => prove(opened, subject));
      else process.stdout.write(`the ${name} rate limits are excused from "${law}": ${reason}\n`);
    }
  });
}

const aWindow = (values: Partial<Window> = {}): Window => ({
  name: 'key',
  of: 'key_1',
  max: 3,
  seconds: 60,
  ...values,
});

/** What the one instance answers, which must be an answer. */
async function take(
  limits: RateLimits | undefined,
  subject: string,
  windows: readonly Window[],
  cost = 1,
): Promise<Taken> {
  const taken = await limits?.take({ subject, windows, cost });
  if (taken == null) throw new Error('it did not answer');
  return taken;
}

const LAWS = {
  'must allow no more than the maximum of any window, however many ask at once on however many instances': async (
    { instances }: OpenRateLimits,
    subject: string,
  ) => {
    const narrow = aWindow({ max: 40 });
    const wide = aWindow({ name: 'owner', of: subject, max: 100, seconds: 3_600 });
    const burst = (window: Window) =>
      Promise.all(
        Array.from({ length: 40 }, () => instances.map((limits) => take(limits, subject, [window, wide]))).flat(),
      );
    const allowed = (all: readonly Taken[]) => all.filter(({ allowed }) => allowed).length;
    expect(allowed(await burst(narrow))).toBe(40);
    expect(allowed(await burst({ ...narrow, of: 'key_2' }))).toBe(40);
    expect(allowed(await burst({ ...narrow, of: 'key_3' }))).toBe(20);
  },

  'must take from all windows or from none: a refusal takes nothing': async (
    { instances: [limits] }: OpenRateLimits,
    subject: string,
  ) => {
    const [narrow, wide] = [aWindow({ max: 1 }), aWindow({ name: 'owner', max: 10, seconds: 3_600 })];
    expect(await take(limits, subject, [narrow, wide])).toMatchObject({ allowed: true });
    for (let n = 0; n < 20; n += 1) {
      expect(await take(limits, subject, [narrow, wide])).toMatchObject({
        allowed: false,
        windows: [{ remaining: 0 }, { remaining: 9 }],
      });
    }
    expect(await take(limits, subject, [wide], 9)).toMatchObject({ allowed: true, windows: [{ remaining: 0 }] });
  },

  'must take as many as it costs, and more than there may be never': async (
    { instances: [limits] }: OpenRateLimits,
    subject: string,
  ) => {
    const window = aWindow({ max: 10 });
    expect(await take(limits, subject, [window], 11)).toMatchObject({ allowed: false, windows: [{ remaining: 10 }] });
    expect(await take(limits, subject, [window], 7)).toMatchObject({ allowed: true, windows: [{ remaining: 3 }] });
    expect(await take(limits, subject, [window], 4)).toMatchObject({ allowed: false, windows: [{ remaining: 3 }] });
    expect(await take(limits, subject, [window], 3)).toMatchObject({ allowed: true, windows: [{ remaining: 0 }] });
  },

  'must begin a window with the first that is taken, and anew when its seconds are over': async (
    { instances: [limits], pass }: OpenRateLimits,
    subject: string,
  ) => {
    const [short, long] = [aWindow({ max: 2, seconds: 1 }), aWindow({ max: 3, seconds: 3_600 })];
    for (const allowed of [true, true, false]) {
      expect(await take(limits, subject, [short, long])).toMatchObject({ allowed });
    }
    await pass(1.1);
    expect(await take(limits, subject, [short, long])).toMatchObject({
      allowed: true,
      windows: [{ remaining: 1 }, { remaining: 0 }],
    });
    await pass(1.1);
    expect(await take(limits, subject, [short, long])).toMatchObject({
      allowed: false,
      windows: [
        { remaining: 2, retryAfterSeconds: 0 },
        { remaining: 0, resetSeconds: expect.any(Number) },
      ],
    });
  },

  'must tell what remains, when the window begins anew, and of a refusal when to come again': async (
    { instances: [limits] }: OpenRateLimits,
    subject: string,
  ) => {
    const windows = [aWindow({ max: 2 }), aWindow({ name: 'owner', max: 5, seconds: 3_600 })];
    const [key, owner] = [
      { name: 'key', max: 2, seconds: 60 },
      { name: 'owner', max: 5, seconds: 3_600 },
    ];
    expect(await take(limits, subject, windows)).toEqual({
      allowed: true,
      windows: [
        { ...key, remaining: 1, resetSeconds: 60, retryAfterSeconds: 0 },
        { ...owner, remaining: 4, resetSeconds: 3_600, retryAfterSeconds: 0 },
      ],
    });
    await take(limits, subject, windows);
    const { allowed, windows: states } = await take(limits, subject, windows);
    expect(allowed).toBe(false);
    expect(states).toMatchObject([
      { ...key, remaining: 0 },
      { ...owner, remaining: 3, retryAfterSeconds: 0 },
    ]);
    expect(states[0]?.retryAfterSeconds).toBe(states[0]?.resetSeconds);
    expect(states[0]?.resetSeconds).toBeGreaterThan(0);
    expect(states[0]?.resetSeconds).toBeLessThanOrEqual(60);
  },

  'must count subjects, names and lengths apart': async ({ instances: [limits] }: OpenRateLimits, subject: string) => {
    const window = aWindow({ max: 1 });
    const others = [{ name: 'owner' }, { of: 'key_2' }, { seconds: 61 }];
    expect(await take(limits, subject, [window])).toMatchObject({ allowed: true });
    expect(await take(limits, subject, [window])).toMatchObject({ allowed: false });
    expect(await take(limits, `${subject}2`, [window])).toMatchObject({ allowed: true });
    for (const other of others) {
      expect(await take(limits, subject, [{ ...window, ...other }])).toMatchObject({ allowed: true });
    }
  },

  'must answer with null when it cannot answer in time, and must never throw': async (
    { instances, hang }: OpenRateLimits,
    subject: string,
  ) => {
    await hang();
    const asked = { subject, windows: [aWindow()], cost: 1 };
    expect(await Promise.all(instances.map((limits) => limits.take(asked)))).toEqual(instances.map(() => null));
    expect(await instances[0]?.take(asked)).toBeNull();
  },
};
