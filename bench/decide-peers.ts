import { createMongoAbility, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { Engine, type PrincipalFacts } from '../src/domain/policy/engine.ts';
import { parseBundle } from '../src/domain/policy/parse.ts';
import type { Bench, Table } from './support/bench.ts';
import { type Calls, each, sameAnswers, timeCalls } from './support/calls.ts';
import { importPeer, installPeers } from './support/peers.ts';
import { CHAIN_ENDS, ROLES, thing, type Thing, twentyRoles } from './support/twenty-roles.ts';

const PRINCIPAL: PrincipalFacts = { id: 'usr_bob', email: 'bob@example.com', scope: null, kind: 'user' };
/** Two chains of the four, so that half of the types are nothing to it. */
const HELD = CHAIN_ENDS.slice(0, 2);

interface Check {
  readonly action: string;
  readonly record: Thing;
}

type Ask = (check: Check) => boolean;

export const decidePeers: Bench = {
  name: 'decide-peers',
  title:
    'a check by libraries for authorization: 20 roles in chains of 5, 200 permissions, a principal with two chains',

  async run({ quick }): Promise<Table> {
    await installPeers((line) => process.stderr.write(`${line}\n`));
    const options = { rounds: quick ? 5 : 15, turnMs: quick ? 20 : 50 };
    const checks = ROLES.flatMap((_, n) => [
      { action: 'act3', record: thing(n, 'usr_alice') },
      { action: 'act9', record: thing(n, 'usr_bob') },
      { action: 'act9', record: thing(n, 'usr_alice') },
    ]);
    const candidates: readonly (readonly [string, Ask])[] = [
      ...castellanAndCasl(),
      ['accesscontrol can().do()', await accessControl()],
      ['better-auth role.authorize, ownership in code around it', await betterAuth()],
      ['casbin enforceSync, ownership in code around it', await casbin()],
      ['casbin enforceSync, ownership in its matcher', await casbinWithOwners()],
    ];
    const calls = candidates.map(([name, ask]): Calls => each(name, checks, ask));
    const answers = sameAnswers(calls, checks.length);
    const measured = await timeCalls(calls, options);
    return {
      columns: ['', 'CPU ns', 'ratio'],
      rows: measured.map(({ name, nanos, ratio }) => [name, nanos, ratio]),
      notes: [
        `medians of ${options.rounds} rounds, the candidates taking turns; ratios are medians of the ratios to Castellan in the same round`,
        `each was asked the same ${checks.length} questions, ${answers.filter(Boolean).length} of them allowed, and gave the same answers`,
        'in all of them the roles of the principal are known before, and nothing is read from anywhere',
        "Castellan's answer carries the reason and the rule that decided; CASL has the very rules that Castellan hands out",
        'accesscontrol: roles extend each other, and ownership is its own `:own`, which a grant of any satisfies',
        'better-auth: roles have no parents, so that each spreads the statements of the one before; no conditions, so that the caller compares owners',
        'casbin: the cheap comparisons of the matcher come first, which is its fastest order; the policy is in memory',
      ],
    };
  },
};

function castellanAndCasl(): readonly (readonly [string, Ask])[] {
  const engine = new Engine(parseBundle([twentyRoles()]));
  const ability = engine.ability(
    PRINCIPAL,
    HELD.map((role) => ({ role, scope: null })),
  );
  // They were packed by CASL itself.
  const rules = unpackRules<RawRuleOf<MongoAbility>>(engine.packedRules(ability) as never);
  const typeOf = ({ __typename: type }: Thing) => type;
  const casl = createMongoAbility(rules, { detectSubjectType: typeOf as never });
  return [
    ['Castellan decide', ({ action, record }) => engine.decide(ability, action, record).allowed],
    ['CASL can, with detectSubjectType', ({ action, record }) => casl.can(action, record)],
  ];
}

interface AccessControlGrant {
  extend(role: string): AccessControlGrant;
  action(name: string, resource: string): AccessControlGrant;
}

interface AccessControlModule {
  AccessControl: new (
    grants: object,
    options: { policy: { ownerField: string } },
  ) => {
    grant(role: string): AccessControlGrant;
    lock(): void;
    can(roles: string[], context: object): { do(action: string, resource: string): { granted: boolean } };
  };
}

async function accessControl(): Promise<Ask> {
  const { AccessControl } = await importPeer<AccessControlModule>('accesscontrol');
  const access = new AccessControl({}, { policy: { ownerField: 'ownerId' } });
  for (const { name, inherits, type, actions, ownAction } of ROLES) {
    const grant = access.grant(name);
    if (inherits !== null) grant.extend(inherits);
    for (const action of actions) grant.action(`${action}:any`, type);
    grant.action(`${ownAction}:own`, type);
  }
  access.lock();
  const roles = [...HELD];
  const user = { id: PRINCIPAL.id };
  return ({ action, record }) => {
    const { __typename: type } = record;
    return access.can(roles, { user, [type]: record }).do(`${action}:own`, type).granted;
  };
}

type Statements = Record<string, string[]>;

interface BetterAuthRole {
  authorize(request: Statements): { success: boolean };
}

interface BetterAuthModule {
  createAccessControl: (statements: Statements) => { newRole(statements: Statements): BetterAuthRole };
}

async function betterAuth(): Promise<Ask> {
  const { createAccessControl } = await importPeer<BetterAuthModule>('better-auth/plugins/access');
  const all = Object.fromEntries(ROLES.map(({ type, actions, ownAction }) => [type, [...actions, ownAction]]));
  const access = createAccessControl(all);
  const statements = new Map<string, Statements>();
  for (const { name, inherits, type, actions, ownAction } of ROLES) {
    const inherited = inherits === null ? {} : statements.get(inherits);
    statements.set(name, { ...inherited, [type]: [...actions, ownAction] });
  }
  // Its plugins ask one role after the other until one has it.
  const roles = HELD.map((name) => access.newRole(statements.get(name) ?? {}));
  return owning(({ action, record: { __typename: type } }) =>
    roles.some((role) => role.authorize({ [type]: [action] }).success),
  );
}

interface CasbinModule {
  newModelFromString: (text: string) => object;
  StringAdapter: new (policy: string) => object;
  newEnforcer: (model: object, adapter: object) => Promise<{ enforceSync(...request: unknown[]): boolean }>;
}

async function casbin(): Promise<Ask> {
  const policies = ROLES.flatMap(({ name, type, actions, ownAction }) =>
    [...actions, ownAction].map((action) => `p, ${name}, ${type}, ${action}`),
  );
  const matcher = 'r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)';
  const enforcer = await casbinEnforcer('sub, obj, act', policies, matcher);
  const { id } = PRINCIPAL;
  return owning(({ action, record: { __typename: type } }) => enforcer.enforceSync(id, type, action));
}

async function casbinWithOwners(): Promise<Ask> {
  const policies = ROLES.flatMap(({ name, type, actions, ownAction }) => [
    ...actions.map((action) => `p, ${name}, ${type}, ${action}, any`),
    `p, ${name}, ${type}, ${ownAction}, own`,
  ]);
  const matcher =
    "r.act == p.act && r.obj.__typename == p.obj && (p.of == 'any' || r.obj.ownerId == r.sub) && g(r.sub, p.sub)";
  const enforcer = await casbinEnforcer('sub, obj, act, of', policies, matcher);
  const { id } = PRINCIPAL;
  return ({ action, record }) => enforcer.enforceSync(id, record, action);
}

async function casbinEnforcer(policy: string, policies: readonly string[], matcher: string) {
  const { newEnforcer, newModelFromString, StringAdapter } = await importPeer<CasbinModule>('casbin');
  const model = [
    '[request_definition]',
    'r = sub, obj, act',
    '[policy_definition]',
    `p = ${policy}`,
    '[role_definition]',
    'g = _, _',
    '[policy_effect]',
    'e = some(where (p.eft == allow))',
    '[matchers]',
    `m = ${matcher}`,
  ];
  const roles = [
    ...ROLES.flatMap(({ name, inherits }) => (inherits === null ? [] : [`g, ${name}, ${inherits}`])),
    ...HELD.map((role) => `g, ${PRINCIPAL.id}, ${role}`),
  ];
  return newEnforcer(newModelFromString(model.join('\n')), new StringAdapter([...policies, ...roles].join('\n')));
}

/** What has no conditions leaves it to the caller to know which permissions are for owners, and to compare. */
function owning(ask: Ask): Ask {
  const ownActions = new Set(ROLES.map(({ ownAction }) => ownAction));
  return (check) => ask(check) && (!ownActions.has(check.action) || check.record.ownerId === PRINCIPAL.id);
}
