import {
  BREAK,
  type DirectiveNode,
  type DocumentNode,
  type FieldNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  isAbstractType,
  isInterfaceType,
  isObjectType,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';

/**
 * Whether a document shows of what its root fields give the same to everybody: below them no field has a resolver or an argument, so
 * that each is what the record holds, and nothing is included or left out by a directive. What may be read by some only has a
 * resolver that asks who reads it.
 */
export function isPlain(schema: GraphQLSchema, document: DocumentNode): boolean {
  const info = new TypeInfo(schema);
  let plain = true;
  const unless = (differs: boolean): unknown => {
    if (!differs) return undefined;
    plain = false;
    return BREAK;
  };
  visit(
    document,
    visitWithTypeInfo(info, {
      Field: (field) => unless(isDirected(field) || mayDiffer(schema, info, field)),
      FragmentSpread: (spread) => unless(isDirected(spread)),
      InlineFragment: (fragment) => unless(isDirected(fragment)),
      FragmentDefinition: (fragment) => unless(isDirected(fragment)),
      OperationDefinition: (operation) => unless(isDirected(operation)),
    }),
  );
  return plain;
}

function isDirected({ directives }: { readonly directives?: readonly DirectiveNode[] | undefined }): boolean {
  return directives !== undefined && directives.length > 0;
}

function mayDiffer(schema: GraphQLSchema, info: TypeInfo, { name: { value }, arguments: args }: FieldNode): boolean {
  const parent: GraphQLNamedType | null | undefined = info.getParentType();
  if (value === '__typename' || (parent !== undefined && parent === schema.getSubscriptionType())) return false;
  if (args !== undefined && args.length > 0) return true;
  const types = isAbstractType(parent) ? [parent, ...schema.getPossibleTypes(parent)] : [parent];
  return types.some((type) => {
    if (!isObjectType(type) && !isInterfaceType(type)) return true;
    return type.getFields()[value]?.resolve !== undefined;
  });
}
