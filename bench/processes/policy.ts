/**
 * What only a process of its own can tell: how long the first parse takes, with no code compiled yet, and what bound
 * abilities occupy. Wants --expose-gc; how many abilities to bind is its argument. Prints JSON.
 */
import { createMongoAbility, type MongoAbility } from '@casl/ability';
import { Engine } from '../../src/domain/policy/engine.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';
import { compileForAll } from '../support/compile.ts';
import { thousandRoles } from '../support/large-policies.ts';
import { median } from '../support/statistics.ts';

const ROUNDS = 3;
/** CASL's take so much more that fewer of them tell as much. */
const CASL_SHARE = 20;

const [countText = '100000'] = process.argv.slice(2);
const count = Number(countText);
const files = thousandRoles();

const startedMs = performance.now();
const bundle = parseBundle(files);
const parsedMs = performance.now();
compileForAll(bundle);
const compiledMs = performance.now();

const engine = new Engine(bundle);
const grants = [{ role: 'role0', scope: null }];
const record = { __typename: 'Type0', id: 'thing_1', owner: 'usr_0', team: 't0', status: 'live' };
const ids = Array.from({ length: count }, (_, at) => `usr_${at}`);
const typeOf = ({ __typename: type }: typeof record) => type;

const castellanBytes = bytesOfEach(ids, (id) => {
  const ability = engine.ability({ id }, grants);
  engine.decide(ability, 'read', record);
  return ability;
});
const caslBytes = bytesOfEach(ids.slice(0, Math.ceil(count / CASL_SHARE)), (id): MongoAbility => {
  const rules = engine.plainRules(engine.ability({ id }, grants));
  const ability = createMongoAbility(rules, { detectSubjectType: typeOf as never });
  ability.can('read', record as never);
  return ability;
});

process.stdout.write(
  `${JSON.stringify({ parseMs: parsedMs - startedMs, compileMs: compiledMs - parsedMs, castellanBytes, caslBytes })}\n`,
);

function bytesOfEach(ids: readonly string[], make: (id: string) => object): number {
  const rounds: number[] = [];
  // The first one compiles what is shared, and is not counted.
  for (let round = 0; round <= ROUNDS; round += 1) {
    const kept: (object | null)[] = ids.map(() => null);
    const before = heapUsed();
    for (const [at, id] of ids.entries()) kept[at] = make(id);
    const after = heapUsed();
    if (!kept.every((ability) => ability !== null)) throw new TypeError('an ability was not kept');
    if (round > 0) rounds.push((after - before) / ids.length);
  }
  return Math.round(median(rounds));
}

function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('run it with --expose-gc');
  for (let times = 0; times < 2; times += 1) globalThis.gc();
  return process.memoryUsage().heapUsed;
}
