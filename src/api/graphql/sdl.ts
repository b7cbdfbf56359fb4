import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = new URL('../../../schema/', import.meta.url);

/** What all concepts share. */
const FIRST = 'castellan.graphql';

/** The public contract: what is shared, and then one file per concept in the order of their names. */
export function readSchemaText(): string {
  const concepts = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.graphql') && name !== FIRST)
    .toSorted();
  return [FIRST, ...concepts].map((name) => readFileSync(new URL(name, FOLDER), 'utf8')).join('\n');
}
