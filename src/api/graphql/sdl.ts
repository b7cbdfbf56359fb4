import { readdirSync, readFileSync } from 'node:fs';
import {
  type ConstDirectiveNode,
  type ConstListValueNode,
  type ConstValueNode,
  type DocumentNode,
  Kind,
  type NameNode,
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

/** Root fields that need a permission whatever they are asked about; whoever lacks it is FORBIDDEN. */
const PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ['policy', 'policy:read'],
  ['explain', 'policy:read'],
  ['previewPolicy', 'policy:read'],
  ['policyChanged', 'policy:read'],
  ['applyPolicy', 'policy:apply'],
  ['reloadPolicy', 'policy:apply'],
  ['rollbackPolicy', 'policy:apply'],
  ['signingKeys', 'signingKey:read'],
  ['rotateSigningKey', 'signingKey:rotate'],
  ['revokeSigningKey', 'signingKey:revoke'],
  ['permissionAnalytics', 'analytics:read'],
  ['sessionAnalytics', 'analytics:read'],
  ['authenticationAnalytics', 'analytics:read'],
  ['activityAnalytics', 'analytics:read'],
  ['systemHealth', 'systemHealth:read'],
  ['revocations', 'revocation:read'],
]);

/**
 * The same contract with `@authenticated` on what is refused to whoever is not signed in, for gateways that refuse it
 * themselves. It stands on root fields only: what `signIn` answers with is read by whoever was nobody when they asked.
 */
export function withAuth(sdl: string): string {
  return print(
    marked(parse(sdl), ['@authenticated'], (field) => (OPEN.has(field) ? [] : [directive('authenticated')])),
  );
}

/**
 * And with `@policy` on what needs a permission whatever it is about, named as the policy names it, for gateways that ask somebody
 * what to make of that.
 */
export const withPolicies = (sdl: string): string => withPermissions(sdl, 'policy', 'policies');

/** The same with `@requiresScopes`, for gateways that are told the permissions of whoever asks: our tokens do not name them. */
export const withScopes = (sdl: string): string => withPermissions(sdl, 'requiresScopes', 'scopes');

function withPermissions(sdl: string, name: string, argument: string): string {
  return print(
    marked(parse(withAuth(sdl)), [`@${name}`], (field) => {
      const permission = PERMISSIONS.get(field);
      return permission === undefined ? [] : [directive(name, listOf(listOf(stringOf(permission))), argument)];
    }),
  );
}

/** What may be asked for. */
export const AUTH_MEANS =
  'none, which leaves its directives out, policies, which adds @policy, or scopes, which adds @requiresScopes';

/** What is published when asked for with this; null where that means nothing. */
export function publishedSdl(sdl: string, auth: unknown): string | null {
  if (auth === undefined) return withAuth(sdl);
  if (auth === 'policies') return withPolicies(sdl);
  if (auth === 'scopes') return withScopes(sdl);
  return auth === 'none' ? withoutAuth(sdl) : null;
}

function marked(
  document: DocumentNode,
  imports: readonly string[],
  directivesOf: (field: string) => readonly ConstDirectiveNode[],
): DocumentNode {
  const mark = <T extends ObjectTypeDefinitionNode | ObjectTypeExtensionNode>(type: T): T | undefined => {
    if (!ROOTS.has(type.name.value) || type.fields === undefined) return undefined;
    const fields = type.fields.map((field) => ({
      ...field,
      directives: [...(field.directives ?? []), ...directivesOf(field.name.value)],
    }));
    return { ...type, fields };
  };
  return visit<DocumentNode>(document, {
    Argument: (argument) => {
      if (argument.name.value !== 'import' || argument.value.kind !== Kind.LIST) return undefined;
      return { ...argument, value: listOf(...argument.value.values, ...imports.map(stringOf)) };
    },
    ObjectTypeDefinition: mark,
    ObjectTypeExtension: mark,
  });
}

const nameOf = (value: string): NameNode => ({ kind: Kind.NAME, value });
const stringOf = (value: string): ConstValueNode => ({ kind: Kind.STRING, value });
const listOf = (...values: readonly ValueNode[]) => ({ kind: Kind.LIST, values }) as ConstListValueNode; // of constants

function directive(name: string, value?: ConstValueNode, argument = ''): ConstDirectiveNode {
  const given = value === undefined ? [] : [{ kind: Kind.ARGUMENT, name: nameOf(argument), value } as const];
  return { kind: Kind.DIRECTIVE, name: nameOf(name), arguments: given };
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
