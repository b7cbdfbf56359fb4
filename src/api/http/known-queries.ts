import type { FastifyRequest } from 'fastify';
import {
  execute,
  getOperationAST,
  Kind,
  OperationTypeNode,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLSchema,
} from 'graphql';
import { BoundedMap } from '../../kit/bounded-map.ts';
import type { Log } from '../../kit/log.ts';
import type { OperationContext } from '../graphql/context.ts';
import type { Documents } from '../graphql/documents.ts';
import { toPublicError } from '../graphql/errors.ts';
import { TRACE_HEADER } from '../graphql/traces.ts';

const KNOWN_MAX = 1_000;
/** Longer queries are rare, and a thousand of them must not fill our memory. */
const LENGTH_MAX = 16_384;

/** A query that Apollo Server has answered: it found nothing wrong with the text, nor with what the client accepts. */
export interface KnownQuery {
  readonly document: DocumentNode;
  readonly variables: Readonly<Record<string, unknown>> | null;
  readonly operationName: string | null;
  /** What Apollo Server answered with. */
  readonly headers: ReadonlyMap<string, string>;
}

type Asked = Pick<FastifyRequest, 'method' | 'headers' | 'body'>;

interface Learned {
  readonly document: DocumentNode;
  readonly headers: ReadonlyMap<string, string>;
}

/**
 * Queries that need Apollo Server no more. What remains of a request for one of them is to execute it, on the same schema
 * with the same context. Mutations, and whatever else comes with a request, always go the long way.
 */
export class KnownQueries {
  readonly #schema: GraphQLSchema;
  readonly #documents: Documents;
  readonly #logger: Log;
  readonly #known = new BoundedMap<string, Learned>(KNOWN_MAX);

  constructor(parts: { schema: GraphQLSchema; documents: Documents; logger: Log }) {
    this.#schema = parts.schema;
    this.#documents = parts.documents;
    this.#logger = parts.logger;
  }

  /** The query of this request if it is known, and null otherwise. */
  find(asked: Asked): KnownQuery | null {
    const plain = plainOf(asked);
    if (plain === null) return null;
    const learned = this.#known.get(keyOf(asked, plain.query));
    if (learned === undefined) return null;
    return { ...learned, variables: plain.variables, operationName: plain.operationName };
  }

  /** Remembers a query that was answered with status 200 and without errors. */
  learn(asked: Asked, headers: ReadonlyMap<string, string>): void {
    const plain = plainOf(asked);
    if (plain === null || plain.query.length > LENGTH_MAX) return;
    const document = this.#documents.read(plain.query);
    if (!('kind' in document)) return;
    const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
    if (operations.length !== 1 || getOperationAST(document)?.operation !== OperationTypeNode.QUERY) return;
    this.#known.set(keyOf(asked, plain.query), { document, headers });
  }

  /** The body of the answer; null when the variables do not fit, which Apollo Server then says in its own words. */
  answer(known: KnownQuery, contextValue: OperationContext): string | null | Promise<string | null> {
    const result = execute({
      schema: this.#schema,
      document: known.document,
      contextValue,
      variableValues: known.variables,
      operationName: known.operationName,
    });
    return 'then' in result ? result.then((each) => this.#bodyOf(each)) : this.#bodyOf(result);
  }

  #bodyOf({ data, errors }: ExecutionResult): string | null {
    if (data === undefined) return null;
    if (errors === undefined) return `{"data":${JSON.stringify(data)}}\n`;
    return `${JSON.stringify({ errors: errors.map((error) => toPublicError(error, this.#logger)), data })}\n`;
  }
}

/** A request that is nothing but a query with its variables; null for everything else. */
function plainOf({
  method,
  headers,
  body,
}: Asked): (Omit<KnownQuery, 'document' | 'headers'> & { readonly query: string }) | null {
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
