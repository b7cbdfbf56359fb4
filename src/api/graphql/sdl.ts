import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../schema/', import.meta.url);

/** The public contract, one file per concept, joined in the order of their names. */
export function readSchemaText(): string {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.graphql'))
    .toSorted()
    .map((name) => readFileSync(new URL(name, FOLDER), 'utf8'))
    .join('\n');
}
