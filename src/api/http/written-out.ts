import type { FastifyRequest } from 'fastify';
import { Refusal } from '../../domain/refusals.ts';
import type { DocumentLimits } from '../../kit/limits.ts';
import type { Documents } from '../graphql/documents.ts';

/**
 * Where only trusted documents are answered, puts the text of one in the place of its id: from then on the request is like any
 * other. Answers with why it is refused, or null where nothing is in the way.
 */
export function writeOut(request: FastifyRequest, documents: Documents, limits: DocumentLimits): Refusal | null {
  if (limits.anyDocument) return null;
  const isGet = request.method === 'GET';
  const parts = isGet ? request.query : request.body;
  // An array is no request.
  if (typeof parts !== 'object' || parts === null || Array.isArray(parts)) return null;
  const { documentId, extensions, ...rest } = parts as Record<string, unknown>; // JSON, or a search
  const read = isGet ? parsed(extensions) : extensions;
  const text = documents.textOf({ query: rest['query'], documentId, extensions: read }, limits);
  if (text === null || text instanceof Refusal) return text;
  const { persistedQuery, ...others } = Object(read) as Record<string, unknown>;
  if (documentId === undefined && persistedQuery === undefined) return null;
  const left = Object.keys(others).length === 0 ? {} : { extensions: isGet ? JSON.stringify(others) : others };
  const written = { ...rest, query: text, ...left };
  if (!isGet) {
    request.body = written;
    return null;
  }
  const search = written as Record<string, string>; // what was a list is refused as one, or as what it is joined to
  request.query = search;
  // Apollo Server reads it again.
  request.raw.url = `/graphql?${new URLSearchParams(search).toString()}`;
  return null;
}

function parsed(extensions: unknown): unknown {
  if (typeof extensions !== 'string') return undefined;
  try {
    return JSON.parse(extensions);
  } catch {
    // Whoever reads it says so.
    return undefined;
  }
}
