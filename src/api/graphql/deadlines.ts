import { Refusal } from '../../domain/refusals.ts';
import type { Timer } from '../../kit/clock.ts';
import { tracing } from '../../kit/tracing.ts';
import type { OperationContext } from './context.ts';
import { asTheyAre } from './execution.ts';

/**
 * Carries out an operation for as long as it may take. One that takes longer is refused with AUTHORITY_UNAVAILABLE: a query is
 * given up with all that it waits for, a mutation goes on. What has its answer at once is not waited for.
 */
export function inTime<T>(context: OperationContext, work: () => T | Promise<T>): T | Promise<T> {
  const { figure, undertaking } = context;
  const name = figure === null ? 'graphql' : `graphql ${figure.kind} ${figure.field}`;
  const carryOut = (): T | Promise<T> =>
    tracing.on ? tracing.within(name, () => undertaking.run(work)) : undertaking.run(work);
  const result = carryOut();
  if (!(result instanceof Promise)) return result;
  const theirs = asTheyAre(context, result, carryOut);
  return raced(context, theirs);
}

async function raced<T>(
  { undertaking, services: { clock, limits } }: OperationContext,
  result: Promise<T>,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = (): void => {
    reject(tooLate(undertaking.goesOn));
    undertaking.abandon();
  };
  let timer: Timer = clock.after(limits.queryMs, () => {
    if (!undertaking.goesOn) return giveUp();
    timer = clock.after(limits.mutationMs - limits.queryMs, giveUp);
  });
  // Whatever becomes of it later has nobody who asks.
  result.catch(() => {});
  try {
    return await Promise.race([result, late]);
  } finally {
    timer.cancel();
  }
}

function tooLate(changing: boolean): Refusal {
  const message = changing
    ? 'This takes too long. What was asked to change may or may not be changed: ask again shortly.'
    : 'This takes too long, and was given up.';
  return new Refusal('AUTHORITY_UNAVAILABLE', message, { retryAfterSeconds: 1 });
}
