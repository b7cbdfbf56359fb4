import {
  isInterfaceType,
  isObjectType,
  Kind,
  parse,
  type ConstDirectiveNode,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql';

/** The fields of one `@key` of an entity. */
export type EntityKey = SelectionSetNode;

export function entityKeys(schema: GraphQLSchema, name: string): readonly EntityKey[] {
  const type = schema.getType(name);
  if (!isObjectType(type) && !isInterfaceType(type)) return [];
  return [type.astNode, ...type.extensionASTNodes]
    .flatMap((node) => node?.directives ?? [])
    .filter((directive) => directive.name.value === 'key')
    .map(fieldsOf);
}

/** Whether all fields of the key have values that can be looked for. */
export function isIdentified(value: unknown, { selections }: EntityKey): boolean {
  return selections.every((selection) => {
    if (selection.kind !== Kind.FIELD) return false;
    const part = (Object(value) as Readonly<Record<string, unknown>>)[selection.name.value];
    if (selection.selectionSet !== undefined) return isIdentified(part, selection.selectionSet);
    return typeof part === 'string' || Number.isSafeInteger(part);
  });
}

function fieldsOf({ arguments: given = [] }: ConstDirectiveNode): EntityKey {
  const fields = given.find(({ name }) => name.value === 'fields')?.value;
  const text = fields?.kind === Kind.STRING ? fields.value : '';
  const [operation] = parse(`{ ${text} }`).definitions;
  return (operation as OperationDefinitionNode).selectionSet; // it is one, by its braces
}
