import { formatCursor } from '../../../src/domain/pages.ts';
import { answers, everybody, type Row, type Target } from './row.ts';
import { expecting, type Readable, READERS, readersOf } from './reading.ts';

const RANGE =
  'range: { from: "2026-01-01T00:00:00.000Z", to: "2026-01-02T00:00:00.000Z", bucket: day, timeZone: "UTC" }';
const POLICY = 'files: [{ path: "policies/a.yaml", text: "roles: { member: {} }" }]';
const PAST = '"2020-01-01T00:00:00.000Z"';
const FUTURE = '"2200-01-01T00:00:00.000Z"';
/** Of an instant after all others, for lists that begin with the newest. */
const NEWEST = '2200-01-01T00:00:00.000Z';

/** A record by its id, or by something else that names it. */
function one(field: string, type: Readable, by: (target: Target) => string): Row {
  return {
    field: `Query.${field}`,
    ask: (target) => `query { it: ${field}(${by(target)}) { id } }`,
    expected: readersOf(type, 'nothing'),
  };
}

/** Lists in which a record is, for whoever may read it. */
function lists(field: string, type: Readable, finds: keyof Target, ...by: readonly ((target: Target) => string)[]) {
  return ['', ...by].map((args): Row => {
    const given = (target: Target) => (typeof args === 'string' ? args : `, ${args(target)}`);
    return {
      field: `Query.${field}`,
      ask: (target) => `query { it: ${field}(first: 100${given(target)}) { edges { node { id } } } }`,
      finds,
      expected: readersOf(type, 'nothing'),
    };
  });
}

const after = (list: string) => () =>
  `after: "${formatCursor(list, { by: null, descending: false }, { value: null, id: '0' })}"`;
const afterNewest = (list: string) =>
  `after: "${formatCursor(list, { by: 'at', descending: true }, { value: NEWEST, id: 'zzz' })}"`;
const filter = (text: (target: Target) => string) => (target: Target) => `filter: { ${text(target)} }`;
const orders = (...fields: readonly string[]) =>
  fields.flatMap((field) => [
    () => `orderBy: { field: ${field}, direction: ascending }`,
    () => `orderBy: { field: ${field}, direction: descending }`,
  ]);

/** Of what is everybody's, for those whose role holds everywhere. */
const EVERYWHERE = answers('allowed: auditor administrator reader', 'FORBIDDEN', 'UNAUTHENTICATED');
/** The policy lies in no scope, so that a role in one is enough to read it. */
const POLICY_READERS = answers('allowed: auditor administrator keeper reader', 'FORBIDDEN', 'UNAUTHENTICATED');

const RECORDS: readonly Row[] = [
  one('user', 'User', ({ user }) => `id: "${user}"`),
  ...lists(
    'users',
    'User',
    'user',
    after('User'),
    filter(({ email }) => `email: "${email}"`),
    filter(() => 'status: active'),
    filter(({ path }) => `within: "${path}"`),
    filter(({ email }) => `search: "${email}"`),
    ...orders('createdAt', 'name', 'email'),
  ),
  {
    field: 'Query.users',
    ask: () => 'query { it: users(first: 100, filter: { role: "member" }) { edges { node { id } } } }',
    finds: 'user',
    // Who may not read the role finds nobody by it, and an administrator is no member.
    expected: {
      own: answers('allowed: member support auditor', 'nothing'),
      other: answers('allowed: support auditor administrator keeper reader', 'nothing'),
      elsewhere: answers('allowed: auditor administrator reader', 'nothing'),
    },
  },
  one('session', 'Session', ({ session }) => `id: "${session}"`),
  ...lists(
    'sessions',
    'Session',
    'session',
    after('Session'),
    filter(({ user }) => `userId: "${user}"`),
    filter(() => 'live: true'),
    filter(() => 'device: other'),
    filter(() => 'browser: "Opera"'),
    filter(() => 'client: "matrix"'),
    filter(() => `startedBefore: ${FUTURE}`),
    filter(() => 'addressRange: "127.0.0.0/8"'),
    ...orders('createdAt', 'expiresAt'),
  ),
  one('serviceAccount', 'ServiceAccount', ({ service }) => `id: "${service}"`),
  ...lists(
    'serviceAccounts',
    'ServiceAccount',
    'service',
    after('ServiceAccount'),
    filter(() => 'status: active'),
    filter(({ path }) => `within: "${path}"`),
    ...orders('createdAt', 'name'),
  ),
  one('apiKey', 'ApiKey', ({ key }) => `id: "${key}"`),
  ...lists(
    'apiKeys',
    'ApiKey',
    'key',
    after('ApiKey'),
    filter(({ service }) => `ownerId: "${service}"`),
    filter(() => 'live: true'),
    filter(() => `unusedSince: ${FUTURE}`),
    filter(() => `expiresBefore: ${FUTURE}`),
    filter(({ prefix }) => `prefix: "${prefix}"`),
    ...orders('createdAt', 'name'),
  ),
  one('scope', 'Scope', ({ scope }) => `id: "${scope}"`),
  one('scope', 'Scope', ({ path }) => `path: "${path}"`),
  ...lists(
    'scopes',
    'Scope',
    'scope',
    after('Scope'),
    filter(({ path }) => `within: "${path}"`),
    filter(() => 'status: active'),
    ...orders('path', 'createdAt'),
  ),
  one('role', 'Role', ({ role }) => `id: "${role}"`),
  one('role', 'Role', () => 'name: "team"'),
  ...lists(
    'roles',
    'Role',
    'role',
    after('Role'),
    filter(() => 'managed: false'),
    ...orders('name'),
  ),
  ...lists(
    'securityEvents',
    'SecurityEvent',
    'event',
    () => afterNewest('SecurityEvent'),
    filter(() => 'kind: "session.takeover_suspected"'),
    filter(() => 'severity: warning'),
    filter(({ user }) => `userId: "${user}"`),
    filter(({ session }) => `sessionId: "${session}"`),
    filter(() => `since: ${PAST}`),
  ),
  ...[
    'outcome: done, apiKeyId: null, sessionId: null, subjectType: null, action: null',
    'principalId: "system"',
    `from: ${PAST}`,
    `until: ${FUTURE}`,
  ].flatMap((more) => entriesWith((target) => `${more}, subjectId: "${target.user}"`)),
];

