import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  isInputObjectType,
  isObjectType,
  parse,
  TypeInfo,
  validate,
  visit,
  visitWithTypeInfo,
  getNamedType,
} from 'graphql';
import type { GraphQLArgument, GraphQLInputField } from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { askThrough, type Door, DOORS } from './authorization-matrix/doors.ts';
import { ENTITIES, type EntityRow } from './authorization-matrix/entities.ts';
import { MUTATIONS } from './authorization-matrix/mutations.ts';
import { type Asker, openWorld, type World } from './authorization-matrix/people.ts';
import { QUERIES, SUBSCRIPTIONS } from './authorization-matrix/queries.ts';
import { type AskerName, type Place, PLACES, type Row, type Target } from './authorization-matrix/row.ts';

/** AC-51: every root field, entity and argument, as everybody, about one's own, another's and what lies elsewhere, by every door. */

const SCHEMA = createSchema();
const ROWS = [...QUERIES, ...MUTATIONS, ...SUBSCRIPTIONS];
const ROOTS = ['Query', 'Mutation', 'Subscription'].map((name) => SCHEMA.getType(name)).filter(isObjectType);

/** The parts of a target that a row is about. */
function needsOf({ ask, needs: unnamed }: Row): ReadonlySet<string> {
  const needs = new Set<string>(unnamed === undefined ? [] : [unnamed]);
  ask(new Proxy({} as Target, { get: (_, name) => (needs.add(String(name)), 'x') }));
  return needs;
}

/** A program of one permission, as two others are: what it is asked about here is what that lets it subscribe to. */
const LISTENER: AskerName = 'listener';

const ANYTHING = new Proxy({} as Target, { get: () => 'x' });

/** The fields, arguments and input fields that the contract has, such as `Query.users(filter.email)`. */
function promised(): readonly string[] {
  return ROOTS.flatMap((root) =>
    Object.values(root.getFields()).flatMap(({ name, args }) => {
      const field = `${root.name}.${name}`;
      return [field, ...args.flatMap((arg) => within(field, arg))];
    }),
  );
}

function within(place: string, { name, type }: GraphQLArgument | GraphQLInputField): readonly string[] {
  const here = `${place}(${name})`;
  const named = getNamedType(type);
  if (!isInputObjectType(named)) return [here];
  return [here, ...Object.values(named.getFields()).flatMap((field) => within(here, field))];
}

/** What the documents of the rows name of that. */
function named(): ReadonlySet<string> {
  const seen = new Set<string>();
  for (const { field, ask } of ROWS) {
    const info = new TypeInfo(SCHEMA);
    const path: string[] = [];
    visit(
      parse(ask(ANYTHING)),
      visitWithTypeInfo(info, {
        Field: () => void (info.getParentType()?.name === field.split('.')[0] && seen.add(field)),
        Argument: {
          enter: ({ name }) => void (path.push(`(${name.value})`), seen.add(field + path.join(''))),
          leave: () => void path.pop(),
        },
        ObjectField: {
          enter: ({ name }) => void (path.push(`(${name.value})`), seen.add(field + path.join(''))),
          leave: () => void path.pop(),
        },
      }),
    );
  }
  return seen;
}

describe('the matrix', () => {
  test('has a row for every query, mutation, subscription, argument and field of an input', () => {
    const rows = named();
    // The entities have rows of their own.
    const others = promised().filter((each) => !each.startsWith('Query._entities'));
    expect(others.length).toBeGreaterThan(200);
    expect(others.filter((each) => !rows.has(each))).toEqual([]);
  });

  test('asks for nothing that is not there, in no row', () => {
    const wrong = ROWS.filter(({ ask }) => validate(SCHEMA, parse(ask(ANYTHING))).length > 0);
    expect(wrong.map(({ ask }) => ask(ANYTHING))).toEqual([]);
    const fields = ROWS.filter(({ field, ask }) => !ask(ANYTHING).includes(`it: ${field.split('.')[1]}`));
    expect(fields.map(({ field }) => field)).toEqual([]);
  });

  test('has a row for every field of every entity, and no other', () => {
    const keyed = Object.values(SCHEMA.getTypeMap())
      .filter(isObjectType)
      .filter(({ astNode }) => astNode?.directives?.some(({ name }) => name.value === 'key') === true);
    const there = keyed.flatMap((type) => Object.keys(type.getFields()).map((field) => `${type.name}.${field}`));
    expect(ENTITIES.flatMap((row) => fieldsOf(row).map((field) => `${row.type}.${field}`)).toSorted()).toEqual(
      there.toSorted(),
    );
    // Every key that there is, is the id that the rows ask by.
    for (const { astNode } of keyed) {
      const keys = astNode?.directives?.filter(({ name }) => name.value === 'key') ?? [];
      expect(keys.map((key) => Object(key.arguments?.[0]?.value)['value'] as unknown)).toEqual(['id']);
    }
  });
});

