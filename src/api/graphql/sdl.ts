import { readdirSync, readFileSync } from 'node:fs';
import { Kind, parse, print, visit, type ValueNode } from 'graphql';

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

const AUTH: ReadonlySet<string> = new Set(['authenticated', 'requiresScopes', 'policy']);

/** The same contract for gateways that do not know the directives that say who may ask for what. */
export function withoutAuth(sdl: string): string {
  const document = visit(parse(sdl), {
    Directive: ({ name }) => (AUTH.has(name.value) ? null : undefined),
    // How `@link(import: ["@authenticated"])` names it, or `{ name: "@authenticated", as: "@auth" }`.
    ListValue: (list) => {
      const values = list.values.filter((value) => !AUTH.has(importedName(value).replace('@', '')));
      return values.length === list.values.length ? undefined : { ...list, values };
    },
  });
  return print(document);
}

function importedName(value: ValueNode): string {
  if (value.kind === Kind.STRING) return value.value;
  if (value.kind !== Kind.OBJECT) return '';
  const name = value.fields.find((field) => field.name.value === 'name')?.value;
  return name?.kind === Kind.STRING ? name.value : '';
}
