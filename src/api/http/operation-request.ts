/** What a POST asks for. */
export interface OperationRequest {
  readonly query?: string;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
}

/** The request in a body, or null when it is none: each part is of its type or left out. */
export function requestOf(body: unknown): OperationRequest | null {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return null;
  const { query, operationName = null, variables = null } = body as Record<string, unknown>; // JSON
  if (typeof query !== 'string') return null;
  if (operationName !== null && typeof operationName !== 'string') return null;
  if (typeof variables !== 'object' || Array.isArray(variables)) return null;
  return { query, operationName, variables: variables as Readonly<Record<string, unknown>> | null };
}
