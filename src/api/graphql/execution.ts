import type { ExecutionResult, FormattedExecutionResult, GraphQLError } from 'graphql';
import type { OperationContext } from './context.ts';
import { firstCode, toPublicError } from './errors.ts';

/** Of variables that do not fit, so many mistakes are told. */
export const EXECUTION = { maxCoercionErrors: 10 } as const;

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
