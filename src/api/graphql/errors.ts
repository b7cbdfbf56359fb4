import { randomUUID } from 'node:crypto';
import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { DeadlineExceeded } from '../../kit/deadline.ts';
import type { Log } from '../../kit/log.ts';
import { Refusal } from '../../domain/refusals.ts';
import { withoutValues } from './repeated-values.ts';

/** The parser follows brackets with its own calls, and there is an end to those. */
export const TOO_NESTED = 'There are too many brackets in each other.';
const MESSAGE_LENGTH_MAX = 500;

/** How many answers of this process had an id in place of what went wrong. */
export const faults = { count: 0 };

/**
 * What the outside sees of an error, the same through every door: a refusal with its code and data, a mistake in the
 * request with its message, and of anything else an id that stands in the log beside the cause.
 */
export function toPublicError(error: unknown, logger: Log): GraphQLFormattedError {
  const cause = originalOf(error);
  const place = error instanceof GraphQLError ? { locations: error.locations, path: error.path } : {};
  const where = {
    ...(place.locations !== undefined && { locations: place.locations }),
    ...(place.path !== undefined && { path: place.path }),
  };
  if (cause instanceof Refusal) {
    return { message: cause.message, ...where, extensions: { code: cause.code, ...cause.data } };
  }
  if (error instanceof GraphQLError && (error.originalError === undefined || isBadInput(error))) {
    return { message: clipped(withoutValues(error)), ...where, extensions: { code: 'BAD_USER_INPUT' } };
  }
  if (cause instanceof DeadlineExceeded) {
    logger.warn({ err: cause }, 'a deadline passed');
    const extensions = { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 };
    return { message: 'Castellan could not answer in time. Try again shortly.', ...where, extensions };
  }
  const id = randomUUID();
  faults.count += 1;
  logger.error({ err: cause, id, path: place.path }, 'a fault');
  return { message: `Something went wrong on our side (${id}).`, ...where, extensions: { code: 'INTERNAL', id } };
}

/** What an answer with these errors is counted by; null without any. */
export function firstCode(
  errors: readonly Pick<GraphQLError, 'extensions'>[] | readonly GraphQLFormattedError[] | undefined,
): string | null {
  const [first] = errors ?? [];
  if (first === undefined) return null;
  const code = first.extensions?.['code'];
  return typeof code === 'string' ? code : 'BAD_USER_INPUT';
}

/** GraphQL repeats what it did not like, however long that is. */
function clipped(message: string): string {
  return message.length <= MESSAGE_LENGTH_MAX ? message : `${message.slice(0, MESSAGE_LENGTH_MAX)}…`;
}

function originalOf(error: unknown): unknown {
  let cause = error;
  for (let depth = 0; depth < 5 && cause instanceof GraphQLError && cause.originalError !== undefined; depth += 1) {
    cause = cause.originalError;
  }
  return cause;
}

/** A scalar that refused a literal or a variable: graphql-js wraps it, and it is the caller's mistake. */
function isBadInput({ originalError }: GraphQLError): boolean {
  return originalError instanceof GraphQLError && originalError.originalError === undefined;
}

/** The error that a door throws into GraphQL's own machinery, to be mapped like any other. */
export function toGraphQLError(error: unknown, logger: Log): GraphQLError {
  const { message, extensions } = toPublicError(error, logger);
  return new GraphQLError(message, { extensions });
}
