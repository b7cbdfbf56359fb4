import {
  Kind,
  type DefinitionNode,
  type DocumentNode,
  type ExecutableDefinitionNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type SelectionSetNode,
} from 'graphql';
import type { DocumentLimits, LimitName } from '../../kit/limits.ts';
import { overLimit } from './limits.ts';

/** What is counted of a document without knowing the schema. */
export type Weights = Readonly<Record<(typeof WEIGHED)[number], number>> & {
  /** Whether a fragment contains itself. */
  readonly cyclic: boolean;
};

/** In the order in which they are looked at: `fields` bounds the walk that counts `repeats`. */
const WEIGHED = [
  'definitions',
  'depth',
  'fields',
  'aliases',
  'directives',
  'rootFields',
  'repeats',
] as const satisfies readonly LimitName[];

const INTROSPECTION: ReadonlySet<string> = new Set(['__schema', '__type']);

interface Tally {
  /** Fields of the set itself. */
  level: number;
  depth: number;
  fields: number;
  aliases: number;
  directives: number;
}

/**
 * Weighs a document as its operations and fragments are with all fragments put in, each fragment counted once and added as
 * often as it is spread: nested ones multiply without anybody doing the work.
 */
export function weigh(document: DocumentNode, limits: DocumentLimits): Weights {
  const fragments = fragmentsOf(document);
  /** Null while one is being counted. */
  const tallies = new Map<string, Tally | null>();
  let cyclic = false;

  function tallyOf(name: string): Tally {
    const known = tallies.get(name);
    if (known === null) cyclic = true;
    if (known !== undefined) return known ?? empty();
    const fragment = fragments.get(name);
    if (fragment === undefined) return empty();
    tallies.set(name, null);
    const tally = tallySet(fragment.selectionSet);
    // A fragment of introspection: its depth is not counted where it is spread, and has no other place.
    if (fragment.typeCondition.name.value.startsWith('__')) tally.depth = 0;
    tallies.set(name, tally);
    return tally;
  }

  function tallySet({ selections }: SelectionSetNode): Tally {
    const tally = empty();
    for (const selection of selections) {
      tally.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) {
        tally.level += 1;
        tally.fields += 1;
        if (selection.alias !== undefined) tally.aliases += 1;
        const below = selection.selectionSet === undefined ? empty() : tallySet(selection.selectionSet);
        add(tally, below);
        const counts = !INTROSPECTION.has(selection.name.value);
        tally.depth = Math.max(tally.depth, counts ? 1 + below.depth : 1);
        continue;
      }
      const inside =
        selection.kind === Kind.INLINE_FRAGMENT ? tallySet(selection.selectionSet) : tallyOf(selection.name.value);
      add(tally, inside);
      tally.level += inside.level;
      tally.depth = Math.max(tally.depth, inside.depth);
    }
    return tally;
  }

  const all = document.definitions.filter(hasSelections).map((definition) => {
    const isFragment = definition.kind === Kind.FRAGMENT_DEFINITION;
    // Two of one name: validation refuses them, after it has looked at both.
    const isKnown = isFragment && fragments.get(definition.name.value) === definition;
    const tally = isKnown ? tallyOf(definition.name.value) : tallySet(definition.selectionSet);
    return { ...tally, rootFields: isFragment ? 0 : tally.level };
  });
  const most = (name: keyof (typeof all)[number]): number => all.reduce((max, each) => Math.max(max, each[name]), 0);
  const definitions = document.definitions.length;
  const fields = most('fields');
  const isBounded = !cyclic && fields <= limits.fields && definitions <= limits.definitions;
  return {
    definitions,
    depth: most('depth'),
    fields,
    aliases: most('aliases'),
    directives: most('directives') + directivesOfDefinitions(document),
    rootFields: most('rootFields'),
    repeats: isBounded ? repeatsIn(document, fragments) : 0,
    cyclic,
  };
}

/** The first limit that these exceed, or null. */
export function tooHeavy(weights: Weights, limits: DocumentLimits): GraphQLError | null {
  const name = WEIGHED.find((each) => weights[each] > limits[each]);
  return name === undefined ? null : overLimit(name, limits[name], weights[name]);
}

/** How many pairs of fields answer under one name in one place: what validation compares. */
function repeatsIn({ definitions }: DocumentNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  let pairs = 0;

  function collect(
    { selections }: SelectionSetNode,
    below: Map<string, { count: number; readonly sets: SelectionSetNode[] }>,
    spread: Set<string>,
  ): void {
    for (const selection of selections) {
      if (selection.kind === Kind.FIELD) {
        const name = (selection.alias ?? selection.name).value;
        const same = below.get(name) ?? { count: 0, sets: [] };
        pairs += same.count;
        same.count += 1;
        if (selection.selectionSet !== undefined) same.sets.push(selection.selectionSet);
        below.set(name, same);
        continue;
      }
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        collect(selection.selectionSet, below, spread);
        continue;
      }
      const fragment = fragments.get(selection.name.value);
      if (fragment === undefined || spread.has(selection.name.value)) continue;
      spread.add(selection.name.value);
      collect(fragment.selectionSet, below, spread);
    }
  }

  function walk(sets: readonly SelectionSetNode[]): void {
    if (sets.length === 0) return;
    const below = new Map<string, { count: number; readonly sets: SelectionSetNode[] }>();
    const spread = new Set<string>();
    for (const set of sets) collect(set, below, spread);
    for (const { sets: more } of below.values()) walk(more);
  }

  for (const definition of definitions.filter(hasSelections)) walk([definition.selectionSet]);
  return pairs;
}

function directivesOfDefinitions({ definitions }: DocumentNode): number {
  return definitions.reduce((sum, definition) => {
    const own = definition.directives?.length ?? 0;
    const variables = ('variableDefinitions' in definition && definition.variableDefinitions) || [];
    return sum + own + variables.reduce((more, { directives }) => more + (directives?.length ?? 0), 0);
  }, 0);
}

/** Of two of one name the last, as validation has it. */
function fragmentsOf({ definitions }: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> {
  const fragments = definitions.filter((definition) => definition.kind === Kind.FRAGMENT_DEFINITION);
  return new Map(fragments.map((fragment) => [fragment.name.value, fragment]));
}

function hasSelections(definition: DefinitionNode): definition is ExecutableDefinitionNode {
  return 'selectionSet' in definition;
}

function empty(): Tally {
  return { level: 0, depth: 0, fields: 0, aliases: 0, directives: 0 };
}

function add(tally: Tally, { fields, aliases, directives }: Tally): void {
  tally.fields += fields;
  tally.aliases += aliases;
  tally.directives += directives;
}
