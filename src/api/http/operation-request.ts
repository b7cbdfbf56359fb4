import type { FastifyRequest } from 'fastify';

/** What a request asks for. */
export interface OperationRequest {
  readonly query: string;
  readonly operationName: string | null;
  readonly variables: Readonly<Record<string, unknown>> | null;
}

/** From the body of a POST or the search of a GET; null when it is no request, or a part of it is not of its type. */
export function requestOf({
  method,
  body,
  query: search,
}: Pick<FastifyRequest, 'method' | 'body' | 'query'>): OperationRequest | null {
  const parts = method === 'GET' ? partsOf(search as Readonly<Record<string, unknown>>) : body;
  if (typeof parts !== 'object' || parts === null || Array.isArray(parts)) return null;
  const { query, operationName = null, variables = null } = parts as Record<string, unknown>; // JSON
  if (typeof query !== 'string') return null;
  if (operationName !== null && typeof operationName !== 'string') return null;
  if (typeof variables !== 'object' || Array.isArray(variables)) return null;
  return { query, operationName, variables: variables as Readonly<Record<string, unknown>> | null };
}

/** @param search a name that is there twice has a list */
function partsOf({ variables, ...rest }: Readonly<Record<string, unknown>>): unknown {
  if (variables === undefined) return rest;
  if (typeof variables !== 'string') return null;
  try {
    return { ...rest, variables: JSON.parse(variables) as unknown };
  } catch {
    return null;
  }
}
