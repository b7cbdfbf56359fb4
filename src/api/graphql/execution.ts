import {
  getOperationAST,
  GraphQLError,
  type DocumentNode,
  type ExecutionResult,
  type FormattedExecutionResult,
  type OperationTypeNode,
} from 'graphql';
import type { OperationContext } from './context.ts';
import type { Documents } from './documents.ts';
import { toGraphQLError, toPublicError } from './errors.ts';
import type { Log } from '../../kit/log.ts';

type Errors = readonly GraphQLError[];

export interface Operation {
  readonly document: DocumentNode;
  readonly kind: `${OperationTypeNode}`;
}

/** The operation that a request names, or what is wrong with it. For doors that Apollo Server does not stand in. */
export function operationOf(
  documents: Documents,
  { query, operationName }: { readonly query?: unknown; readonly operationName?: string | null | undefined },
  logger: Log,
): Operation | Errors {
  const document = documents.read(query);
  if (!('kind' in document)) return document.map((error) => toGraphQLError(error, logger));
  const operation = getOperationAST(document, operationName);
  if (operation == null) return [toGraphQLError(new GraphQLError('There is no such operation.'), logger)];
  return { document, kind: operation.operation };
}

/**
 * What goes out of one result, at the moment it does: rights may have gone while an event was being resolved. The last event of
 * an ended subscription goes out all the same.
 */
export async function delivered(
  { data = null, errors }: { readonly data?: ExecutionResult['data']; readonly errors?: Errors | undefined },
  { by, running, services: { identification, logger } }: OperationContext,
): Promise<FormattedExecutionResult> {
  try {
    if (running !== null && !running.ended) await identification.recheck(by);
  } catch (error) {
    return { errors: [toPublicError(error, logger)] };
  }
  return errors === undefined ? { data } : { data, errors: errors.map((error) => toPublicError(error, logger)) };
}