function fieldsOf({ fields }: EntityRow): readonly string[] {
  return fields.split(' ').map((field) => field.replace(/\{.*/, ''));
}

/** One question and what its answer is to be. */
interface Case {
  readonly row: Row;
  readonly place: Place;
  readonly name: AskerName;
  readonly answer: string;
}

function casesOf(rows: readonly Row[]): readonly Case[] {
  return rows.flatMap((row) =>
    PLACES.flatMap((place) => {
      const expected = row.expected[place];
      return expected === undefined
        ? []
        : Object.entries(expected)
            .map(([name, answer]) => ({ row, place, name: name as AskerName, answer })) // as Expected has them
            .filter(({ name }) => name !== LISTENER || row.field.startsWith('Subscription.'));
    }),
  );
}

/** Every case by POST and by one door more, in turn, so that each answer to each field is given by every door. */
function everyDoor(cases: readonly Case[], doors: readonly Door[]): readonly (readonly [Case, Door])[] {
  const groups = Map.groupBy(cases, ({ row, answer }) => `${row.field} ${answer}`);
  return [...groups.values()].flatMap((group) => {
    const rounds = Math.max(group.length, doors.length);
    const turns = Array.from(
      { length: rounds },
      (_, at) => [group[at % group.length]!, doors[at % doors.length]!] as const,
    );
    return doors.includes('POST') ? [...group.map((each) => [each, 'POST'] as const), ...turns] : turns;
  });
}

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.close());

function askerOf(name: AskerName): Asker {
  const asker = world.askers.find((each) => each.name === name);
  if (asker === undefined) throw new TypeError(`nobody is ${name}`);
  return asker;
}

const targetOf = (place: Place, asker: Asker): Target => (place === 'own' ? asker.own : world[place]);

interface Entry {
  readonly row: Row;
  readonly asker: Asker;
  readonly target: Target;
  readonly door: Door;
  readonly instance: number;
}

/** `allowed`, `nothing`, `denied`, or the codes. */
async function outcome({ row, asker, target, door, instance }: Entry): Promise<string> {
  const document = row.ask(target);
  const { shown } = asker;
  const { data, errors = [] } = await askThrough(world.castellans, world.gatewayKey, {
    document,
    shown,
    instance,
    door,
  });
  if (errors.length > 0) return [...new Set(errors.map(({ extensions }) => extensions['code']))].join(' ');
  const it: unknown = data?.['it'];
  if (it === null || it === undefined) return 'nothing';
  const [first] = Array.isArray(it) ? (it as readonly unknown[]) : [it];
  const { allowed, edges, results, sessionIds } = Object(first) as {
    allowed?: boolean;
    edges?: readonly { node: { id: string } }[];
    results?: readonly { refusal: { code: string } | null }[];
    sessionIds?: readonly string[];
  };
  if (row.finds !== undefined) {
    const id = target[row.finds];
    return edges?.some(({ node }) => node.id === id) === true ? 'allowed' : 'nothing';
  }
  if (results !== undefined) return results[0]?.refusal?.code ?? 'allowed';
  if (sessionIds?.length === 0) return 'nothing';
  return allowed === false ? 'denied' : 'allowed';
}

/** As many at once as do not make each other wait for long. */
async function inTurns<T>(work: readonly T[], ask: (each: T, at: number) => Promise<string | null>): Promise<string[]> {
  const wrong: string[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let at = next++; at < work.length; at = next++) {
        const problem = await ask(work[at]!, at);
        if (problem !== null) wrong.push(problem);
      }
    }),
  );
  return wrong;
}

async function compare({ row, place, name, answer }: Case, entry: Entry): Promise<string | null> {
  const came = await outcome(entry);
  if (came === answer) return null;
  return `${row.ask(ANYTHING)} by ${entry.door}: ${name} about ${place}: ${came}, not ${answer}`;
}

const isLetThrough = ({ row, answer }: Case): boolean => answer === (row.reaches ?? 'allowed');

