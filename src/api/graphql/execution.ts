import { execute, subscribe, type ExecutionArgs, type ExecutionResult, type FormattedExecutionResult } from 'graphql';
import { overtaken } from '../../domain/authority/labelled.ts';
import type { OperationContext, Running } from './context.ts';
import { firstCode, toPublicError } from './errors.ts';

/** Of variables that do not fit, so many mistakes are told. */
export const EXECUTION = { maxCoercionErrors: 10 } as const;
/** A query that keeps being overtaken by changes is read again this often. */
const TRIES_MAX = 3;

/**
 * What was read while somebody waited is theirs only where nothing about them has changed since: otherwise it is read again as they are now.
 * Refuses as `identification.recheck` does. What changes something is done once, and of a subscription each event is looked at.
 */
export async function asTheyAre<T>(
  context: OperationContext,
  first: Promise<T>,
  again: () => T | Promise<T>,
): Promise<T> {
  const { identification } = context.services;
  let result = await first;
  for (let tries = 0; ; tries += 1) {
    const { by, undertaking, running } = context;
    if (by.kind !== 'user' || undertaking.goesOn || running !== null) return result;
    const now = identification.stillHolds(by) ? by : await identification.recheck(by);
    if (now === by) return result;
    if (tries === TRIES_MAX) throw overtaken();
    context.become(now);
    result = await again();
  }
}

interface Read {
  readonly data?: ExecutionResult['data'];
  readonly errors?: ExecutionResult['errors'] | undefined;
}

/**
 * What goes out of one result, at the moment it does: rights may have gone while an event was being resolved. The last event of
 * an ended subscription goes out all the same.
 */
export async function delivered(read: Read, context: OperationContext): Promise<FormattedExecutionResult> {
  const { running, services } = context;
  const { logger } = services;
  if (read.errors !== undefined) context.failed();
  let result = read;
  try {
    if (running !== null && !running.ended) result = await asItIs(read, context, running);
  } catch (error) {
    running?.withheld();
    return { errors: [toPublicError(error, logger)] };
  }
  const { data = null, errors } = result;
  const told = errors?.map((error) => toPublicError(error, logger));
  if (running === null) context.answered(firstCode(told));
  else if (context.figure !== null) context.figure.events += 1;
  return told === undefined ? { data } : { data, errors: told };
}

/** An event as its subscriber may be told of it now: read again where their rights have changed since. */
async function asItIs(read: Read, { subscribed }: OperationContext, running: Running): Promise<Read> {
  let result = read;
  for (let tries = 0; tries <= TRIES_MAX; tries += 1) {
    const again = await running.again();
    if (again === null) return result;
    if (subscribed === null) break;
    result = await execute({ ...subscribed, rootValue: again });
  }
  throw overtaken();
}

type Events = AsyncGenerator<ExecutionResult, void, void>;

/** Begins a subscription: it is counted as answered as soon as it runs. What comes without events is counted when it is {@link delivered}. */
export async function begun(args: ExecutionArgs, context: OperationContext): Promise<Events | ExecutionResult> {
  const result = await subscribe(args);
  if (!(Symbol.asyncIterator in result)) return result;
  context.subscribed = args;
  context.answered(null);
  return result;
}
