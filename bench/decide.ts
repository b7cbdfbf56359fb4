import { join } from 'node:path';
import { createMongoAbility, type MongoAbility, type RawRuleOf, subject as withType } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { createApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import {
  type Ability,
  Engine,
  type GrantFacts,
  type PrincipalFacts,
  type SubjectRecord,
} from '../src/domain/policy/engine.ts';
import { parseBundle, type PolicyFile } from '../src/domain/policy/parse.ts';
import { readPolicyFiles } from '../src/drivers/files/policies.ts';
import type { Bench, Cell, Table } from './support/bench.ts';
import { type Calls, each, type Measured, sameAnswers, timeCalls } from './support/calls.ts';
import { signInAdministrator } from './support/client.ts';
import { ADMIN_PASSWORD, startPlatform } from './support/platform.ts';
import { CHAIN_ENDS, ROLES, thing, twentyRoles } from './support/twenty-roles.ts';

const PRINCIPAL: PrincipalFacts = { id: 'usr_bob', email: 'bob@example.com', scope: null, kind: 'user' };

interface Check {
  readonly action: string;
  readonly record: SubjectRecord;
  readonly field?: string;
}

interface Scene {
  readonly name: string;
  readonly files: readonly PolicyFile[];
  readonly grants: readonly GrantFacts[];
  readonly checks: readonly Check[];
}

type Sections = readonly (readonly [section: string, measured: readonly Measured[]])[];

export const decide: Bench = {
  name: 'decide',
  title: 'deciding, binding rules to a principal, and identifying one, in process',

  async run({ quick }): Promise<Table> {
    const options = { rounds: quick ? 5 : 15, turnMs: quick ? 20 : 50 };
    const policies = join(import.meta.dirname, '..', 'policies');
    const scenes = [ownPolicies(await readPolicyFiles(policies)), manyRoles()];
    const sections: (readonly [string, readonly Measured[]])[] = [];
    for (const scene of scenes) {
      const engine = new Engine(parseBundle(scene.files));
      sections.push([`a check: ${scene.name}`, await timeCalls(checking(engine, scene), options)]);
      sections.push([`rules for a principal: ${scene.name}`, await timeCalls(binding(engine, scene), options)]);
    }
    sections.push(['a credential to its principal', await identifying(options)]);
    return table(sections, options.rounds);
  },
};

function table(sections: Sections, rounds: number): Table {
  return {
    columns: ['', 'CPU ns', 'ratio'],
    rows: sections.flatMap(([section, measured]): readonly (readonly Cell[])[] => [
      [section, '', ''],
      ...measured.map(({ name, nanos, ratio }) => [`  ${name}`, nanos, ratio]),
    ]),
    notes: [
      `medians of ${rounds} rounds, the candidates taking turns; ratios are medians of the ratios to the first one in the same round`,
      'CASL has the very rules that Castellan hands out to front ends, and every candidate gives the same answers',
    ],
  };
}

function checking(engine: Engine, { grants, checks }: Scene): readonly Calls[] {
  const ability = engine.ability(PRINCIPAL, grants);
  const casl = plainAbility(engine, ability, ({ __typename: type }) => String(type));
  const wrapping = plainAbility(engine, ability);
  const untyped = checks.map(({ action, record: { __typename: type, ...record }, field }) => ({
    action,
    type,
    record,
    field,
  }));

  const candidates = [
    each('CASL can, with detectSubjectType', checks, ({ action, record, field }) => casl.can(action, record, field)),
    each(
      'Castellan decide',
      checks,
      ({ action, record, field }) => engine.decide(ability, action, record, field).allowed,
    ),
    each('CASL can, subject() around each record', untyped, ({ action, type, record, field }) =>
      wrapping.can(action, withType(type, { ...record }), field),
    ),
    each('CASL can again, as a control', checks, ({ action, record, field }) => casl.can(action, record, field)),
  ];
  sameAnswers(candidates, checks.length);
  return candidates;
}

function binding(engine: Engine, { grants }: Scene): readonly Calls[] {
  const rules = rulesOf(engine, engine.ability(PRINCIPAL, grants));
  return [
    each('CASL createMongoAbility', [rules], (rules) => createMongoAbility(rules).rules.length > 0),
    each('Castellan, roles known', [grants], (grants) => engine.ability(PRINCIPAL, grants).principal.id !== null),
  ];
}

function plainAbility(
  engine: Engine,
  ability: Ability,
  detect?: (record: Record<string, unknown>) => string,
): MongoAbility {
  return createMongoAbility(
    rulesOf(engine, ability),
    detect === undefined ? {} : { detectSubjectType: detect as never },
  );
}

function rulesOf(engine: Engine, ability: Ability): RawRuleOf<MongoAbility>[] {
  // They were packed by CASL itself.
  return unpackRules<RawRuleOf<MongoAbility>>(engine.packedRules(ability) as never);
}

/** A member among users, sessions and roles: about half of the checks are allowed. */
function ownPolicies(files: readonly PolicyFile[]): Scene {
  const user = (id: string) => ({
    __typename: 'User',
    id,
    email: `${id}@example.com`,
    name: id,
    status: 'active',
    roles: ['member'],
    scope: null,
    createdAt: '2030-01-31T12:00:00.000Z',
  });
  const session = (userId: string) => ({
    __typename: 'Session',
    id: `ses_of_${userId}`,
    userId,
    createdAt: '2030-01-31T12:00:00.000Z',
    expiresAt: '2030-03-01T12:00:00.000Z',
    scope: null,
  });
  const role = { __typename: 'Role', id: 'rol_member', name: 'member', managed: true };
  return {
    name: "the project's policies, a member",
    files,
    grants: [{ role: 'member', scope: null }],
    checks: [
      { action: 'read', record: user('usr_bob') },
      { action: 'read', record: user('usr_alice') },
      { action: 'update', record: user('usr_bob'), field: 'name' },
      { action: 'disable', record: user('usr_alice') },
      { action: 'read', record: session('usr_bob') },
      { action: 'revoke', record: session('usr_alice') },
      { action: 'read', record: role },
      { action: 'grant', record: role },
    ],
  };
}

function manyRoles(): Scene {
  return {
    name: '20 roles in chains of 5, 200 permissions',
    files: [twentyRoles()],
    grants: CHAIN_ENDS.map((role) => ({ role, scope: null })),
    checks: ROLES.flatMap((_, n) => [
      { action: 'act3', record: thing(n, 'usr_alice') },
      { action: 'act9', record: thing(n, 'usr_bob') },
      { action: 'act9', record: thing(n, 'usr_alice') },
    ]),
  };
}

async function identifying(options: { rounds: number; turnMs: number }): Promise<readonly Measured[]> {
  await using platform = await startPlatform();
  const app = await createApp(
    readConfig({ ...platform.env, POLICIES_DIR: join(import.meta.dirname, '..', 'policies') }),
  );
  try {
    const administrator = await signInAdministrator(app.url, ADMIN_PASSWORD);
    const { identification } = app.services;
    const tokens: string[] = [];
    for (let n = 0; n < 16; n += 1) {
      const { accessToken } = await (await administrator.createMember()).signIn();
      await identification.identify({ kind: 'accessToken', token: accessToken });
      tokens.push(accessToken);
    }
    return await timeCalls(
      [
        each('identifyWarm', tokens, (token) => {
          if (identification.identifyWarm(token) !== null) return true;
          throw new Error('a token was not warm');
        }),
      ],
      options,
    );
  } finally {
    await app.close();
  }
}