describe('every row is answered as it says, to everybody, by every door', () => {
  test('queries', async () => {
    const wrong = await inTurns(everyDoor(casesOf(QUERIES), DOORS), ([each, door], at) => {
      const asker = askerOf(each.name);
      return compare(each, { row: each.row, asker, target: targetOf(each.place, asker), door, instance: at % 2 });
    });
    expect(wrong).toEqual([]);
  }, 60_000);

  test('subscriptions', async () => {
    const doors = ['WebSocket', 'event stream', 'gateway'] as const;
    const work = casesOf(SUBSCRIPTIONS).flatMap((each) => doors.map((door) => [each, door] as const));
    const wrong = await inTurns(work, ([each, door], at) => {
      const asker = askerOf(each.name);
      return compare(each, { row: each.row, asker, target: targetOf(each.place, asker), door, instance: at % 2 });
    });
    expect(wrong).toEqual([]);
  }, 60_000);

  test.each(['ordinary', '_entities'] as const)(
    'fields of entities, by %s',
    async (way) => {
      const work = ENTITIES.flatMap((row) =>
        Object.keys(row.readers).flatMap(
          (place) =>
            world.askers
              .filter(({ name }) => name !== LISTENER)
              .flatMap((asker) => DOORS.map((door) => ({ row, place: place as Place, asker, door }))), // its keys
        ),
      );
      const wrong = await inTurns(work, async ({ row, place, asker, door }, at) => {
        const id = targetOf(place, asker)[row.key];
        const selection = row.fields.replaceAll('{', ' { ').replaceAll('}', ' }');
        const document =
          way === 'ordinary'
            ? `query { it: ${row.ordinary}(id: "${id}") { ${selection} } }`
            : `query { them: _entities(representations: [{ __typename: "${row.type}", id: "${id}" }]) { ... on ${row.type} { ${selection} } } }`;
        const { shown } = asker;
        const asked = { document, shown, instance: at % 2, door };
        const { data, errors = [] } = await askThrough(world.castellans, world.gatewayKey, asked);
        const record: unknown =
          way === 'ordinary' ? data?.['it'] : (data?.['them'] as readonly unknown[] | undefined)?.[0];
        const refused = errors.map(
          ({ path, extensions }) => `${path?.at(way === 'ordinary' ? 1 : 2)} ${String(extensions['code'])}`,
        );
        const came = [record === null || record === undefined ? 'nothing' : 'a record', ...refused].join(', ');
        const answer = entityAnswer(row, place, asker.name);
        return came === answer
          ? null
          : `${row.type} { ${row.fields} } by ${door}: ${asker.name} about ${place}: ${came}, not ${answer}`;
      });
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  test('mutations that are refused, which change nothing', async () => {
    const refused = casesOf(MUTATIONS).filter((each) => !isLetThrough(each));
    const doors = DOORS.filter((door) => door !== 'GET');
    const before = await world.castellans.recorded();
    const wrong = await inTurns(everyDoor(refused, doors), ([each, door], at) => {
      const asker = askerOf(each.name);
      return compare(each, { row: each.row, asker, target: targetOf(each.place, asker), door, instance: at % 2 });
    });
    expect(wrong).toEqual([]);
    expect(await world.castellans.recorded()).toEqual(before);
  }, 60_000);

  test('mutations that are let through, each on something of its own', async () => {
    const allowed = casesOf(MUTATIONS).filter(isLetThrough);
    const doors = DOORS.filter((door) => door !== 'GET');
    const wrong = await inTurns(allowed, async (each, at) => {
      const { row, place, name } = each;
      const asker = place === 'own' ? await world.asker(name) : askerOf(name);
      const target = place === 'own' ? asker.own : await world.throwaway(place, needsOf(row));
      const door = row.field === 'Mutation.renewConnection' ? 'POST' : doors[at % doors.length]!;
      return compare(each, { row, asker, target, door, instance: 1 });
    });
    expect(wrong).toEqual([]);
  }, 60_000);
});

/** Who reads the record, and not these fields of it, is refused each of them. */
function entityAnswer(row: EntityRow, place: Place, name: AskerName): string {
  const records = ENTITIES.filter(({ type }) => type === row.type).map(({ readers }) => readers[place] ?? '');
  const reads = (readers: string) => readers.split(' ').includes(name);
  if (reads(row.readers[place] ?? '')) return 'a record';
  if (!records.some(reads)) return 'nothing';
  return ['a record', ...fieldsOf(row).map((field) => `${field} FORBIDDEN`)].join(', ');
}
