import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { unpackRules, type PackRule } from '@casl/ability/extra';
import type { MongoAbility } from '@casl/ability';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import type { App } from '../../src/app.ts';
import { operators as OPERATORS } from '../../src/domain/policy/conditions.ts';
import { Engine } from '../../src/domain/policy/engine.ts';
import { parseBundle, type PolicyFile } from '../../src/domain/policy/parse.ts';
import { SYSTEM, type UserPrincipal } from '../../src/domain/principals/principal.ts';
import type { LiveAbility } from '../../src/sdk/client.ts';
import { redisUrl, until } from '../support/castellan.ts';
import { openLive } from '../sdk/live.ts';
import { type Actor, type Corpus, openCorpus, pathsTo } from './corpus.ts';
import { byEntities, isShown } from './entities-way.ts';
import { documents, EMPTY, modelOf, type Policy, policyOf, textOf } from './policies.ts';
import { type Question, questionsOn, type Subject, type Way } from './questions.ts';
import { bySql } from './sql-way.ts';
import { byCache, byClient, byEngine, byReference } from './ways.ts';

/** So many cases are decided by all six ways. `CORPUS_CASES=1000000` looks longer; `CORPUS_SEED` looks at the same again. */
const cases = Number(process.env['CORPUS_CASES'] ?? 50_000);
const seed = Number(process.env['CORPUS_SEED'] ?? Date.now() % 2 ** 31);
jest.setTimeout(120_000 + cases);

/** How many of the actors ask under each policy, and of how many documents. */
const ASKING = 4;
const DOCUMENTS = 6;
/** How long a smaller policy is looked for after one that failed. */
const SHRINK_MS = 40_000;

interface Trial {
  readonly policy: Policy;
  readonly first: number;
  readonly turn: number;
  readonly docs: readonly Readonly<Record<string, unknown>>[];
}

const WAYS = ['reference', 'engine', 'cached', 'sql', 'entities', 'client'] as const;
type WayName = (typeof WAYS)[number];
const counts: Record<WayName | 'cases' | 'six' | 'allowed' | 'policies', number> = {
  six: 0,
  cases: 0,
  allowed: 0,
  policies: 0,
  reference: 0,
  engine: 0,
  cached: 0,
  sql: 0,
  entities: 0,
  client: 0,
};
const operators = new Set<string>();

const lives = openLive();
const live = new Map<string, LiveAbility>();
let corpus: Corpus;
let redis: Redis;

beforeAll(async () => {
  redis = new Redis(redisUrl());
  corpus = await openCorpus(seed);
  const url = `${corpus.busy.url.replace('http', 'ws')}/graphql`;
  for (const { id, accessToken } of corpus.actors) {
    live.set(id, lives.start({ url, accessToken: () => accessToken }));
  }
  await Promise.all([...live.values()].map(({ ready }) => ready));
});

afterAll(async () => {
  lives.dispose();
  await corpus?.castellans.close();
  redis.disconnect();
  const { cases: all, six, policies, allowed } = counts;
  const of = WAYS.map((way) => `${way} ${counts[way]}`).join(', ');
  process.stdout.write(
    `agreement: seed ${seed}, ${policies} policies, ${all} cases, ${allowed} allowed, ${six} by all six; ${of}\n`,
  );
});

/** Puts the policy in force as production does; what was known of anybody's rights is stale from then on. */
async function apply(text: string, wanted: string): Promise<void> {
  const { policyChanges, policies } = corpus.busy.services;
  const put = async (files: readonly PolicyFile[]) => {
    const { version } = await policies.inForce(SYSTEM);
    expect((await policyChanges.apply(SYSTEM, { files }, version)).receipt.enforced).toBe(true);
  };
  // What is in force already changes nothing.
  if ((await policies.inForce(SYSTEM)).version === wanted) await put([EMPTY]);
  await put([{ path: 'policies/random.yaml', text }]);
}

async function identified({ services }: App, { accessToken }: Actor): Promise<UserPrincipal> {
  const by = await services.identification.identify({ kind: 'accessToken', token: accessToken });
  if (by.kind !== 'user') throw new Error('an access token is of a user');
  return by;
}

/** The principal as the cold instance finds it in Redis; null when it had to read the database. */
async function inCache(actor: Actor): Promise<UserPrincipal | null> {
  const { standings } = corpus.cold.services;
  const before = { ...standings.counts };
  const by = await identified(corpus.cold, actor);
  const { cacheHits, databaseReads, cacheRejected } = standings.counts;
  expect(cacheRejected).toBe(before.cacheRejected);
  return cacheHits === before.cacheHits + 1 && databaseReads === before.databaseReads ? by : null;
}

/** The front end's ability, once it has the rules that Castellan gives; it is asked even when it never gets them. */
async function follow({ id, accessToken }: Actor): Promise<{ ability: LiveAbility; isThere: () => boolean }> {
  const { data } = await corpus.castellans.ask<{ viewerAbility: { rules: unknown } }>('{ viewerAbility { rules } }', {
    token: accessToken,
  });
  const packed = data?.viewerAbility.rules as PackRule<MongoAbility['rules'][number]>[]; // as Castellan packs them
  const rules = JSON.stringify(unpackRules(packed));
  const ability = live.get(id);
  if (ability === undefined) throw new Error('there is one for everybody who asks');
  const isThere = () => JSON.stringify(ability.ability.rules) === rules;
  await until(isThere).catch(() => {});
  return { ability, isThere };
}

