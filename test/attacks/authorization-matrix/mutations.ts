import { answers, everybody, type Expected, type Row, type Target } from './row.ts';

/** On a record: whoever may not read it is answered as if there were none. */
const onRecord = (said: string): Expected => answers(said, 'NOT_FOUND', 'UNAUTHENTICATED');
/** On what hides nothing. */
const openly = (said: string): Expected => answers(said, 'FORBIDDEN', 'UNAUTHENTICATED');
/** Of one's own, by a session: an API key is nobody's. */
const bySession = (answer: string): Expected => openly(`${answer}: member support auditor administrator keeper`);

/** Whoever asks, but for a key that is good for reading alone. */
const strangers = (answer: string): Expected => answers('FORBIDDEN: reader', answer);

/** A challenge, which is shown in place of a credential and not beside one. */
const BESIDE_ANOTHER = openly(
  'BAD_USER_INPUT: member support auditor administrator keeper service introspector gateway listener',
);

/** What administrators do to a record that overseers may read. */
const BY_KEEPERS = {
  other: onRecord('allowed: administrator keeper; FORBIDDEN: support auditor reader'),
  elsewhere: onRecord('allowed: administrator; FORBIDDEN: auditor reader'),
};
/** The same, where service accounts may read the record as well. */
const USERS_BY_KEEPERS = {
  ...BY_KEEPERS,
  other: onRecord('allowed: administrator keeper; FORBIDDEN: support auditor service reader'),
};
/** And what support does in its scope. */
const BY_SUPPORT = {
  ...BY_KEEPERS,
  other: onRecord('allowed: support administrator keeper; FORBIDDEN: auditor reader'),
};
const USERS_BY_SUPPORT = {
  ...BY_KEEPERS,
  own: onRecord('allowed: support administrator keeper; FORBIDDEN: member auditor reader'),
  other: onRecord('allowed: support administrator keeper; FORBIDDEN: auditor service reader'),
};
const OWN_BY_KEEPERS = onRecord('allowed: administrator keeper; FORBIDDEN: member support auditor reader');
/** A service account is a principal that it may read itself. */
const OWN_GRANTS = onRecord('allowed: administrator keeper; FORBIDDEN: member support auditor service reader');
const OWN_BY_ALL = onRecord('allowed: member support auditor administrator keeper; FORBIDDEN: reader');
const OWN_KEYS = onRecord('allowed: member support auditor administrator keeper service; FORBIDDEN: reader');
/** No user is a service account, and no service account does anything to itself. */
const OWN_SERVICE = onRecord('FORBIDDEN: service reader');
/** Something new at a scope. */
const NEW = { other: openly('allowed: administrator keeper'), elsewhere: openly('allowed: administrator') };
const EVERYWHERE = { other: openly('allowed: administrator') };

const FUTURE = '"2190-01-01T00:00:00.000Z"';

function row(
  field: string,
  args: (target: Target) => string,
  selection: string,
  rest: Omit<Row, 'field' | 'ask'>,
): Row {
  const given = (target: Target) => (args(target) === '' ? '' : `(${args(target)})`);
  return {
    field: `Mutation.${field}`,
    ask: (target) => `mutation { it: ${field}${given(target)} { ${selection} } }`,
    ...rest,
  };
}

const RESULTS = 'results { refusal { code } }';

const USERS: readonly Row[] = [
  row(
    'createUser',
    ({ fresh, path }) =>
      `input: { email: "${fresh}@x.example", name: "X", scope: "${path}", password: "not so easy to guess 7" }`,
    'position',
    { expected: NEW },
  ),
  row('createUser', ({ fresh }) => `input: { email: "${fresh}@x.example", name: "X" }`, 'position', {
    expected: EVERYWHERE,
  }),
  row(
    'importUsers',
    ({ fresh, path }) =>
      `users: [{ email: "${fresh}@x.example", name: "X", scope: "${path}", roles: ["member"], metadata: { a: 1 } }]`,
    RESULTS,
    { expected: NEW },
  ),
  row('disableUser', ({ user }) => `id: "${user}"`, 'position', { expected: USERS_BY_SUPPORT }),
  row('disableUsers', ({ user }) => `ids: ["${user}"]`, RESULTS, { expected: USERS_BY_SUPPORT }),
  row('enableUser', ({ user }) => `id: "${user}"`, 'position', { expected: USERS_BY_SUPPORT }),
  row('unlockUser', ({ user }) => `id: "${user}"`, 'position', { expected: USERS_BY_SUPPORT }),
  row('updateUser', ({ user }) => `input: { id: "${user}", name: "Y" }`, 'position', {
    expected: { ...USERS_BY_KEEPERS, own: OWN_BY_ALL },
  }),
  row('updateUser', ({ user, fresh }) => `input: { id: "${user}", email: "${fresh}@y.example" }`, 'position', {
    expected: { ...USERS_BY_KEEPERS, own: OWN_BY_KEEPERS },
  }),
  row('updateUser', ({ user }) => `input: { id: "${user}", metadata: { a: 1 } }`, 'position', {
    expected: { ...USERS_BY_KEEPERS, own: OWN_BY_KEEPERS },
  }),
  row('deleteUser', ({ user }) => `id: "${user}"`, 'position', {
    expected: { ...USERS_BY_KEEPERS, own: OWN_BY_KEEPERS },
  }),
];

