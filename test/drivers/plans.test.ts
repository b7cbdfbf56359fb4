import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from 'pg';
import {
  type Castellans,
  codesOf,
  collect,
  createTestClock,
  PASSWORD,
  SIGN_IN,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { listening } from '../support/session-events.ts';

/** How PostgreSQL carries out what Castellan sends it while there is much of everything. `npm run test:deep` takes a million of each. */
const ROWS = Number(process.env['PLAN_ROWS'] ?? 20_000);
const FILL_MS = 900_000;

/** What is made of each number up to {@link ROWS}. Positions are below zero: they are of before. */
const FILLED: Readonly<Record<string, string>> = {
  users: `insert into users (id, email, email_folded, name, status, created_at, search)
    select 'user_' || n, 'u' || n || '@example.com', 'u' || n || '@example.com', 'No. ' || n,
      case when n % 10 = 0 then 'disabled' else 'active' end, now() - n * interval '1 second', 'no. ' || n from generate_series(1, ${ROWS}) n`,
  passwords: `insert into passwords (user_id, hash, changed_at) select 'user_' || n, 'x', now() from generate_series(1, ${ROWS}) n`,
  grants: `insert into grants (id, principal_id, role_id, granted_by, created_at)
    select 'grant_' || n, 'user_' || n, (select id from roles where name = 'member'), 'system', now() from generate_series(1, ${ROWS}) n`,
  sessions: `insert into sessions (id, user_id, created_at, expires_at, refresh_hash, ended_at, ended_reason)
    select 'sess_' || n, 'user_' || n, now() - n * interval '1 second', now() + interval '30 days', md5(n::text),
      case when n % 4 = 0 then now() end, case when n % 4 = 0 then 'revoked' end from generate_series(1, ${ROWS}) n`,
  session_activity: `insert into session_activity select 'sess_' || n, now(), '{http}' from generate_series(1, ${ROWS}) n`,
  authority_log: `insert into authority_log (seq, target, kind, user_id, reason)
    select -n, 'session:sess_' || n, 'revoked', 'user_' || n, 'of before' from generate_series(1, ${ROWS}) n`,
  outbox: `insert into outbox (seq, kind, subject_id, user_id, at)
    select -n, 'session.started', 'sess_' || n, 'user_' || n, now() from generate_series(1, ${ROWS}) n`,
  api_keys: `insert into api_keys (id, owner_id, environment, name, address_ranges, allowed_origins, read_only, created_at, created_by)
    select 'key_' || n, 'user_' || n, 'live', 'No. ' || n, '{}', '{}', false, now(), 'user_' || n from generate_series(1, ${ROWS}) n`,
  api_key_versions: `insert into api_key_versions (key_id, number, sealed_hash, last_four, created_at)
    select 'key_' || n, 1, 'x', 'abcd', now() from generate_series(1, ${ROWS}) n`,
  sign_ins: `insert into sign_ins (id, user_id, at, outcome, device_kind)
    select 'in_' || n, 'user_' || n, now() - n * interval '1 second', 'signed_in', 'other' from generate_series(1, ${ROWS}) n`,
  challenges: `insert into challenges (id, user_id, created_at, expires_at)
    select 'chal_' || n, 'user_' || n, now(), now() + interval '1 day' from generate_series(1, ${ROWS}) n`,
  totp_factors: `insert into totp_factors (user_id, sealed_secret, created_at)
    select 'user_' || n, 'x', now() from generate_series(1, ${ROWS}) n where n % 2 = 0`,
  account_tokens: `insert into account_tokens (hash, user_id, kind, created_at, expires_at)
    select md5(n::text), 'user_' || n, 'reset', now(), now() + interval '1 day' from generate_series(1, ${ROWS}) n`,
  security_events: `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
    select 'event_' || n, now() - n * interval '1 second', 'sign_in.failures', 'warning', 'user_' || n, '', '{}', 'once ' || n from generate_series(1, ${ROWS}) n`,
  password_guesses: `insert into password_guesses (key, failures, at) select 'key ' || n, 1, now() from generate_series(1, ${ROWS}) n`,
};

const WHOLE = new RegExp(`Seq Scan on (${Object.keys(FILLED).join('|')})\\b`);

interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

let castellans: Castellans;
let alice: SignedInUser;
let client: Client;
const clock = createTestClock();

beforeAll(async () => {
  castellans = await startCastellans(1, { clock, redis: true });
  alice = await castellans.signUp('alice', ['administrator', 'member']);
  client = new Client({ connectionString: castellans.databaseUrl });
  await client.connect();
  // No trigger tells of them.
  await client.query('set session_replication_role = replica');
  for (const [table, text] of Object.entries(FILLED)) {
    await client.query(text);
    await client.query(`vacuum analyze ${table}`);
  }
}, FILL_MS);

afterAll(async () => {
  await client?.end();
  await castellans?.close();
});

/** Everything that is sent to PostgreSQL from this process, whichever pool or transaction it comes from. */
async function sentBy(work: () => Promise<unknown>): Promise<readonly Statement[]> {
  const sent = new Map<string, Statement>();
  // oxlint-disable-next-line typescript/unbound-method -- called on whoever it was called on
  const send = Client.prototype.query as (...args: readonly unknown[]) => unknown;
  Object.assign(Client.prototype, {
    query(this: Client, ...args: readonly unknown[]): unknown {
      const [asked, given] = args;
      const { text, values = given } = (
        typeof asked === 'string' ? { text: asked } : Object(asked)
      ) as Partial<Statement>;
      if (typeof text === 'string') sent.set(text, { text, values: Array.isArray(values) ? values : [] });
      return send.call(this, ...args);
    },
  });
  await work().finally(() => Object.assign(Client.prototype, { query: send }));
  return [...sent.values()].filter(({ text }) => /^\s*(with|select|insert|update|delete)\b/i.test(text));
}

async function planOf({ text, values }: Statement): Promise<string> {
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, [...values]);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

async function done<T = Record<string, unknown>>(
  query: string,
  variables: object = {},
  token = alice.accessToken,
): Promise<T> {
  const answer = await castellans.ask<T>(query, { variables, token });
  if (answer.data === null || answer.errors.length > 0) throw new Error(`${query}: ${JSON.stringify(answer.errors)}`);
  return answer.data;
}

/** What people, programs and gateways do all day. */
async function aDay(): Promise<void> {
  const bob = await castellans.signUp('bob', ['member']);
  await castellans.ask(SIGN_IN, { variables: { input: { email: bob.email, password: `not ${PASSWORD}` } } });
  await done('mutation ($t: String!) { refreshSession(refreshToken: $t) { position } }', { t: bob.refreshToken });
  await done('{ me { id roles { name } grants { id } permissions { action } } }', {}, bob.accessToken);
  await done('{ sessions(first: 20) { edges { node { id lastSeenAt user { id } } } } }', {}, bob.accessToken);
  await done(
    'query ($id: ID!) { sessions(first: 20, filter: { userId: $id, live: true }) { edges { node { id } } } }',
    { id: 'user_7' },
  );
  await done('{ users(first: 50) { edges { node { id roles { name } } } } }');
  await done('{ users(first: 50, filter: { email: "u77@example.com" }) { edges { node { id } } } }');
  await done('{ users(first: 50, orderBy: { field: createdAt, direction: descending }) { edges { node { id } } } }');
  await done('query ($id: ID!) { user(id: $id) { id email roles { name } lastSignInAt } }', { id: 'user_7' });
  await done('query ($of: [_Any!]!) { _entities(representations: $of) { __typename } }', {
    of: [
      ...[1, 2, 3].map((n) => ({ __typename: 'User', id: `user_${n}` })),
      ...[1, 2, 3].map((n) => ({ __typename: 'Session', id: `sess_${n}` })),
      ...[1, 2, 3].map((n) => ({ __typename: 'ApiKey', id: `key_${n}` })),
    ],
  });
  await done('query ($id: ID!) { viewerCan(action: "disable", subject: "User", id: $id) { allowed } }', {
    id: 'user_9',
  });
  await done('{ securityEvents(first: 20) { edges { node { id kind } } } }');
  await done('{ systemHealth { status problems { name } } }');
  await done('query ($id: ID!) { signIns(userId: $id, first: 10) { edges { node { id } } } }', { id: 'user_7' });

  const { createApiKey: key } = await done<{ createApiKey: { apiKey: { id: string }; secret: string } }>(
    'mutation { createApiKey(input: { name: "k" }) { apiKey { id } secret } }',
    {},
    bob.accessToken,
  );
  expect(codesOf(await castellans.ask('{ me { id } }', { headers: { 'x-api-key': key.secret } }))).toEqual([]);
  await done('query ($id: ID!) { apiKeys(first: 20, filter: { ownerId: $id }) { edges { node { id name } } } }', {
    id: bob.id,
  });
  await done(
    'mutation ($id: ID!) { rotateApiKey(id: $id, overlapSeconds: 60) { position } }',
    { id: key.apiKey.id },
    bob.accessToken,
  );
  await done('mutation ($id: ID!) { revokeApiKey(id: $id) { position } }', { id: key.apiKey.id });

  const { role } = await done<{ role: { id: string } }>('{ role(name: "support") { id } }');
  const { grantRole } = await done<{ grantRole: { grant: { id: string } } }>(
    'mutation ($id: ID!, $role: ID!) { grantRole(principalId: $id, roleId: $role) { grant { id } } }',
    { id: bob.id, role: role.id },
  );
  await done('mutation ($id: ID!) { revokeRole(grantId: $id) { position } }', { id: grantRole.grant.id });
  await done('mutation ($id: ID!) { updateUser(input: { id: $id, name: "Bob" }) { user { name } } }', { id: bob.id });
  await done('mutation ($email: String!) { requestPasswordReset(email: $email) { position } }', { email: bob.email });
  const events = await listening(castellans, 0, () =>
    collect(castellans.connect({ token: bob.accessToken }), 'subscription { sessionEvents { __typename } }'),
  );
  await castellans.signIn(bob.email);
  await events.next();
  void events.stop();
  await done('mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }', { id: bob.sessionId });
  await done('mutation ($id: ID!) { revokeAllSessions(userId: $id) { receipt { enforced } } }', { id: bob.id });
  await done('mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }', { id: bob.id });
  // What is done beside: cleaning, counting, telling.
  await castellans.apps[0]?.services.cleaner.clean();
  await castellans.apps[0]?.services.sessionEnder.end();
  await castellans.apps[0]?.services.drainer.drain();
}

test(
  `of ${ROWS} users, sessions, keys and all that is theirs, no statement of a day reads a table from end to end`,
  async () => {
    const sent = await sentBy(aDay);
    process.stdout.write(`plans: ${sent.length} statements over ${ROWS} rows of each table\n`);
    expect(sent.length).toBeGreaterThan(60);
    // What would be found.
    expect(await planOf({ text: 'select id from users where name = $1', values: ['No. 7'] })).toMatch(WHOLE);
    const wrong: object[] = [];
    for (const statement of sent) {
      const plan = await planOf(statement);
      if (WHOLE.test(plan)) wrong.push({ statement: statement.text, plan });
    }
    expect(wrong).toEqual([]);
  },
  FILL_MS,
);