function described(engine: Engine, docs: Trial['docs']): readonly Subject[] {
  return docs.map((attributes, place) => {
    const id = `doc_${place}`;
    const made = engine.record('Doc', id, attributes);
    if ('refused' in made) throw new Error(JSON.stringify(made.refused));
    const { place: path } = attributes;
    const scopes = pathsTo(typeof path === 'string' ? path : null);
    return { type: 'Doc', id, known: { ...attributes, id, scopes }, stored: made.record };
  });
}

async function agree({ policy, first, turn, docs }: Trial): Promise<void> {
  const text = textOf(policy);
  const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text }]));
  const subjects = [...corpus.records, ...described(engine, docs)];
  const model = modelOf(policy);
  await apply(text, engine.version);
  const asking = Array.from({ length: ASKING }, (_, at) => corpus.actors[(first + at) % corpus.actors.length]);
  for (const actor of asking) {
    if (actor === undefined) throw new TypeError('there are fewer actors than ask');
    const { castellans, busy, cold } = corpus;
    const entities = await byEntities(castellans, actor, corpus);
    const { ability, isThere } = await follow(actor);
    await untilCached(actor, engine.version);
    const sql = await bySql(castellans, busy.services, await identified(busy, actor));
    const ways: Record<WayName, Way> = {
      reference: byReference(model, actor),
      engine: byEngine(engine, actor),
      cached: byCache(cold.services, await inCache(actor)),
      sql: sql.way,
      entities,
      client: byClient(ability),
    };
    for (const question of questionsOn(subjects, turn)) compare(ways, question, { actor, text });
    // Where all is said alike it must have come about as it should.
    expect({ fault: sql.fault, followed: isThere() }).toEqual({ fault: null, followed: true });
  }
  counts.policies += 1;
  for (const { where } of policy.rules) {
    for (const tests of Object.values(where)) for (const operator of Object.keys(tests)) operators.add(operator);
  }
}

/** Writing to Redis is waited for by nobody. */
async function untilCached({ id }: Actor, version: string): Promise<void> {
  await until(async () => (await redis.get(`castellan:standing:{${id}}`))?.includes(version) === true);
}

function compare(
  ways: Record<WayName, Way>,
  question: Question,
  { actor, text }: { readonly actor: Actor; readonly text: string },
): void {
  const answers = WAYS.map((way) => [way, ways[way](question)] as const);
  const given = answers.filter(([, answer]) => answer !== null);
  const [, expected] = answers[0] ?? [];
  if (given.some(([, answer]) => answer !== expected)) {
    const { subject, action, field } = question;
    const { principal, grants } = actor;
    const told = { principal, grants, action, field, record: subject.known, answers: Object.fromEntries(answers) };
    throw new Error(`the ways disagree (CORPUS_SEED=${seed}): ${JSON.stringify(told, null, 2)}\nunder\n${text}`);
  }
  counts.cases += 1;
  counts.allowed += Number(expected);
  counts.six += Number(given.length === WAYS.length);
  for (const [way] of given) counts[way] += 1;
}

test('AC-87, AC-94: reference, engine, cache, lists, entities and front end decide alike', async () => {
  const trial: fc.Arbitrary<Trial> = fc.record({
    policy: policyOf(corpus.values),
    first: fc.nat({ max: corpus.actors.length - 1 }),
    turn: fc.nat({ max: 2 }),
    docs: documents(corpus.values, DOCUMENTS),
  });
  const each = ASKING * questionsOn(corpus.records, 0).filter(isShown).length;
  let shrinksUntil = Infinity;
  const property = fc.asyncProperty(trial, async (trial) => {
    // Whatever is not tried passes, so that the smallest found so far is told of.
    if (performance.now() > shrinksUntil) return;
    try {
      await agree(trial);
    } catch (error) {
      shrinksUntil = Math.min(shrinksUntil, performance.now() + SHRINK_MS);
      throw error;
    }
  });
  // Where chance left out an operator, there are more policies.
  const missing = () => OPERATORS.filter((operator) => !operators.has(operator));
  for (let times = 0; times === 0 || (times < 5 && missing().length > 0); times += 1) {
    await fc.assert(property, { numRuns: Math.ceil(cases / each), seed: seed + times });
  }
  expect(counts.entities).toBeGreaterThanOrEqual(cases);
  for (const way of ['reference', 'engine', 'client'] as const) expect(counts[way]).toBe(counts.cases);
  // That Redis was too slow to answer is the only excuse.
  expect(counts.cached).toBeGreaterThan(counts.cases * 0.9);
  expect(counts.sql).toBeGreaterThanOrEqual(cases);
  // Agreement is worth something only while both answers are common.
  expect(counts.allowed / counts.cases).toBeGreaterThan(0.1);
  expect(counts.allowed / counts.cases).toBeLessThan(0.9);
  expect(missing()).toEqual([]);
});
