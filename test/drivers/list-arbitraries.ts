import * as fc from 'fast-check';
import { stringify } from 'yaml';
import type { Grant, Role } from '../../src/domain/roles/role.ts';
import type { Session } from '../../src/domain/sessions/session.ts';
import type { User } from '../../src/domain/users/user.ts';
import { aGrant, aRole, aSession, aUser } from '../contract/store-samples.ts';

/** Random rows, and random policies that speak of what is in them. */

const TIMES = ['2024-01-01T00:00:00.000Z', '2025-06-30T12:00:00.001Z', '2099-12-31T23:59:59.999Z'];
/** Paths that the product would refuse are among them: what is compared are bytes. */
export const SCOPES = [
  'acme',
  'acme/platform',
  'acme/platform/api',
  'acme2',
  'acme2/platform',
  'globex',
  'acm%',
  'a_me',
];
export const SUSPENDED = ['acme/platform', 'globex'];
const NAMES = ['Zoë', 'Zoe\u0308', 'ZOË', 'zoë', "O'Hara", 'a\\b', '%', '_', '🗝', '\uFFFD', '$1', 'null', 'true', '1'];
const ROLES = ['member', 'Member', 'auditor', 'o-role', 'ööö'];
const REASONS = ['signed_out', 'revoked', ''];
const USERS = Array.from({ length: 24 }, (_, n) => `user_${n}`);
const SESSIONS = Array.from({ length: 30 }, (_, n) => `sess_${n}`);

export interface Rows {
  readonly users: readonly User[];
  readonly roles: readonly Role[];
  readonly grants: readonly Grant[];
  readonly sessions: readonly Session[];
}

const instant = fc.constantFrom(...TIMES);
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 });

export const rows: fc.Arbitrary<Rows> = fc.record({
  users: fc.tuple(
    ...USERS.map((id, n) =>
      fc
        .record({
          name: fc.constantFrom(...NAMES),
          status: fc.constantFrom<User['status']>('active', 'disabled'),
          scope: orNull(fc.constantFrom(...SCOPES)),
          createdAt: instant,
        })
        .map((values) => aUser({ ...values, id, email: emailOf(n) })),
    ),
  ),
  roles: fc.tuple(
    ...ROLES.map((name) =>
      fc
        .record({ description: orNull(fc.constantFrom(...NAMES)), managed: fc.boolean() })
        .map((values) => aRole({ ...values, name, id: `role_${name}` })),
    ),
  ),
  grants: fc.uniqueArray(
    fc
      .record({
        principalId: fc.constantFrom(...USERS),
        roleId: fc.constantFrom(...ROLES.map((name) => `role_${name}`)),
        scope: orNull(fc.constantFrom(...SCOPES)),
        expiresAt: orNull(instant),
        revokedAt: fc.option(instant, { freq: 6, nil: null }).map((at) => (at === null ? null : TIMES[0]!)),
      })
      .map((values) => aGrant(values)),
    {
      minLength: 40,
      maxLength: 60,
      selector: ({ principalId, roleId, scope }) => JSON.stringify([principalId, roleId, scope]),
    },
  ),
  sessions: fc.tuple(
    ...SESSIONS.map((id) =>
      fc
        .record({
          userId: fc.constantFrom(...USERS),
          createdAt: instant,
          expiresAt: instant,
          revokedAt: orNull(instant),
          revokedReason: orNull(fc.constantFrom(...REASONS)),
          userAgent: orNull(fc.constantFrom(...NAMES)),
          address: orNull(fc.constantFrom('::1', '127.0.0.1')),
          aal: fc.constantFrom<Session['aal']>(1, 2),
          authenticatedAt: instant,
        })
        .map((values) => aSession({ ...values, id })),
    ),
  ),
});

const emailOf = (n: number) => `${n % 2 === 0 ? 'Zoë' : 'sam'}.${n}@example.com`;

