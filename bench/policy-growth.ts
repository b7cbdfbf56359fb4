import { setImmediate as turn } from 'node:timers/promises';
import { createMongoAbility, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { diffPolicies, type Population } from '../src/domain/policy/diff.ts';
import { Engine, type PrincipalFacts, type SubjectRecord } from '../src/domain/policy/engine.ts';
import { parseBundle } from '../src/domain/policy/parse.ts';
import { ParseCache } from '../src/domain/policy/parse-cache.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { each, type Measured, sameAnswers, timeCalls } from './support/calls.ts';
import { compileForAll } from './support/compile.ts';
import { inFreshProcess } from './support/fresh.ts';
import {
  FILES,
  ROLES,
  RULES_PER_ROLE,
  rulesByOwner,
  smallPolicies,
  thousandRoles,
  withOneEdit,
} from './support/large-policies.ts';
import { median } from './support/statistics.ts';

const SIZES = [10, 100, 1_000, 10_000];
const RECORDS = 100;
const USERS = 10_000;
const PRINCIPAL: PrincipalFacts = { id: 'usr_bob', email: 'bob@example.com' };
const GRANTS = [{ role: 'reader', scope: null }];

type Rows = readonly (readonly Cell[])[];

interface Fresh {
  readonly parseMs: number;
  readonly compileMs: number;
  readonly castellanBytes: number;
  readonly caslBytes: number;
}

export const policyGrowth: Bench = {
  name: 'policy-growth',
  title: 'what grows with a policy: deciding, binding, parsing, comparing and memory',

  async run({ quick }): Promise<Table> {
    const calls = { rounds: quick ? 3 : 15, turnMs: quick ? 20 : 50 };
    const rounds = quick ? 1 : 7;
    const abilities = quick ? 10_000 : 100_000;
    const fresh = await inFreshProcess<Fresh>('policy.ts', [`${abilities}`]);
    const rows = [
      ...(await growing(calls)),
      ...(await parsing(rounds, fresh)),
      ...(await comparing(rounds)),
      ...memory(fresh, abilities),
    ];
    return {
      columns: ['', 'figure', 'unit', 'ratio'],
      rows,
      notes: [
        `CPU ns: of one thread, medians of ${calls.rounds} rounds, the candidates taking turns; CPU ms: of all threads of the process, medians of ${rounds}`,
        'ratios are to the first row of the same group, medians of those in the same round',
        'deciding: each rule is for one owner; every tenth record has an owner of no rule; both gave the same answers, and had compiled their rules before',
        'compiling: an engine, and all rules and indexes for somebody who holds every role',
        `one file changed: one rule of one of ${FILES} files, parsed with the ParseCache that has read them as they were`,
      ],
    };
  },
};

async function growing(options: { rounds: number; turnMs: number }): Promise<Rows> {
  const deciding: (readonly Cell[])[] = [];
  const binding: (readonly Cell[])[] = [];
  for (const size of SIZES) {
    const engine = new Engine(parseBundle(rulesByOwner(size)));
    const ability = engine.ability(PRINCIPAL, GRANTS);
    // They were packed by CASL itself.
    const rules = unpackRules<RawRuleOf<MongoAbility>>(engine.packedRules(ability) as never);
    const typeOf = ({ __typename: type }: SubjectRecord) => type;
    const casl = createMongoAbility(rules, { detectSubjectType: typeOf as never });
    const records = Array.from({ length: RECORDS }, (_, at) => {
      const owner = at % 10 === 0 ? 'nobody' : `o${(at * 97) % size}`;
      return { __typename: 'Doc', id: `doc_${at}`, owner };
    });
    const asked = [
      each('Castellan decide', records, (record) => engine.decide(ability, 'read', record).allowed),
      each('CASL can, with detectSubjectType', records, (record) => casl.can('read', record)),
    ];
    sameAnswers(asked, records.length);
    const title = `${size.toLocaleString('en-US')} rules`;
    deciding.push(...nanosRows(`deciding by one of ${title}`, await timeCalls(asked, options)));
    const bound = [
      each('Castellan, roles known', [GRANTS], (grants) => engine.ability(PRINCIPAL, grants).principal.id !== null),
      each('CASL createMongoAbility', [rules], (rules) => createMongoAbility(rules).rules.length > 0),
    ];
    binding.push(...nanosRows(`binding ${title} to a principal`, await timeCalls(bound, options)));
  }
  return [...deciding, ...binding];
}

function nanosRows(title: string, measured: readonly Measured[]): Rows {
  return [[title, '', '', ''], ...measured.map(({ name, nanos, ratio }) => [`  ${name}`, nanos, 'CPU ns', ratio])];
}

async function parsing(rounds: number, fresh: Fresh): Promise<Rows> {
  const files = thousandRoles();
  const cache = new ParseCache();
  const known = parseBundle(files, cache);
  if (known.roles.size !== ROLES) throw new Error(`${known.roles.size} roles were parsed`);
  const warm = { parse: [] as number[], compile: [] as number[], both: [] as number[] };
  const edited = { parse: [] as number[], compile: [] as number[], both: [] as number[] };
  // The first one warms up.
  for (let round = 0; round <= rounds; round += 1) {
    const changed = withOneEdit(files, round);
    const turns = [
      { times: warm, parse: () => parseBundle(changed) },
      { times: edited, parse: () => parseBundle(changed, cache) },
    ];
    const versions = new Set<string>();
    for (const { times, parse } of turns) {
      const [bundle, parseMs] = await cpuMillis(parse);
      const [engine, compileMs] = await cpuMillis(() => compileForAll(bundle));
      versions.add(engine.version);
      if (round === 0) continue;
      times.parse.push(parseMs);
      times.compile.push(compileMs);
      times.both.push(parseMs + compileMs);
    }
    if (versions.size !== 1) throw new Error('the cache has made another bundle of the same files');
  }
  const row = (name: string, times: readonly number[], first: readonly number[]): readonly Cell[] => {
    const ratios = times.map((time, at) => time / (first[at] ?? NaN));
    return [`  ${name}`, median(times), 'CPU ms', median(ratios)];
  };
  const rules = (ROLES * RULES_PER_ROLE).toLocaleString('en-US');
  return [
    [`reading ${ROLES.toLocaleString('en-US')} roles with ${rules} rules from ${FILES} files`, '', '', ''],
    row('parse and compile, no cache', warm.both, warm.both),
    row('  parse', warm.parse, warm.both),
    row('  compile', warm.compile, warm.both),
    row('parse and compile, one file changed', edited.both, warm.both),
    row('  parse', edited.parse, warm.both),
    row('  compile', edited.compile, warm.both),
    ['  parse, the first thing a process does', fresh.parseMs, 'ms', null],
    ['  compile, the second', fresh.compileMs, 'ms', null],
  ];
}

async function comparing(rounds: number): Promise<Rows> {
  const files = thousandRoles();
  const scenes = [
    {
      name: `3 roles, a rule about one's own narrowed, ${(2 * USERS).toLocaleString('en-US')} records`,
      bundles: smallPolicies.map((file) => parseBundle([file])),
      population: membersAndSupport(),
    },
    {
      name: `${ROLES.toLocaleString('en-US')} roles, one rule changed, ${USERS.toLocaleString('en-US')} records`,
      bundles: [files, withOneEdit(files, 0)].map((files) => parseBundle(files)),
      population: holdersOfOne(),
    },
  ];
  const rows: (readonly Cell[])[] = [[`diffPolicies for ${USERS.toLocaleString('en-US')} users`, '', '', '']];
  for (const { name, bundles, population } of scenes) {
    const [before, after] = bundles;
    if (before === undefined || after === undefined) throw new TypeError('two policies are compared');
    const times: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const [{ changes }, millis] = await cpuMillis(() => diffPolicies(before, after, population));
      if (changes.length === 0) throw new Error(`no change was found: ${name}`);
      if (round > 0) times.push(millis);
    }
    rows.push([`  ${name}`, median(times), 'CPU ms', null]);
  }
  return rows;
}