/** Entries about somebody, among the newest: of all that there are, one page holds few. */
function entriesWith(narrowed: (target: Target) => string): readonly Row[] {
  return [afterNewest('AuditEntry'), 'after: null'].map((args) => ({
    field: 'Query.auditLog',
    ask: (target) =>
      `query { it: auditLog(first: 100, ${args}, filter: { ${narrowed(target)} }) { edges { node { id } } } }`,
    finds: 'entry',
    expected: readersOf('AuditEntry', 'nothing'),
  }));
}

/** What is told of somebody to whoever may read their sessions, or a key, and is not there for the others. */
const ABOUT: readonly Row[] = [
  {
    field: 'Query.userActivity',
    ask: ({ user }) => `query { it: userActivity(id: "${user}", ${RANGE}) { signIns } }`,
    expected: readersOf('Session', 'NOT_FOUND'),
  },
  ...['', `, ${afterNewest('SignIn')}`].map((more): Row => ({
    field: 'Query.signIns',
    ask: ({ user }) => `query { it: signIns(userId: "${user}", first: 100${more}) { pageInfo { hasNextPage } } }`,
    expected: readersOf('Session', 'NOT_FOUND'),
  })),
  {
    field: 'Query.apiKeyUsage',
    ask: ({ key }) => `query { it: apiKeyUsage(id: "${key}", ${RANGE}) { admitted } }`,
    expected: readersOf('ApiKey', 'NOT_FOUND'),
  },
];

/** One question about a user, asked in every way; what the answer is to whom it is about, and who asks. */
const QUESTIONS: readonly Row[] = [
  ...['', ', field: "name"'].flatMap((field): readonly Row[] => {
    const question = ({ user }: Target) => `action: "read", subject: "User", id: "${user}"${field}`;
    return [
      {
        field: 'Query.viewerCan',
        ask: (target) => `query { it: viewerCan(${question(target)}) { allowed } }`,
        expected: readersOf('User', 'denied'),
      },
      {
        field: 'Query.viewerCanMany',
        ask: (target) => `query { it: viewerCanMany(checks: [{ ${question(target)} }]) { allowed } }`,
        expected: readersOf('User', 'denied'),
      },
      {
        field: 'Query.explain',
        ask: (target) => `query { it: explain(principalId: "${target.user}", ${question(target)}) { policyVersion } }`,
        // About oneself everybody may ask; about others, who may read the policy. The record comes first.
        expected: {
          own: answers(`allowed: ${READERS.User.own}`, 'NOT_FOUND'),
          other: answers('allowed: auditor administrator keeper reader; FORBIDDEN: support service', 'NOT_FOUND'),
          elsewhere: answers('allowed: auditor administrator reader', 'NOT_FOUND'),
        },
      },
    ];
  }),
  {
    field: 'Query.explain',
    ask: ({ user }) =>
      `query { it: explain(principalId: "${user}", action: "read", subject: "Analytics", id: "x") { policyVersion } }`,
    expected: {
      own: answers(`allowed: ${READERS.User.own} service`, 'NOT_FOUND', 'UNAUTHENTICATED'),
      other: answers('allowed: auditor administrator keeper reader', 'FORBIDDEN', 'UNAUTHENTICATED'),
      elsewhere: answers('allowed: auditor administrator reader; NOT_FOUND: keeper', 'FORBIDDEN', 'UNAUTHENTICATED'),
    },
  },
  {
    field: 'Query.viewerCanMany',
    ask: () =>
      'query { it: viewerCanMany(checks: [{ action: "publish", subject: "Document", attributes: { ownerId: "user_nobody" } }]) { allowed } }',
    expected: { other: answers('allowed: administrator keeper reader', 'denied') },
  },
  {
    field: 'Query.viewerAbility',
    ask: () => 'query { it: viewerAbility { position } }',
    expected: { own: everybody('allowed') },
  },
];