const ROLES: readonly Row[] = [
  row(
    'createRole',
    ({ fresh, role }) => `input: { name: "${fresh}", description: "X", inherits: ["${role}"] }`,
    'position',
    { expected: EVERYWHERE },
  ),
  row(
    'updateRole',
    ({ role, fresh }) => `id: "${role}", input: { name: "${fresh}", description: "X", inherits: ["${role}"] }`,
    'position',
    {
      // A role that contains itself.
      reaches: 'CONFLICT',
      expected: { other: onRecord('CONFLICT: administrator; FORBIDDEN: member support auditor keeper reader') },
    },
  ),
  row('updateRole', ({ role, fresh }) => `id: "${role}", input: { name: "${fresh}" }`, 'position', {
    expected: { other: onRecord('allowed: administrator; FORBIDDEN: member support auditor keeper reader') },
  }),
  row('deleteRole', ({ role }) => `id: "${role}"`, 'position', {
    expected: { other: onRecord('allowed: administrator; FORBIDDEN: member support auditor keeper reader') },
  }),
  row(
    'grantRole',
    ({ user, role, path }) => `principalId: "${user}", roleId: "${role}", scope: "${path}", expiresAt: ${FUTURE}`,
    'position',
    { expected: { ...USERS_BY_KEEPERS, own: OWN_GRANTS } },
  ),
  row(
    'grantRole',
    ({ service, role, path }) => `principalId: "${service}", roleId: "${role}", scope: "${path}"`,
    'position',
    { expected: BY_KEEPERS },
  ),
  // Nobody gives what they lack: the role reaches beyond the scope.
  row(
    'grantRole',
    ({ user, member, path }) => `principalId: "${user}", roleId: "${member}", scope: "${path}"`,
    'position',
    {
      expected: {
        own: onRecord('allowed: administrator; FORBIDDEN: member support auditor keeper service reader'),
        other: onRecord('allowed: administrator; FORBIDDEN: support auditor keeper service reader'),
        elsewhere: BY_KEEPERS.elsewhere,
      },
    },
  ),
  // What holds everywhere is given by whoever holds it everywhere, where one who administers a scope reads nobody.
  row('grantRole', ({ user, role }) => `principalId: "${user}", roleId: "${role}"`, 'position', {
    expected: {
      own: onRecord('allowed: administrator; FORBIDDEN: member support auditor service reader'),
      other: onRecord('allowed: administrator; FORBIDDEN: support auditor service reader'),
      elsewhere: BY_KEEPERS.elsewhere,
    },
  }),
  row(
    'grantRoles',
    ({ user, role, path }) =>
      `grants: [{ principalId: "${user}", roleId: "${role}", scope: "${path}", expiresAt: ${FUTURE} }]`,
    RESULTS,
    { expected: { ...USERS_BY_KEEPERS, own: OWN_GRANTS } },
  ),
  row('revokeRole', ({ grant }) => `grantId: "${grant}"`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_BY_KEEPERS },
  }),
  row('revokeRoles', ({ grant }) => `grantIds: ["${grant}"]`, RESULTS, {
    expected: { ...BY_KEEPERS, own: OWN_BY_KEEPERS },
  }),
];

