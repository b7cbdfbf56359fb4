import type { ExecutionResult, FormattedExecutionResult, GraphQLError } from 'graphql';
import { overtaken } from '../../domain/authority/labelled.ts';
import type { OperationContext } from './context.ts';
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

/**
 * What goes out of one result, at the moment it does: rights may have gone while an event was being resolved. The last event of
 * an ended subscription goes out all the same.
 */
export async function delivered(
  {
    data = null,
    errors,
  }: { readonly data?: ExecutionResult['data']; readonly errors?: readonly GraphQLError[] | undefined },
  context: OperationContext,
): Promise<FormattedExecutionResult> {
  const { by, running, services } = context;
  const { identification, logger } = services;
  if (errors !== undefined) context.failed();
  try {
    if (running !== null && !running.ended) await identification.recheck(by);
  } catch (error) {
    running?.withheld();
    return { errors: [toPublicError(error, logger)] };
  }
  const told = errors?.map((error) => toPublicError(error, logger));
  if (running === null) context.answered(firstCode(told));
  else if (context.figure !== null) context.figure.events += 1;
  return told === undefined ? { data } : { data, errors: told };
}

type Events = AsyncGenerator<ExecutionResult, void, void>;

/** The same, counted as answered as soon as it runs. What comes without events is counted when it is {@link delivered}. */
export async function begun(
  subscribed: Promise<Events | ExecutionResult> | Events | ExecutionResult,
  context: OperationContext,
): Promise<Events | ExecutionResult> {
  const result = await subscribed;
  if (Symbol.asyncIterator in result) context.answered(null);
  return result;
}