export const QUERIES: readonly Row[] = [
  ...RECORDS,
  ...ABOUT,
  ...QUESTIONS,
  {
    field: 'Query.me',
    ask: () => 'query { it: me { id } }',
    expected: expecting({ own: READERS.User.own }, 'allowed', 'nothing'),
  },
  {
    field: 'Query.permissionAnalytics',
    ask: () => `query { it: permissionAnalytics(${RANGE}) { overflow } }`,
    expected: { other: EVERYWHERE },
  },
  {
    field: 'Query.authenticationAnalytics',
    ask: () => `query { it: authenticationAnalytics(${RANGE}) { failed } }`,
    expected: { other: EVERYWHERE },
  },
  {
    field: 'Query.activityAnalytics',
    ask: () => `query { it: activityAnalytics(${RANGE}) { active } }`,
    expected: { other: EVERYWHERE },
  },
  {
    field: 'Query.sessionAnalytics',
    ask: () => `query { it: sessionAnalytics(${RANGE}) { active } }`,
    expected: { other: EVERYWHERE },
  },
  { field: 'Query.systemHealth', ask: () => 'query { it: systemHealth { status } }', expected: { other: EVERYWHERE } },
  { field: 'Query.signingKeys', ask: () => 'query { it: signingKeys { id } }', expected: { other: EVERYWHERE } },
  {
    field: 'Query.policy',
    ask: () => 'query { it: policy { version files { text } history { version } } }',
    expected: { other: POLICY_READERS },
  },
  {
    field: 'Query.previewPolicy',
    ask: () => `query { it: previewPolicy(${POLICY}) { after } }`,
    expected: { other: POLICY_READERS },
  },
  // A gateway composes with it before anybody is signed in.
  { field: 'Query._service', ask: () => 'query { it: _service { sdl } }', expected: { other: everybody('allowed') } },
];

/** A position of another history is answered at once. */
const ELSEWHEN = 'after: "00000000-1"';

export const SUBSCRIPTIONS: readonly Row[] = [
  {
    field: 'Subscription.policyChanged',
    ask: () => `subscription { it: policyChanged(${ELSEWHEN}) { __typename } }`,
    expected: { other: POLICY_READERS },
  },
  {
    field: 'Subscription.permissionsChanged',
    ask: () => `subscription { it: permissionsChanged(${ELSEWHEN}) { __typename } }`,
    expected: { own: answers('', 'allowed', 'UNAUTHENTICATED') },
  },
  {
    field: 'Subscription.sessionEvents',
    ask: () => `subscription { it: sessionEvents(${ELSEWHEN}) { __typename } }`,
    // Service accounts have no sessions.
    expected: { own: answers('FORBIDDEN: service introspector gateway listener', 'allowed', 'UNAUTHENTICATED') },
  },
  {
    field: 'Subscription.apiKeyEvents',
    ask: () => `subscription { it: apiKeyEvents(${ELSEWHEN}) { __typename } }`,
    expected: { own: answers('FORBIDDEN: introspector gateway listener', 'allowed', 'UNAUTHENTICATED') },
  },
  {
    field: 'Subscription.authEvents',
    ask: () => `subscription { it: authEvents(${ELSEWHEN}) { __typename } }`,
    expected: { own: answers('FORBIDDEN: service introspector gateway listener', 'allowed', 'UNAUTHENTICATED') },
  },
  {
    field: 'Subscription.securityEventRaised',
    ask: () => `subscription { it: securityEventRaised(${ELSEWHEN}) { __typename } }`,
    expected: { own: answers('FORBIDDEN: service introspector gateway listener', 'allowed', 'UNAUTHENTICATED') },
  },
  {
    field: 'Subscription.revocations',
    ask: () => `subscription { it: revocations(${ELSEWHEN}) { __typename } }`,
    // People are not told, whatever they hold.
    expected: { own: answers('allowed: listener', 'FORBIDDEN', 'UNAUTHENTICATED') },
  },
];
