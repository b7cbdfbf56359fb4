import { buildSubgraphSchema } from '@apollo/subgraph';
import {
  defaultFieldResolver,
  isInterfaceType,
  isObjectType,
  isScalarType,
  parse,
  type DocumentNode,
  type GraphQLSchema,
} from 'graphql';
import { demandWriter } from '../../domain/authority/authority.ts';
import { badInput } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';
import { recordDenials } from './denials.ts';
import { carriedLists } from './costs.ts';
import { entityKeys, isIdentified } from './entity-keys.ts';
import { accounts } from './accounts.ts';
import { apiKeys } from './api-keys.ts';
import { activity } from './activity.ts';
import { apiKeyEvents } from './api-key-events.ts';
import { authEvents } from './auth-events.ts';
import { analytics } from './analytics.ts';
import { audit } from './audit.ts';
import { countAuthentications } from './authentications.ts';
import { bulk } from './bulk.ts';
import { limitsFor, overLimit } from './limits.ts';
import { permissions } from './permissions.ts';
import { policy } from './policy.ts';
import { revocations } from './revocations.ts';
import { roles } from './roles.ts';
import { Attributes, AttributeValue, DateTime, Metadata, PackedRules } from './scalars.ts';
import { readSchemaText } from './sdl.ts';
import { scopes } from './scopes.ts';
import { secondFactors } from './second-factors.ts';
import { securityEvents } from './security-events.ts';
import { sessionEvents } from './session-events.ts';
import { serviceAccounts } from './service-accounts.ts';
import { sessions } from './sessions.ts';
import { signingKeys } from './signing-keys.ts';
import { systemHealth } from './system-health.ts';
import { users } from './users.ts';

type ResolverMap = Readonly<Record<string, unknown>>;

const MODULES: readonly ResolverMap[] = [
  { Attributes, AttributeValue, DateTime, Metadata, PackedRules },
  users,
  bulk,
  accounts,
  serviceAccounts,
  apiKeys,
  scopes,
  roles,
  sessions,
  sessionEvents,
  securityEvents,
  apiKeyEvents,
  authEvents,
  revocations,
  secondFactors,
  signingKeys,
  permissions,
  policy,
  analytics,
  activity,
  audit,
  systemHealth,
];

/** The executable subgraph. Throws when schema and resolvers do not fit each other, which graphql-js would pass over. */
export function createSchema(): GraphQLSchema {
  return buildSchema(parse(readSchemaText()), MODULES);
}

/** @param modules resolver maps, one for each concept */
export function buildSchema(typeDefs: DocumentNode, modules: readonly ResolverMap[]): GraphQLSchema {
  const resolvers = merge(modules);
  // The types of the library are wider than what it takes; the checks below are ours.
  const schema = buildSubgraphSchema([{ typeDefs, resolvers: resolvers as never }]);
  const problems = [...unknownResolvers(schema, resolvers), ...missingReferences(schema, resolvers)];
  if (problems.length > 0) throw new Error(`The schema and its resolvers do not fit:\n${problems.join('\n')}`);
  refuseMalformedRepresentations(schema);
  countAuthentications(schema);
  refuseReaders(schema);
  recordDenials(schema);
  countLists(schema);
  return schema;
}

function merge(modules: readonly ResolverMap[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const [type, fields] of modules.flatMap((module) => Object.entries(module))) {
    const known = merged[type];
    merged[type] = known === undefined ? fields : { ...(known as object), ...(fields as object) };
  }
  return merged;
}

/** Resolvers that no field asks for: a typo would otherwise leave its field to the default resolver, without a check. */
function unknownResolvers(schema: GraphQLSchema, resolvers: ResolverMap): readonly string[] {
  return Object.entries(resolvers).flatMap(([typeName, fields]) => {
    const type = schema.getType(typeName);
    if (type === undefined) return [`resolvers for ${typeName}, which is no type`];
    if (isScalarType(type)) return [];
    if (!isObjectType(type) && !isInterfaceType(type)) return [`resolvers for ${typeName}, which has no fields`];
    const known = type.getFields();
    return Object.keys(fields as object)
      .filter((name) => !name.startsWith('__') && known[name] === undefined)
      .map((name) => `a resolver for ${typeName}.${name}, which is no field`);
  });
}

/** An entity, or an interface of some, without a reference resolver would echo what the caller claims about it. */
function missingReferences(schema: GraphQLSchema, resolvers: ResolverMap): readonly string[] {
  return entityNames(schema)
    .filter(
      (name) => typeof (resolvers[name] as Record<string, unknown> | undefined)?.['__resolveReference'] !== 'function',
    )
    .map((name) => `${name} has a key and no __resolveReference`);
}

/** The library passes on whatever the caller sends, and what is no representation then fails as if the fault were ours. */
function refuseMalformedRepresentations(schema: GraphQLSchema): void {
  const keys = new Map(entityNames(schema).map((name) => [name, entityKeys(schema, name)]));
  const field = schema.getQueryType()?.getFields()['_entities'];
  const resolve = field?.resolve;
  if (field === undefined || resolve === undefined) return;
  field.resolve = (source, args: { readonly representations: readonly unknown[] }, context, info) => {
    for (const representation of args.representations) {
      const { __typename } = Object(representation) as { readonly __typename?: unknown };
      const known = typeof __typename === 'string' ? (keys.get(__typename) ?? []) : [];
      if (known.some((key) => isIdentified(representation, key))) continue;
      throw badInput('representations', 'A representation has the __typename of an entity and its id.');
    }
    return resolve(source, args, context, info);
  };
}

/** Some mutations are nobody's, such as signing in, and ask no further who acts: a key that is for reading begins none of them. */
function refuseReaders(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { resolve } = field;
    if (resolve === undefined) continue;
    field.resolve = (source, args, context: OperationContext, info) => {
      demandWriter(context.by);
      return resolve(source, args, context, info);
    };
  }
}

/**
 * A list that a record carries was taken for a usual one. What there is beyond that is counted as it is answered, and no
 * more of it than a document may cost: the list that exceeds it is refused, and what it would have led to is never read.
 */
function countLists(schema: GraphQLSchema): void {
  for (const { field, taken, each } of carriedLists(schema, [...entityNames(schema), 'Permission'])) {
    const resolve = field.resolve ?? defaultFieldResolver;
    const counted = <T>(list: T, context: OperationContext): T => {
      if (!Array.isArray(list) || list.length <= taken) return list;
      context.beyond += (list.length - taken) * each;
      const { cost } = limitsFor(context);
      if (context.beyond > cost) throw overLimit('cost', cost, Math.ceil(context.beyond));
      return list;
    };
    field.resolve = (source, args, context, info) => {
      const list: unknown = resolve(source, args, context, info);
      return list instanceof Promise ? list.then((all: unknown) => counted(all, context)) : counted(list, context);
    };
  }
}

function entityNames(schema: GraphQLSchema): readonly string[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) || isInterfaceType(type))
    .filter((type) => isEntity(type.astNode, type.extensionASTNodes))
    .map(({ name }) => name);
}

interface Directed {
  readonly directives?: readonly { readonly name: { readonly value: string } }[];
}

function isEntity(node: Directed | null | undefined, extensions: readonly Directed[]): boolean {
  return [node, ...extensions].some((each) => each?.directives?.some(({ name }) => name.value === 'key'));
}
