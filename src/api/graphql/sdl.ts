import { readdirSync, readFileSync } from 'node:fs';
import {
  type ConstDirectiveNode,
  Kind,
  type ObjectTypeDefinitionNode,
  type ObjectTypeExtensionNode,
  parse,
  print,
  visit,
  type ValueNode,
} from 'graphql';

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

/**
 * Root fields that answer whoever is not signed in, if only with nothing. All others refuse them whatever policy is in force,
 * since it gives rights to roles only, and roles are granted to principals.
 */
const OPEN: ReadonlySet<string> = new Set([
  'userActivity',
  'signIns',
  'apiKey',
  'apiKeys',
  'apiKeyUsage',
  'viewerCan',
  'viewerCanMany',
  'viewerAbility',
  'role',
  'roles',
  'scope',
  'scopes',
  'auditLog',
  'securityEvents',
  'serviceAccount',
  'serviceAccounts',
  'session',
  'sessions',
  'me',
  'user',
  'users',
  'signUp',
  'verifyEmail',
  'requestPasswordReset',
  'resetPassword',
  'signIn',
  'verifyMfa',
  'refreshSession',
  'renewConnection',
]);

const ROOTS: ReadonlySet<string> = new Set(['Query', 'Mutation', 'Subscription']);

const AUTHENTICATED: ConstDirectiveNode = {
  kind: Kind.DIRECTIVE,
  name: { kind: Kind.NAME, value: 'authenticated' },
};

/**
 * The same contract with `@authenticated` on what is refused to whoever is not signed in, for gateways that refuse it
 * themselves. It stands on root fields only: what `signIn` answers with is read by whoever was nobody when they asked. The
 * other two directives go by claims of a token, and ours say nothing about rights.
 */
export function withAuth(sdl: string): string {
  const document = visit(parse(sdl), {
    Argument: (argument) => {
      if (argument.name.value !== 'import' || argument.value.kind !== Kind.LIST) return undefined;
      const values = [...argument.value.values, { kind: Kind.STRING, value: '@authenticated' } as const];
      return { ...argument, value: { ...argument.value, values } };
    },
    ObjectTypeDefinition: markRoot,
    ObjectTypeExtension: markRoot,
  });
  return print(document);
}

function markRoot<T extends ObjectTypeDefinitionNode | ObjectTypeExtensionNode>(type: T): T | undefined {
  if (!ROOTS.has(type.name.value) || type.fields === undefined) return undefined;
  const fields = type.fields.map((field) =>
    OPEN.has(field.name.value) ? field : { ...field, directives: [...(field.directives ?? []), AUTHENTICATED] },
  );
  return { ...type, fields };
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
