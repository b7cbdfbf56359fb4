import {
  getNamedType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isRequiredArgument,
  isRequiredInputField,
  type GraphQLInputType,
  type GraphQLObjectType,
} from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';

export interface Operation {
  /** Such as `Mutation.signOut`. */
  readonly name: string;
  readonly document: string;
}

/**
 * One operation for each field of the public contract that a document can begin with, with what it demands and no more. Ids in
 * it are this one.
 */
export function everyOperation(id: string): readonly Operation[] {
  const schema = createSchema();
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()];
  return roots.filter((root) => root !== undefined && root !== null).flatMap((root) => operationsOf(root, id));
}

function operationsOf(root: GraphQLObjectType, id: string): readonly Operation[] {
  return Object.values(root.getFields()).map(({ name, args, type }) => {
    const given = args.filter(isRequiredArgument).map((arg) => `${arg.name}: ${literal(arg.type, id)}`);
    const asked = `${name}${given.length > 0 ? `(${given.join(', ')})` : ''}`;
    const selection = isCompositeType(getNamedType(type)) ? ' { __typename }' : '';
    return { name: `${root.name}.${name}`, document: `${root.name.toLowerCase()} { ${asked}${selection} }` };
  });
}

/** Values of scalars that are well formed. */
const SCALARS: Readonly<Record<string, (id: string) => string>> = {
  ID: (id) => JSON.stringify(id),
  String: () => '"text"',
  Int: () => '1',
  Float: () => '1',
  Boolean: () => 'true',
  DateTime: () => '"2026-01-01T00:00:00.000Z"',
  Metadata: () => '{}',
  Attributes: () => '{}',
  AttributeValue: () => '1',
  _Any: (id) => `{ __typename: "User", id: ${JSON.stringify(id)} }`,
};

function literal(type: GraphQLInputType, id: string): string {
  if (isNonNullType(type)) return literal(type.ofType, id);
  if (isListType(type)) return `[${literal(type.ofType, id)}]`;
  if (isEnumType(type)) return type.getValues()[0]?.name ?? '';
  if (isInputObjectType(type)) {
    const fields = Object.values(type.getFields()).filter(isRequiredInputField);
    return `{ ${fields.map((field) => `${field.name}: ${literal(field.type, id)}`).join(', ')} }`;
  }
  const scalar = SCALARS[type.name];
  if (scalar === undefined) throw new TypeError(`a value of ${type.name} is needed here`);
  return scalar(id);
}