/** All of it at once: which sessions end is what it narrows by. */
const SESSION_FILTER = ({ user }: Target) =>
  `userId: "${user}", live: true, device: other, browser: "Opera", client: "matrix", startedBefore: ${FUTURE}, addressRange: "127.0.0.0/8"`;

const SESSIONS: readonly Row[] = [
  row('revokeSession', ({ session }) => `id: "${session}"`, 'position', {
    expected: { ...BY_SUPPORT, own: OWN_BY_ALL },
  }),
  row('renameSession', ({ session }) => `id: "${session}", label: "X"`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_BY_ALL },
  }),
  row('revokeAllSessions', ({ user }) => `userId: "${user}"`, 'position', {
    expected: { ...USERS_BY_SUPPORT, own: OWN_BY_ALL },
  }),
  row('revokeSessions', (target) => `filter: { ${SESSION_FILTER(target)} }`, 'sessionIds', {
    needs: 'session',
    // What one may not read is not among them.
    expected: {
      own: answers(
        'allowed: member support auditor administrator keeper; FORBIDDEN: reader',
        'nothing',
        'UNAUTHENTICATED',
      ),
      other: answers('allowed: support administrator keeper; FORBIDDEN: auditor reader', 'nothing', 'UNAUTHENTICATED'),
      elsewhere: answers('allowed: administrator; FORBIDDEN: auditor reader', 'nothing', 'UNAUTHENTICATED'),
    },
  }),
  row('revokeOtherSessions', () => '', 'position', { expected: { own: bySession('allowed') } }),
  row('signOut', () => '', 'position', { expected: { own: bySession('allowed') } }),
];

const KEY_INPUT = `permissions: ["user:read"], addressRanges: ["127.0.0.0/8"], allowedOrigins: ["https://app.example"], readOnly: true, expiresAt: ${FUTURE}`;

const PROGRAMS: readonly Row[] = [
  row('createApiKey', () => `input: { name: "X", ${KEY_INPUT} }`, 'position', {
    expected: { own: openly('allowed: member support auditor administrator keeper service') },
  }),
  row(
    'createApiKey',
    ({ service }) => `input: { name: "X", serviceAccountId: "${service}", ${KEY_INPUT} }`,
    'position',
    { expected: BY_KEEPERS },
  ),
  row('updateApiKey', ({ key }) => `id: "${key}", input: { name: "Y", ${KEY_INPUT} }`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_KEYS },
  }),
  row('rotateApiKey', ({ key }) => `id: "${key}", overlapSeconds: 60`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_KEYS },
  }),
  row('revokeApiKey', ({ key }) => `id: "${key}"`, 'position', { expected: { ...BY_SUPPORT, own: OWN_KEYS } }),
  row('createServiceAccount', ({ path }) => `input: { name: "X", scope: "${path}" }`, 'position', { expected: NEW }),
  row('createServiceAccount', () => 'input: { name: "X" }', 'position', { expected: EVERYWHERE }),
  row('disableServiceAccount', ({ service }) => `id: "${service}"`, 'position', {
    expected: { ...BY_SUPPORT, own: OWN_SERVICE },
  }),
  row('enableServiceAccount', ({ service }) => `id: "${service}"`, 'position', {
    expected: { ...BY_SUPPORT, own: OWN_SERVICE },
  }),
  row('updateServiceAccount', ({ service }) => `input: { id: "${service}", name: "Y" }`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_SERVICE },
  }),
  row('deleteServiceAccount', ({ service }) => `id: "${service}"`, 'position', {
    expected: { ...BY_KEEPERS, own: OWN_SERVICE },
  }),
];

const SCOPES: readonly Row[] = [
  row('createScope', ({ path, fresh }) => `path: "${path}/${fresh}"`, 'position', { expected: NEW }),
  row('moveScope', ({ scope, path }) => `id: "${scope}", path: "${path}x"`, 'position', { expected: BY_KEEPERS }),
  row('suspendScope', ({ scope }) => `id: "${scope}"`, 'position', { expected: BY_KEEPERS }),
  row('resumeScope', ({ scope }) => `id: "${scope}"`, 'position', { expected: BY_KEEPERS }),
  row('deleteScope', ({ scope }) => `id: "${scope}"`, 'position', { expected: BY_KEEPERS }),
];

const FILES = '[{ path: "policies/a.yaml", text: "roles: { member: {} }" }]';