/** What a policy may take an attribute for: mostly what it is, sometimes something else. */
const USER = {
  id: ['id', 'string'],
  email: ['string', 'string', 'list(string)'],
  name: ['string', 'string', 'datetime', 'list(string)', 'boolean'],
  status: ['enum(active, disabled, locked)', 'string'],
  roles: ['list(string)', 'list(string)', 'list(string)', 'string', 'datetime', 'list(number)'],
  suspended: ['boolean', 'boolean', 'string'],
  scope: ['scope', 'scope', 'scope', 'string'],
  createdAt: ['datetime', 'datetime', 'string', 'number', 'boolean'],
  nick: ['string', 'number', 'datetime', 'list(string)', 'boolean'],
};
const SESSION = {
  id: ['id'],
  userId: ['id', 'string'],
  createdAt: ['datetime', 'datetime', 'number', 'list(datetime)'],
  expiresAt: ['datetime', 'datetime', 'string'],
  revokedAt: ['datetime', 'datetime', 'number', 'string'],
  revokedReason: ['string', 'enum(signed_out, revoked)'],
  userAgent: ['string', 'datetime'],
  address: ['string'],
  aal: ['number', 'number', 'string', 'boolean'],
  authenticatedAt: ['datetime', 'string'],
  scope: ['scope', 'scope', 'string'],
};
const SCOPE = {
  id: ['id'],
  name: ['string', 'datetime'],
  scope: ['scope', 'scope', 'string'],
  parentId: ['id', 'string'],
  status: ['enum(active, suspended)', 'string', 'boolean'],
  createdAt: ['datetime', 'string'],
};
const ROLE = {
  id: ['id'],
  name: ['string', 'list(string)'],
  description: ['string', 'datetime'],
  managed: ['boolean', 'boolean', 'number', 'string', 'datetime'],
};
const SUBJECTS = { User: USER, Session: SESSION, Role: ROLE, Scope: SCOPE };
type SubjectName = keyof typeof SUBJECTS;
type Declared = Readonly<Record<string, string>>;

const VALUES: Readonly<Record<string, readonly string[]>> = {
  id: [...USERS.slice(0, 6), ...SESSIONS.slice(0, 6), 'role_member'],
  userId: USERS.slice(0, 8),
  email: [emailOf(0), emailOf(1), emailOf(0).toUpperCase(), 'sam.9'],
  name: [...NAMES, ...ROLES],
  description: NAMES,
  status: ['active', 'disabled', 'locked'],
  roles: [...ROLES, 'none'],
  scope: SCOPES,
  scopes: SCOPES,
  createdAt: TIMES,
  expiresAt: [...TIMES, '2025'],
  revokedAt: TIMES,
  revokedReason: REASONS,
  userAgent: NAMES,
  address: ['::1'],
  aal: ['1', '2', '3'],
  authenticatedAt: TIMES,
  managed: ['true', ''],
  suspended: ['true', ''],
  parentId: ['scope_1'],
  nick: ['a', ''],
};

const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  id: ['${principal.id}', '${principal.sessionId}'],
  string: ['${principal.email}', '${principal.kind}', '${principal.id}'],
  scope: ['${principal.scope}'],
};

