import {
  getNamedType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { PAGE_MAX } from '../../domain/pages.ts';
import type { OperationContext } from './context.ts';

/** How long a list is taken for that nothing says more about. */
const LIST_SIZE = 5;
/** Where it is known better: a permission for every action on every subject that a role or two speak of, and what each comes from. */
const LIST_SIZES: Readonly<Record<string, number>> = {
  'User.permissions': 30,
  'Permission.conditions': 2,
  'Permission.sources': 2,
};
/**
 * What is put together in memory, of rules that are compiled and of grants and roles that were read for all of a page at once, costs
 * a tenth of a record: nothing is read for it, and nothing decided.
 */
const ASSEMBLED = 0.1;
const ASSEMBLED_FIELDS: ReadonlySet<string> = new Set([
  'User.permissions',
  'Permission.conditions',
  'Permission.sources',
  'PermissionSource.grant',
  'Grant.role',
]);
/** A change costs more than what it answers with. */
const MUTATION_COST = 10;
/** Lists as long as what is asked about. */
const AS_LONG_AS: Readonly<Record<string, string>> = {
  'Query._entities': 'representations',
  'Query.viewerCanMany': 'checks',
};

export type Variables = Readonly<Record<string, unknown>> | null | undefined;

/** How long a list is: known from the document, or only from the variables. */
type Size = number | ((variables: Variables) => number);

/** A cost of which only that part is kept apart which depends on variables. */
export interface Cost {
  readonly fixed: number;
  readonly lists: readonly { readonly size: Size; readonly of: Cost }[];
}

export interface OperationCost {
  readonly cost: Cost;
  readonly representations: readonly Size[];
  /** Whether no variable changes it. */
  readonly isFixed: boolean;
}

/**
 * What an operation costs at most: a record for every object it answers with, by the lengths of its lists. `first` of a
 * connection is the length of its edges. Introspection costs nothing; it has a limit of its own in validation.
 * @param document valid, and within the limits of what needs no schema: its fragments are put in here
 */
export function costOf(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): OperationCost {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const defaults = new Map(
    (operation.variableDefinitions ?? []).map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  const representations: Size[] = [];

  /** @param page how long lists of this set are, where it is a page */
  function ofSet({ selections }: SelectionSetNode, type: GraphQLNamedType | undefined, page: Size | null): Cost {
    return sum(
      selections.map((selection) => {
        if (selection.kind === Kind.FIELD) return ofField(selection, type, page);
        if (selection.kind === Kind.INLINE_FRAGMENT) {
          const on = selection.typeCondition?.name.value;
          return ofSet(selection.selectionSet, on === undefined ? type : schema.getType(on), page);
        }
        const fragment = fragments.get(selection.name.value);
        if (fragment === undefined) return NOTHING;
        return ofSet(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value), page);
      }),
    );
  }

  function ofField(field: FieldNode, parent: GraphQLNamedType | undefined, page: Size | null): Cost {
    const name = field.name.value;
    const definition = isObjectType(parent) || isInterfaceType(parent) ? parent.getFields()[name] : undefined;
    // Introspection is in no type.
    if (definition === undefined) return NOTHING;
    const type = getNamedType(definition.type);
    const isChange = parent === schema.getMutationType();
    const base = isChange ? MUTATION_COST : 0;
    if (!isCompositeType(type) || field.selectionSet === undefined) return { fixed: base, lists: [] };

    const coordinate = `${parent?.name ?? ''}.${name}`;
    const length = lengthOf(field, coordinate);
    if (name === '_entities' && length !== null) representations.push(length);
    const isList = holdsList(definition.type);
    const each = ASSEMBLED_FIELDS.has(coordinate) ? ASSEMBLED : 1;
    const one = plus(ofSet(field.selectionSet, type, isList ? null : length), each);
    return plus(isList ? times(length ?? page ?? listSize(coordinate), one) : one, base);
  }

  function lengthOf(field: FieldNode, coordinate: string): Size | null {
    const counted = AS_LONG_AS[coordinate];
    const argument = (name: string): ValueNode | undefined =>
      field.arguments?.find((each) => each.name.value === name)?.value;
    if (counted !== undefined) return sizeOf(argument(counted), listLength, (value) => literalLength(value));
    const first = argument('first');
    return first === undefined ? null : sizeOf(first, pageLength, (value) => literalPage(value));
  }

  function sizeOf(
    value: ValueNode | undefined,
    given: (value: unknown) => number,
    literal: (value: ValueNode | undefined) => number,
  ): Size {
    if (value?.kind !== Kind.VARIABLE) return literal(value);
    const name = value.name.value;
    const otherwise = literal(defaults.get(name));
    return (variables) => (variables != null && Object.hasOwn(variables, name) ? given(variables[name]) : otherwise);
  }

  const root = {
    query: schema.getQueryType(),
    mutation: schema.getMutationType(),
    subscription: schema.getSubscriptionType(),
  };
  const cost = ofSet(operation.selectionSet, root[operation.operation] ?? undefined, null);
  const isFixed = cost.lists.length === 0 && representations.every((size) => typeof size === 'number');
  return { cost, representations, isFixed };
}

/** What it comes to with these variables, in whole records. */
export function total(cost: Cost, variables: Variables): number {
  // Tenths do not add up exactly.
  return Math.ceil(exactly(cost, variables) - 1e-6);
}

function exactly({ fixed, lists }: Cost, variables: Variables): number {
  return lists.reduce((all, { size, of }) => all + lengthWith(size, variables) * exactly(of, variables), fixed);
}

/** What a list of this field is taken for that says nothing of its length. */
function listSize(coordinate: string): number {
  return LIST_SIZES[coordinate] ?? LIST_SIZE;
}

/**
 * The lists of objects that these types carry: a document does not say how long they are, and a page has as many of them as
 * records.
 */
export function carriedLists(schema: GraphQLSchema, carriers: readonly string[]): readonly CarriedList[] {
  return carriers.flatMap((carrier) => {
    const type = schema.getType(carrier);
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    const lists = fields.filter((field) => holdsList(field.type) && isCompositeType(getNamedType(field.type)));
    return lists.map((field) => {
      const coordinate = `${carrier}.${field.name}`;
      return { field, taken: listSize(coordinate), each: ASSEMBLED_FIELDS.has(coordinate) ? ASSEMBLED : 1 };
    });
  });
}

export interface CarriedList {
  readonly field: GraphQLField<unknown, OperationContext>;
  /** How long it was taken for. */
  readonly taken: number;
  /** What each object costs. */
  readonly each: number;
}

export function lengthWith(size: Size, variables: Variables): number {
  return typeof size === 'number' ? size : size(variables);
}

const NOTHING: Cost = { fixed: 0, lists: [] };

function sum(costs: readonly Cost[]): Cost {
  return { fixed: costs.reduce((all, { fixed }) => all + fixed, 0), lists: costs.flatMap(({ lists }) => lists) };
}

function plus(cost: Cost, more: number): Cost {
  return { ...cost, fixed: cost.fixed + more };
}

function times(size: Size, of: Cost): Cost {
  if (typeof size !== 'number') return { fixed: 0, lists: [{ size, of }] };
  const lists = of.lists.length === 0 ? [] : [{ size, of: { fixed: 0, lists: of.lists } }];
  return { fixed: size * of.fixed, lists };
}

function holdsList(type: GraphQLOutputType): boolean {
  return isListType(isNonNullType(type) ? type.ofType : type);
}

/** A page that is longer is refused by whoever makes it, and so is one that has no number. */
function pageLength(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value <= PAGE_MAX ? value : PAGE_MAX;
}

function literalPage(value: ValueNode | undefined): number {
  return pageLength(value?.kind === Kind.INT ? Number(value.value) : undefined);
}

/** GraphQL takes one that is no list for a list of one. */
function listLength(value: unknown): number {
  if (value === null || value === undefined) return 0;
  return Array.isArray(value) ? value.length : 1;
}

function literalLength(value: ValueNode | undefined): number {
  if (value === undefined || value.kind === Kind.NULL) return 0;
  return value.kind === Kind.LIST ? value.values.length : 1;
}
