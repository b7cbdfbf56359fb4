import type { FastifyRequest } from 'fastify';
import { execute, type DocumentNode, type ExecutionResult, type GraphQLSchema } from 'graphql';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { DocumentLimits } from '../../kit/limits.ts';
import type { Log } from '../../kit/log.ts';
import type { OperationContext } from '../graphql/context.ts';
import { type Documents, type Operation, tooCostly } from '../graphql/documents.ts';
import { firstCode, toPublicError } from '../graphql/errors.ts';
import { EXECUTION } from '../graphql/execution.ts';
import { limitsFor } from '../graphql/limits.ts';
import type { OperationFigure } from '../graphql/operation-figures.ts';
import { TRACE_HEADER } from '../graphql/traces.ts';

const KNOWN_MAX = 1_000;
/** Of all that are known; they may be the same documents that are kept for every door. */
const TOKENS_MAX = 200_000;

/** A query that Apollo Server has answered: it found nothing wrong with the text, nor with what the client accepts. */
export interface KnownQuery {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | null;
  readonly operationName: string | null;
  readonly figure: OperationFigure;
  /** What Apollo Server answered with. */
  readonly headers: ReadonlyMap<string, string>;
}

type Asked = Pick<FastifyRequest, 'method' | 'headers' | 'body'>;

interface Learned {
  readonly operation: Operation;
  readonly headers: ReadonlyMap<string, string>;
  /** It keeps to these. To others it may not. */
  readonly limits: DocumentLimits;
}

/**
 * Queries that need Apollo Server no more. What remains of a request for one of them is to execute it, on the same schema
 * with the same context. Mutations, and whatever else comes with a request, always go the long way.
 */
export class KnownQueries {
  readonly #schema: GraphQLSchema;
  readonly #documents: Documents;
  readonly #logger: Log;
  readonly #known = new BoundedMap<string, Learned>(KNOWN_MAX, {
    weightOf: ({ operation }) => operation.known.tokens,
    weightMax: TOKENS_MAX,
  });

  constructor(parts: { schema: GraphQLSchema; documents: Documents; logger: Log }) {
    this.#schema = parts.schema;
    this.#documents = parts.documents;
    this.#logger = parts.logger;
  }

  /** The query of this request if it is known and may be asked with these variables, and null otherwise. */
  find(asked: Asked, context: OperationContext): KnownQuery | null {
    const plain = plainOf(asked);
    if (plain === null) return null;
    const learned = this.#known.get(keyOf(asked, plain.query));
    if (learned === undefined || learned.limits !== limitsFor(context)) return null;
    const { operation, headers, limits } = learned;
    if (!operation.cost.isFixed && tooCostly(operation.cost, plain.variables, limits) !== null) return null;
    const { document, figure } = operation;
    return { document, figure, headers, variables: plain.variables, operationName: plain.operationName };
  }

  /** Remembers a query that was answered with status 200 and without errors. */
  learn(asked: Asked, context: OperationContext, headers: ReadonlyMap<string, string>): void {
    const plain = plainOf(asked);
    if (plain === null) return;
    const limits = limitsFor(context);
    const operation = this.#documents.operation(plain, limits);
    if (!('kind' in operation) || operation.known.costs.size !== 1 || operation.kind !== 'query') return;
    this.#known.set(keyOf(asked, plain.query), { operation, headers, limits });
  }

  /** The body of the answer; null when the variables do not fit, which Apollo Server then says in its own words. */
  answer(known: KnownQuery, contextValue: OperationContext): string | null | Promise<string | null> {
    const result = execute({
      schema: this.#schema,
      document: known.document,
      contextValue,
      variableValues: known.variables,
      operationName: known.operationName,
      options: EXECUTION,
    });
    return 'then' in result
      ? result.then((each) => this.#bodyOf(each, known, contextValue))
      : this.#bodyOf(result, known, contextValue);
  }

  #bodyOf({ data, errors }: ExecutionResult, { figure }: KnownQuery, context: OperationContext): string | null {
    if (data === undefined) return null;
    context.asks(figure);
    if (errors === undefined) {
      context.answered(null);
      return `{"data":${JSON.stringify(data)}}\n`;
    }
    const told = errors.map((error) => toPublicError(error, this.#logger));
    context.answered(firstCode(told));
    return `${JSON.stringify({ errors: told, data })}\n`;
  }
}

/** A request that is nothing but a query with its variables; null for everything else. */
function plainOf({
  method,
  headers,
  body,
}: Asked): (Omit<KnownQuery, 'document' | 'figure' | 'headers'> & { readonly query: string }) | null {
  // A trace is of all that Apollo Server does.
  if (headers[TRACE_HEADER] !== undefined) return null;
  if (method !== 'POST' || typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  const { query, variables = null, operationName = null, extensions } = body as Record<string, unknown>; // JSON
  if (typeof query !== 'string' || (extensions !== undefined && extensions !== null)) return null;
  if (typeof variables !== 'object' || Array.isArray(variables)) return null;
  if (operationName !== null && typeof operationName !== 'string') return null;
  return { query, variables: variables as Record<string, unknown> | null, operationName };
}

/** What was answered to one client's Accept header says nothing about another's. A header has no line break. */
function keyOf({ headers }: Asked, query: string): string {
  return `${headers.accept ?? ''}\n${query}`;
}