/** Everybody's record, and a session of theirs. */
function membersAndSupport(): Population {
  const scopes = ['acme', 'acme/platform', 'globex'];
  const people = Array.from({ length: USERS }, (_, at) => {
    const scope = scopes[at % scopes.length] ?? 'acme';
    const role = at % 50 === 0 ? 'administrator' : at % 10 === 0 ? 'support' : 'member';
    return { id: `usr_${at}`, email: `${at}@example.com`, scope, role, status: at % 7 === 0 ? 'disabled' : 'active' };
  });
  const scopesOf = (scope: string) => scope.split('/').map((_, at, all) => all.slice(0, at + 1).join('/'));
  return {
    principals: people.map(({ id, email, scope, role }) => ({
      label: id,
      facts: { id, email, scope },
      grants: [...new Set(['member', role])].map((role) => ({ role, scope: role === 'administrator' ? null : scope })),
    })),
    subjects: people.flatMap(({ id, email, scope, status }, at): readonly SubjectRecord[] => {
      const where = { scope, scopes: scopesOf(scope) };
      const user = { __typename: 'User', id, email, status, ...where };
      const session = { __typename: 'Session', id: `ses_${at}`, userId: id, ...where };
      return [user, session];
    }),
  };
}

/** One role each. */
function holdersOfOne(): Population {
  const statuses = ['draft', 'live', 'closed'];
  return {
    principals: Array.from({ length: USERS }, (_, at) => ({
      label: `usr_${at}`,
      facts: { id: `usr_${at}` },
      grants: [{ role: `role${at % ROLES}`, scope: null }],
    })),
    subjects: Array.from({ length: USERS }, (_, at): SubjectRecord => {
      // Types and teams that are counted alike would meet in every tenth team only.
      const team = `t${Math.floor(at / RULES_PER_ROLE) % ROLES}`;
      const more = { owner: `usr_${at}`, team, status: statuses[at % statuses.length] };
      return { __typename: `Type${at % RULES_PER_ROLE}`, id: `thing_${at}`, ...more };
    }),
  };
}

function memory({ castellanBytes, caslBytes }: Fresh, abilities: number): Rows {
  return [
    [
      `memory of one of ${abilities.toLocaleString('en-US')} abilities, all by the same role of ten rules, each asked once`,
      '',
      '',
      '',
    ],
    ['  Castellan', castellanBytes, 'bytes', 1],
    ['  CASL, with its rules', caslBytes, 'bytes', caslBytes / castellanBytes],
  ];
}

/** Of all threads: collecting garbage is part of it. */
async function cpuMillis<T>(work: () => T): Promise<readonly [T, number]> {
  await turn();
  const start = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(start);
  return [result, (user + system) / 1_000];
}
