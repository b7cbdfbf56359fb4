import { readFile } from 'node:fs/promises';
import { Documents } from '../api/graphql/documents.ts';
import { createSchema } from '../api/graphql/schema.ts';
import { type ListedDocument, parseListed } from '../api/graphql/trusted-documents.ts';
import { ConfigError, type Config } from '../config.ts';

/** So many of what is wrong are told. */
const TOLD_MAX = 20;

/** What is asked, and what may be. */
export interface Asking {
  readonly schema: ReturnType<typeof createSchema>;
  readonly documents: Documents;
}

/** Reads what is trusted. A ConfigError names the documents that could never be answered. */
export async function openDocuments({
  trustedDocuments,
  limits,
}: Pick<Config, 'trustedDocuments' | 'limits'>): Promise<Asking> {
  const schema = createSchema();
  const documents = new Documents(schema);
  if (trustedDocuments === null) return { schema, documents };
  const wrong = documents.trust(await listedIn(trustedDocuments), limits.documents);
  if (wrong.length === 0) return { schema, documents };
  const told = wrong.length > TOLD_MAX ? [...wrong.slice(0, TOLD_MAX), `and ${wrong.length - TOLD_MAX} more`] : wrong;
  throw problem(`lists documents that could never be answered:\n${told.map((each) => `    ${each}`).join('\n')}`);
}

async function listedIn(path: string): Promise<readonly ListedDocument[]> {
  const json = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw problem(`names a file that cannot be read (${error.code})`);
  });
  try {
    return parseListed(json);
  } catch (error) {
    if (error instanceof TypeError) throw problem(error.message);
    throw error;
  }
}

function problem(message: string): ConfigError {
  return new ConfigError([{ variable: 'TRUSTED_DOCUMENTS', message }]);
}
