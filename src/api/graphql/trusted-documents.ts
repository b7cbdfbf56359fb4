import { createHash } from 'node:crypto';
import { z } from 'zod';
import { badInput, Refusal } from '../../domain/refusals.ts';

/** They are kept for good, unlike those that anybody may send. */
const DOCUMENTS_MAX = 10_000;
const SHA256 = /^[0-9a-f]{64}$/;
/** How the appendix of GraphQL over HTTP says what kind of id follows. */
const SHA256_PREFIX = 'sha256:';

/** A document of the list. */
export interface ListedDocument {
  readonly id: string;
  readonly text: string;
  /** The operation that the list says it is, or null where it says nothing. */
  readonly operation: { readonly name: string; readonly type: string } | null;
}

/** What of a request may say which document it wants. */
export interface AskedDocument {
  readonly query?: unknown;
  readonly documentId?: unknown;
  readonly extensions?: unknown;
}

const text = z.string().min(1);

const manifest = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  version: z.literal(1),
  operations: z.array(
    z.object({ id: text, name: text, type: z.enum(['query', 'mutation', 'subscription']), body: text }),
  ),
});

const plain = z.record(text, text);

/**
 * The documents of a manifest of Apollo's, or of a plain object from ids to documents. A TypeError says what is wrong with it.
 * @param json the text of the file
 */
export function parseListed(json: string): readonly ListedDocument[] {
  const listed = listedIn(json);
  if (listed.length === 0) throw new TypeError('lists no document');
  if (listed.length > DOCUMENTS_MAX) throw new TypeError(`lists more than ${DOCUMENTS_MAX} documents`);
  const known = new Set<string>();
  for (const each of listed) {
    if (known.has(each.id)) throw new TypeError(`lists ${each.id} twice`);
    // Whoever asks by a hash has a text at home that it is of.
    if (SHA256.test(each.id) && hashOf(each.text) !== each.id) {
      throw new TypeError(`lists ${each.id} with a document that has another SHA-256`);
    }
    known.add(each.id);
  }
  return listed;
}

function listedIn(json: string): readonly ListedDocument[] {
  const file = parsed(json);
  if (Object(file).format === undefined) {
    const { success, data } = plain.safeParse(file);
    if (!success) throw new TypeError('is neither a manifest of persisted queries nor an object from ids to documents');
    return Object.entries(data).map(([id, each]) => ({ id, text: each, operation: null }));
  }
  const { data, error } = manifest.safeParse(file);
  if (data === undefined) {
    const [first] = error.issues;
    throw new TypeError(`is no manifest of version 1: ${first?.path.join('.')} ${first?.message}`);
  }
  return data.operations.map(({ id, name, type, body }) => ({ id, text: body, operation: { name, type } }));
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new TypeError('is not JSON');
  }
}

/** By what documents of a list can be asked for. */
export class TrustedDocuments {
  /** By id and by SHA-256. */
  readonly #texts = new Map<string, string>();

  constructor(listed: readonly ListedDocument[]) {
    for (const { text: each } of listed) this.#texts.set(hashOf(each), each);
    // Last: what is called so by the list is meant.
    for (const each of listed) this.#texts.set(each.id, each.text);
  }

  /**
   * The text that a request means, by its id or, listed or not, as it is; null where it names none. An id that is not listed is
   * refused with FORBIDDEN, and with BAD_USER_INPUT what names several.
   */
  textOf({ query, documentId, extensions }: AskedDocument): string | null | Refusal {
    const { persistedQuery } = Object(extensions) as { readonly persistedQuery?: { readonly sha256Hash?: unknown } };
    const named = [
      // A WebSocket has no message without a text.
      ...(typeof query === 'string' && query !== '' ? [query] : []),
      ...(isGiven(documentId) ? [this.#byId(documentId)] : []),
      ...(isGiven(persistedQuery) ? [this.#byId(persistedQuery.sha256Hash)] : []),
    ];
    const [first] = named;
    if (first === undefined) return null;
    if (first === null || named.includes(null)) return untrusted();
    if (named.some((each) => each !== first)) return badInput('documentId', 'Name one document: these are several.');
    return first;
  }

  #byId(id: unknown): string | null {
    if (typeof id !== 'string') return null;
    return this.#texts.get(id.startsWith(SHA256_PREFIX) ? id.slice(SHA256_PREFIX.length) : id) ?? null;
  }
}

/** What is not listed is told so before it is looked at. */
export function untrusted(): Refusal {
  const message = 'Only documents that are known beforehand are answered here, and this is none of them.';
  return new Refusal('FORBIDDEN', message, { reason: 'document' });
}

function isGiven<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}

function hashOf(document: string): string {
  return createHash('sha256').update(document).digest('hex');
}