/** What is everybody's takes a role that holds everywhere. Those who have it are stopped by something else, so that the others can be asked after them. */
const HOUSE: readonly Row[] = [
  row('applyPolicy', () => `files: ${FILES}, cases: ${FILES}, expectedVersion: "none"`, 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { other: openly('BAD_USER_INPUT: administrator') },
  }),
  row('rollbackPolicy', () => 'version: "none", expectedVersion: "none"', 'position', {
    reaches: 'NOT_FOUND',
    expected: { other: openly('NOT_FOUND: administrator') },
  }),
  row('reloadPolicy', () => '', 'position', { expected: EVERYWHERE }),
  row('rotateSigningKey', () => '', 'position', { expected: EVERYWHERE }),
  row('revokeSigningKey', ({ signingKey }) => `kid: "${signingKey}"`, 'position', {
    reaches: 'NOT_FOUND',
    expected: { own: openly('NOT_FOUND: administrator') },
  }),
];

/** What nobody need be signed in for goes by what is shown with it, whoever shows it. */
const STRANGERS: readonly Row[] = [
  row(
    'signUp',
    ({ email }) => `input: { email: "${email}", name: "X", password: "not so easy to guess 7" }`,
    'position',
    { expected: { own: everybody('FORBIDDEN') } },
  ),
  row('verifyEmail', () => 'token: "none"', 'position', { expected: { own: strangers('UNAUTHENTICATED') } }),
  row('requestPasswordReset', ({ fresh }) => `email: "${fresh}@x.example"`, 'position', {
    expected: { other: strangers('allowed') },
  }),
  row('resetPassword', () => 'token: "none", newPassword: "not so easy to guess 7"', 'position', {
    expected: { own: strangers('UNAUTHENTICATED') },
  }),
  {
    field: 'Mutation.signIn',
    ask: ({ fresh }) =>
      `mutation { it: signIn(input: { email: "${fresh}@x.example", password: "wrong", deviceToken: "none" }) { __typename } }`,
    reaches: 'UNAUTHENTICATED',
    expected: { other: strangers('UNAUTHENTICATED') },
  },
  row('refreshSession', () => 'refreshToken: "none"', 'position', { expected: { own: strangers('UNAUTHENTICATED') } }),
  row('verifyMfa', () => 'input: { challengeToken: "none", code: "123456" }', 'position', {
    expected: { own: strangers('UNAUTHENTICATED') },
  }),
];

/** What is about the session that one acts in, or the secrets of who acts in it. */
const SELF: readonly Row[] = [
  row('changePassword', () => 'currentPassword: "wrong", newPassword: "not so easy to guess 7"', 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { own: bySession('BAD_USER_INPUT') },
  }),
  row('stepUp', () => 'input: { password: "wrong" }', 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { own: bySession('BAD_USER_INPUT') },
  }),
  row('stepUp', () => 'input: { code: "123456" }', 'position', {
    reaches: 'CONFLICT',
    expected: { own: bySession('CONFLICT') },
  }),
  row('beginTotpEnrollment', () => '', 'position', { expected: { own: bySession('allowed') } }),
  row('confirmTotpEnrollment', () => 'code: "123456"', 'position', {
    reaches: 'CONFLICT',
    expected: { own: bySession('CONFLICT') },
  }),
  row('beginTotpEnrollment', () => 'challengeToken: "none"', 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { own: BESIDE_ANOTHER },
  }),
  row('confirmTotpEnrollment', () => 'code: "123456", challengeToken: "none"', 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { own: BESIDE_ANOTHER },
  }),
  row('disableTotp', () => 'code: "123456"', 'position', {
    reaches: 'CONFLICT',
    expected: { own: bySession('CONFLICT') },
  }),
  row('regenerateRecoveryCodes', () => 'code: "123456"', 'position', {
    reaches: 'CONFLICT',
    expected: { own: bySession('CONFLICT') },
  }),
  // Of a WebSocket alone; test/api/sockets.test.ts renews one.
  row('renewConnection', () => 'accessToken: "none"', 'position', {
    reaches: 'BAD_USER_INPUT',
    expected: { own: strangers('BAD_USER_INPUT') },
  }),
];

export const MUTATIONS: readonly Row[] = [
  ...USERS,
  ...ROLES,
  ...SESSIONS,
  ...PROGRAMS,
  ...SCOPES,
  ...HOUSE,
  ...STRANGERS,
  ...SELF,
];
