import type { Clock } from './clock.ts';

/** An outside wait took longer than it may. */
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';

  constructor(what: string, ms: number) {
    super(`${what} did not answer within ${ms} ms`);
  }
}

/** Waits for `promise` for at most `ms`. The work itself is not cancelled; its late rejection is swallowed. */
export async function withDeadline<T>(clock: Clock, promise: Promise<T>, ms: number, what: string): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = clock.after(ms, () => reject(new DeadlineExceeded(what, ms)));
  promise.catch(() => {});
  try {
    return await Promise.race([promise, expired]);
  } finally {
    timer.cancel();
  }
}