function valueOf(attribute: string, type: string): fc.Arbitrary<unknown> {
  if (type === 'number') return fc.integer({ min: -1, max: 2 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'datetime') return fc.constantFrom(...TIMES, '2025-06-30T12:00:00.000Z', '2000-01-01T00:00:00.000Z');
  if (type.startsWith('enum')) return fc.constantFrom(...type.slice(5, -1).split(', '));
  const texts = fc.constantFrom(...(VALUES[attribute] ?? ['a']));
  const templates = TEMPLATES[type];
  if (templates === undefined) return texts;
  return fc.oneof({ weight: 4, arbitrary: texts }, { weight: 1, arbitrary: fc.constantFrom(...templates) });
}

function testOf(attribute: string, declared: string): fc.Arbitrary<object> {
  const isList = declared.startsWith('list(');
  const type = isList ? declared.slice(5, -1) : declared;
  const one = valueOf(attribute, type);
  const several = fc.array(one, { minLength: 1, maxLength: 3 });
  const operators: Record<string, fc.Arbitrary<unknown>> = {
    eq: fc.option(one, { freq: 4 }),
    ne: fc.option(one, { freq: 4 }),
    exists: fc.boolean(),
    ...(type !== 'boolean' && { in: several, nin: several }),
    ...(isList && {
      all: several,
      size: fc.integer({ min: 0, max: 3 }),
      elemMatch: fc.record({ ne: one, in: several, nin: several }, { requiredKeys: ['nin'] }),
    }),
    ...(!isList && (type === 'number' || type === 'datetime') && { gt: one, gte: one, lt: one, lte: one }),
  };
  // What binds a rule to its grant is this very operator.
  if (attribute === 'scopes') delete operators['in'];
  return fc.oneof(...Object.entries(operators).map(([name, value]) => value.map((operand) => ({ [name]: operand }))));
}

function whereOf(attributes: Declared): fc.Arbitrary<Record<string, object>> {
  const scoped = Object.values(attributes).includes('scope') ? { scopes: 'list(scope)' } : {};
  const known: Declared = { ...attributes, ...scoped };
  return fc
    .subarray(Object.keys(known), { minLength: 1, maxLength: 2 })
    .chain((chosen) =>
      fc.record(Object.fromEntries(chosen.map((name) => [name, testOf(name, known[name] ?? 'string')]))),
    );
}

const HELD = ['alpha', 'beta', 'gamma'];

function ruleOf(subjects: Readonly<Record<string, Declared>>) {
  return fc.constantFrom<SubjectName>('User', 'User', 'Session', 'Role', 'Scope').chain((subject) => {
    const attributes = subjects[subject] ?? {};
    return fc.record(
      {
        role: fc.constantFrom(...HELD),
        effect: fc.constantFrom('allow', 'allow', 'allow', 'deny'),
        action: fc.constantFrom('read', 'manage'),
        subject: fc.constant(subject),
        fields: fc.subarray(Object.keys(attributes), { minLength: 1, maxLength: 3 }),
        where: whereOf(attributes),
        within: fc.constant('any'),
      },
      { requiredKeys: ['role', 'effect', 'action', 'subject', 'where'] },
    );
  });
}

const declared: fc.Arbitrary<Record<SubjectName, Declared>> = fc.record({
  User: declaredOf(USER),
  Session: declaredOf(SESSION),
  Role: declaredOf(ROLE),
  Scope: declaredOf(SCOPE),
});

function declaredOf(types: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Declared> {
  return fc.record(Object.fromEntries(Object.entries(types).map(([name, each]) => [name, fc.constantFrom(...each)])));
}

/** The text of a policy. */
export const policyText: fc.Arbitrary<string> = declared.chain((attributes) =>
  fc.array(ruleOf(attributes), { minLength: 4, maxLength: 14 }).map((rules) => {
    const subjects = Object.fromEntries(
      Object.entries(attributes).map(([name, each]) => [name, { actions: ['read', 'revoke'], attributes: each }]),
    );
    const bodies = HELD.map((name, index) => {
      const own = (effect: string) =>
        rules
          .filter((rule) => rule.role === name && rule.effect === effect)
          .map(({ role: _role, effect: _effect, ...rule }) => rule);
      const inherits = index === 0 ? { inherits: ['beta'] } : {};
      return [name, { ...inherits, allow: own('allow'), deny: own('deny') }];
    });
    return stringify({ subjects, roles: Object.fromEntries(bodies) }, { aliasDuplicateObjects: false });
  }),
);

export const actor = fc.record({
  principal: fc.record(
    {
      id: fc.constantFrom(...USERS.slice(0, 6)),
      email: fc.constantFrom(emailOf(0), emailOf(1), ''),
      scope: fc.constantFrom('acme', 'acme/platform', null),
      kind: fc.constantFrom('user', 'Zoë'),
      sessionId: fc.constantFrom('sess_1', 'sess_2'),
    },
    { requiredKeys: ['id'] },
  ),
  grants: fc.array(
    fc.record({ role: fc.constantFrom(...HELD), scope: fc.constantFrom(null, null, ...SCOPES.slice(0, 4)) }),
    { minLength: 1, maxLength: 3 },
  ),
  field: fc.constantFrom(undefined, undefined, 'name', 'createdAt', 'scope'),
});
