import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Secret } from '../../src/kit/secret.ts';
import { tracing } from '../../src/kit/tracing.ts';
import { accountsOn } from '../support/accounts.ts';
import { CREATE_KEY, type Issued } from '../support/api-keys.ts';
import { ByteSearch } from '../support/byte-search.ts';
import {
  askOver,
  type Castellans,
  createTestClock,
  PASSWORD,
  type SignedInUser,
  startCastellans,
  until,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { dataOf, secondFactors } from '../support/second-factors.ts';
import { openSocket } from '../support/socket.ts';
import { type Form, plantedOperations } from './planted.ts';

/**
 * Secrets and addresses that come in by any way are looked for in all that goes out beside the answers: as they are, in hex and in
 * base64. Each is told apart by where it was put. The part that is looked for is of letters and digits, so that a URL writes it as it is.
 */

jest.setTimeout(120_000);

/** What is told on purpose, by where it came in; and nothing else is. */
const TOLD: Readonly<Record<string, readonly string[]>> = {
  // The network of it, where something was refused.
  log: ['the address of the actor'],
  metrics: [],
  traces: ['the state that a caller gives a trace'],
  audit: [
    'the name of a role',
    'the path of a scope',
    'an origin of an API key',
    'the name of an operation',
    'the address of the actor',
  ],
  // To whoever sent it.
  errors: ['an id that was asked for', 'a word of a policy'],
};

/** Words of the policy that are asked for, and files of it: what is wrong with them cannot be said without them. */
const OF_POLICY =
  /^(viewerCan|viewerCanMany\.checks|explain)\.(action|subject|field)$|\.permissions$|^(apply|preview)Policy\.files\./;

const search = new ByteSearch();
const planted = new Map<string, string>();
const errors: string[] = [];
const spans: string[] = [];
const log = recordedLog();
const clock = createTestClock();
const ACTOR = '2001:db8:cafe:beef::7a7a';
let castellans: Castellans;
let collector: Server;
let receiver: Server;
/** Where receivers were asked: each takes nothing. */
const asked = new Set<string>();
let alice: SignedInUser;
let bob: SignedInUser;
let found: Readonly<Record<string, readonly string[]>>;

/** What is put there; the same each time. */
function canary(place: string, form: Form | 'word' = 'text'): string {
  let core = planted.get(place);
  if (core === undefined) {
    core = `c${randomBytes(10).toString('hex')}`;
    planted.set(place, core);
    const isId = form === 'id' || place === 'rollbackPolicy.version';
    search.add(isId ? 'an id that was asked for' : OF_POLICY.test(place) ? 'a word of a policy' : place, core);
  }
  if (form === 'address') return `${core}@canary.example`;
  if (form === 'password') return `${core} horse battery`;
  return form === 'word' ? core : `${core} ö/?`;
}

/** One that somebody was handed, or has. */
function secret(kind: string, ...values: readonly string[]): void {
  for (const value of values) search.add(kind, value);
}

const urlOf = (): string => castellans.apps[0]?.url ?? '';
const accounts = accountsOn(() => castellans);

function note(answer: { readonly errors: readonly object[] } | null): void {
  if (answer !== null && answer.errors.length > 0) errors.push(JSON.stringify(answer.errors));
}

async function ask(query: string, variables: object = {}, token?: string, headers: Record<string, string> = {}) {
  const answer = await castellans.ask(query, {
    variables,
    ...(token !== undefined && { token }),
    headers: { 'x-forwarded-for': ACTOR, 'user-agent': canary('a user agent'), ...headers },
  });
  note(answer);
  return answer;
}

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      spans.push(Buffer.concat(parts).toString('latin1'));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo; // it listens on TCP
  receiver = createServer(({ url = '', headers }, response) => {
    asked.add(url.slice(1, 5));
    const location = `/${String(headers.authorization)}`;
    response.writeHead(url.startsWith('/sink') ? 307 : 422, { location }).end(String(headers['webhook-signature']));
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port: toldAt } = receiver.address() as AddressInfo; // it listens on TCP
  const addressOf = (what: string) =>
    new Secret(
      `http://127.0.0.1:${toldAt}/${what}/${canary(`the address of the ${what}`, 'word')}?token=${canary(`what is in the address of the ${what}`, 'word')}`,
    );
  castellans = await startCastellans(1, {
    redis: true,
    clock,
    logger: log.logger,
    settings: {
      signUp: 'open',
      trustedProxies: ['127.0.0.1'],
      accountRequestsPerAddress: 10_000,
      wrongPasswordsPerAddress: 10_000,
      auditSink: { url: addressOf('sink'), token: new Secret(canary('the token of the sink', 'word')) },
      securityWebhook: {
        url: addressOf('webhook'),
        secret: new Secret(`whsec_${Buffer.from(canary('the secret of the webhook', 'word')).toString('base64')}`),
      },
      otlpEndpoint: new Secret(`http://127.0.0.1:${port}`),
    },
  });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  secret('a password', PASSWORD);
  secret('the address of the actor', ACTOR);
  for (const { email, accessToken, refreshToken } of [alice, bob]) {
    secret('an address of a user', email);
    secret('a token', accessToken.split('.')[1] ?? '', accessToken.split('.')[2] ?? '', refreshToken.slice(-20));
  }
  await sendThroughEveryInput();
  await sendThroughTransports();
  await live();
  await sendWhileTablesAreAway();
  await sendWhatARowRefuses();
  await untilReceiversRefuse();
  await collect();
}, 120_000);

afterAll(async () => {
  await castellans?.close();
  collector?.close();
  receiver?.close();
});

/** Whatever the schema takes: as variables and written into documents, good and bad ones, over HTTP and over a socket. */
async function sendThroughEveryInput(): Promise<void> {
  const operations = plantedOperations(canary).filter(({ field }) => field !== 'signOut');
  const socket = castellans.connect({ token: alice.accessToken });
  const nobodys = castellans.connect({});
  for (const { kind, document, variables, literal } of operations) {
    if (kind !== 'subscription') {
      await ask(document, variables, alice.accessToken);
      await ask(literal, {}, bob.accessToken);
      const unknown = document.replace(/\) \{/, ') { nothingOfTheKind ');
      await ask(unknown, variables, alice.accessToken);
    }
    note(await askOver(socket, document, { variables: { ...variables } }));
    note(await askOver(nobodys, literal));
    // None of these is what its type says.
    const wrong = Object.fromEntries(Object.keys(variables).map((name) => [name, { [name]: variables[name] }]));
    await ask(document, wrong, bob.accessToken);
  }
  await nobodys.dispose();
  await socket.dispose();
}

/** Headers, extensions, bodies and frames that are none. */
async function sendThroughTransports(): Promise<void> {
  const me = '{ me { id } }';
  const carried: Readonly<Record<string, string>> = {
    authorization: `Bearer ${canary('a bearer token', 'word')}`,
    'x-api-key': `ck_dev_${canary('an API key', 'word')}`,
    cookie: `__Host-castellan=${canary('a cookie', 'word')}; other=${canary('another cookie', 'word')}`,
    'x-csrf-token': canary('a CSRF token', 'word'),
    'x-castellan-gateway': `ck_dev_${canary('a key of a gateway', 'word')}`,
    'x-castellan-min-position': canary('a position', 'word'),
    'x-forwarded-for': canary('what is said to be an address', 'word'),
    'apollographql-client-name': canary('the name of a client', 'word'),
    'apollographql-client-version': canary('the version of a client', 'word'),
    origin: `https://${canary('an origin', 'word')}.example`,
    referer: `https://example.com/?token=${canary('a referrer', 'word')}`,
    baggage: `user=${canary('baggage', 'word')}`,
    'x-anything': canary('a header', 'word'),
    accept: `text/event-stream, ${canary('what is accepted', 'word')}/x`,
    'content-type': `application/json; charset=${canary('a charset', 'word')}`,
  };
  for (const [name, value] of Object.entries(carried)) {
    const own: Record<string, string> = name === 'authorization' ? {} : { authorization: `Bearer ${bob.accessToken}` };
    const response = await fetch(`${urlOf()}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(['x-api-key', 'cookie'].includes(name) ? {} : own),
        [name]: value,
      },
      body: JSON.stringify({ query: me }),
    });
    errors.push(await response.text());
  }
  await ask(me, {}, bob.accessToken, {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: `caller=${canary('the state that a caller gives a trace', 'word')}`,
  });
  const text = (place: string) => canary(place, 'word');
  const bodies: readonly string[] = [
    `{"query": "${text('a body that is no JSON')}`,
    JSON.stringify([{ query: text('a batch') }]),
    JSON.stringify({ query: `{ user(id: "${text('a text that does not end')}` }),
    JSON.stringify({
      query: me,
      extensions: { note: text('an extension'), persistedQuery: { sha256Hash: text('a hash') } },
    }),
    JSON.stringify({ query: me, variables: text('variables that are none') }),
    JSON.stringify({ query: me, variables: { unused: text('a variable that nobody uses') } }),
    JSON.stringify({ query: me, operationName: text('an operation that is not there') }),
    JSON.stringify({
      query: me,
      extensions: {
        subscription: { callbackUrl: `http://${text('a callback')}.example/`, verifier: text('a verifier') },
      },
    }),
  ];
  for (const body of bodies) {
    const response = await fetch(`${urlOf()}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    errors.push(await response.text());
  }
  const form = (fields: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(fields) });
  for (const [path, init] of [
    [`/graphql?query=${encodeURIComponent(`{ user(id: "${text('a query of a URL')}") { id } }`)}`, {}],
    [`/${text('a path')}?token=${text('a parameter')}`, {}],
    ['/oauth/introspect', form({ token: text('a token to introspect') })],
    ['/oauth/revoke', form({ token: text('a token to revoke'), client_secret: text('the secret of a client') })],
    ['/metrics', { headers: { authorization: `Bearer ${text('a token for metrics')}` } }],
  ] as const) {
    errors.push(
      await (await fetch(`${urlOf()}${path}`, { ...init })).text().then((body) => (path === '/metrics' ? '' : body)),
    );
  }
  const stream = await openStream(urlOf(), 'query ($id: ID!) { session(id: $id) { id } }', {
    variables: { id: canary('over an event stream') },
  });
  errors.push(stream.status === 200 ? JSON.stringify(await stream.all()) : JSON.stringify(await stream.json()));
  await sendOverSockets(text);
}

async function sendOverSockets(text: (place: string) => string): Promise<void> {
  const address = `${urlOf().replace('http', 'ws')}/graphql`;
  const headers = { 'user-agent': text('a user agent of a socket'), cookie: `a=${text('a cookie of a socket')}` };
  const frames: readonly (readonly object[] | string)[] = [
    [{ type: 'connection_init', payload: { authorization: `Bearer ${text('a token of a socket')}` } }],
    [{ type: 'connection_init', payload: { 'x-api-key': text('a key of a socket') } }],
    [
      { type: 'connection_init', payload: { note: text('what else opens a socket') } },
      { type: 'ping', payload: { note: text('a ping') } },
      { type: text('a type of a frame') },
    ],
    `{"type": "${text('a frame that is no JSON')}`,
    [
      { type: 'connection_init' },
      {
        type: 'subscribe',
        id: text('an id of an operation'),
        payload: {
          query: '{ me { id } }',
          extensions: { headers: { authorization: `Bearer ${text('a token of an operation')}` } },
        },
      },
    ],
    [
      { type: 'connection_init' },
      {
        type: 'subscribe',
        id: '1',
        payload: { query: text('what is no document'), variables: { a: text('a variable of a socket') } },
      },
    ],
  ];
  for (const each of frames) {
    const socket = await openSocket(address, { headers });
    for (const frame of typeof each === 'string' ? [each] : each) socket.send(frame);
    await Promise.race([socket.closed, socket.settled()]);
    errors.push(JSON.stringify(socket.frames.filter(({ type }) => type !== 'pong')));
    socket.close();
  }
}

/** What does go well, with whatever comes out of it. */
async function live(): Promise<void> {
  const person = { email: canary('signUp', 'address'), password: canary('a password that is taken', 'password') };
  dataOf(await accounts.signUp({ ...person, name: canary('a name') }));
  const verification = await accounts.tokenFor(person.email);
  secret('a token of a mail', verification.slice(-20));
  dataOf(await accounts.verify(verification));
  const signedIn = dataOf(await accounts.signIn(person)).signIn;
  const { accessToken, refreshToken, deviceToken } = signedIn;
  secret('a token', accessToken.split('.')[2] ?? '', refreshToken.slice(-20), deviceToken.slice(-20));
  await accounts.signIn({ email: person.email, password: canary('a wrong password', 'password') });
  await ask(
    'mutation ($id: ID!, $l: String!) { renameSession(id: $id, label: $l) { position } }',
    { id: signedIn.session.id, l: canary('a label') },
    accessToken,
  );
  await ask(
    'mutation ($i: UpdateUserInput!) { updateUser(input: $i) { position } }',
    { i: { id: bob.id, name: canary('another name'), metadata: { note: canary('metadata') } } },
    alice.accessToken,
  );
  const key = {
    name: canary('the name of an API key'),
    allowedOrigins: [`https://${canary('an origin of an API key', 'word')}.example`],
  };
  const issued = (await ask(CREATE_KEY, { input: key }, bob.accessToken)).data?.['createApiKey'] as Issued;
  secret('a secret of an API key', issued.secret.slice(-20));
  const phone = secondFactors(castellans, clock, person.password);
  const { secret: seed } = dataOf(await phone.begin(accessToken)).beginTotpEnrollment;
  secret('a seed', seed);
  const { recoveryCodes } = dataOf(await phone.confirm(accessToken, phone.code(seed))).confirmTotpEnrollment;
  secret('a recovery code', ...recoveryCodes);
  await accounts.requestReset(person.email);
  const [role] = await castellans.rows<{ id: string }>(`select id from roles where name = 'member'`);
  secret('a token of a mail', (await accounts.tokenFor(person.email)).slice(-20));
  await ask(
    'mutation ($i: CreateRoleInput!) { createRole(input: $i) { position } }',
    { i: { name: canary('the name of a role', 'word'), description: canary('a description'), inherits: [role?.id] } },
    alice.accessToken,
  );
  await ask(
    'mutation ($p: String!) { createScope(path: $p) { position } }',
    { p: canary('the path of a scope', 'word') },
    alice.accessToken,
  );
  await ask(
    `mutation ${canary('the name of an operation', 'word')} { disableUser(id: "${bob.id}") { position } }`,
    {},
    alice.accessToken,
  );
}

/** Faults of ours, with everything in hand: whoever tells of one must not tell that. */
async function sendWhileTablesAreAway(): Promise<void> {
  for (const table of [
    'users',
    'passwords',
    'sign_ins',
    'sessions',
    'audit_entries',
    'password_guesses',
    'account_tokens',
    'api_keys',
    'roles',
  ]) {
    const at = (place: string, form?: Form) => canary(`${place}, without ${table}`, form);
    await castellans.rows(`alter table ${table} rename to hidden_${table}`);
    try {
      const [email, password] = [at('an address', 'address'), at('a password', 'password')];
      await ask(
        'mutation ($i: CreateUserInput!) { createUser(input: $i) { position } }',
        { i: { email, name: at('a name'), password } },
        alice.accessToken,
      );
      await ask('mutation ($i: SignInInput!) { signIn(input: $i) { __typename } }', { i: { email, password } });
      await ask('mutation ($i: SignUpInput!) { signUp(input: $i) { position } }', {
        i: { email, name: at('a name'), password },
      });
      await ask(
        'mutation ($i: UpdateUserInput!) { updateUser(input: $i) { position } }',
        { i: { id: alice.id, name: at('a name'), metadata: { note: at('metadata') } } },
        alice.accessToken,
      );
      await ask(
        'query ($s: String!) { users(first: 5, filter: { search: $s }) { edges { cursor } } }',
        { s: at('a search') },
        alice.accessToken,
      );
      await ask(CREATE_KEY, { input: { name: at('a key') } }, alice.accessToken);
      await ask('mutation ($t: String!) { refreshSession(refreshToken: $t) { expiresAt } }', { t: alice.refreshToken });
      await ask('mutation ($t: String!) { verifyEmail(token: $t) { position } }', { t: `ev.${at('a token')}` });
    } finally {
      await castellans.rows(`alter table hidden_${table} rename to ${table}`);
    }
  }
}

/** PostgreSQL shows the whole row that it refused to whoever sees the error. */
async function sendWhatARowRefuses(): Promise<void> {
  await castellans.rows(
    `alter table users add constraint no_canary check (email not like '%@canary.example') not valid`,
  );
  const [email, password] = [canary('an address in a row', 'address'), canary('a password of a row', 'password')];
  await ask(
    'mutation ($i: CreateUserInput!) { createUser(input: $i) { position } }',
    { i: { email, name: canary('a name in a row'), password } },
    alice.accessToken,
  );
  await castellans.rows('alter table users drop constraint no_canary');
}

/** Whoever cannot be told must not be told of with what they are shown. */
async function untilReceiversRefuse(): Promise<void> {
  await castellans.rows(
    `insert into security_events (id, at, kind, severity, user_id, session_id, facts, once)
     values ('sec_canary', now(), 'sign_in.failures', 'warning', '', '', '{}', 'sec_canary')`,
  );
  await until(() => {
    clock.advance(1_000);
    const told = ['a security event was not sent on', 'the audit log was not sent on'];
    return told.every((text) => log.lines().some((line) => line.includes(text)));
  });
}

async function collect(): Promise<void> {
  const [app] = castellans.apps;
  await app?.services.denials.rounds.stop();
  const entries = await castellans.rows<{ text: string }>('select e::text as text from audit_entries e');
  const metrics = await (await fetch(`${urlOf()}/metrics`)).text();
  expect(metrics).toContain('castellan_operations_total');
  expect(entries.length).toBeGreaterThan(50);
  await until(() => spans.length > 0);
  await castellans.close();
  expect(tracing.on).toBe(false);
  const kindsIn = (texts: readonly string[]): readonly string[] =>
    [
      ...new Set(texts.flatMap((text) => search.find(text)).map((each) => each.slice(0, each.indexOf(' in …')))),
    ].toSorted();
  found = {
    log: kindsIn(log.lines()),
    metrics: kindsIn([metrics]),
    traces: kindsIn(spans),
    audit: kindsIn(entries.map(({ text }) => text)),
    errors: kindsIn(errors),
  };
}

describe('of secrets and addresses that were sent through every input, header and frame', () => {
  test.each(Object.entries(TOLD))('the %s hold nothing but what is told on purpose', (where, told) => {
    expect(found[where]).toEqual(told.toSorted());
  });

  test('the log has the network of the actor, and not the address', () => {
    const lines = log.lines().join('\n');
    expect(lines).toContain('"network":"2001:db8:cafe:beef::/64"');
    expect(lines).not.toContain('7a7a');
  });

  test('each was looked for where there was something to find it in', () => {
    expect(planted.size).toBeGreaterThan(250);
    expect(log.lines().length).toBeGreaterThan(20);
    expect(log.lines().some((line) => line.includes('a fault'))).toBe(true);
    expect(spans.join('')).toContain('graphql mutation createUser');
    expect(errors.length).toBeGreaterThan(300);
    expect(asked).toEqual(new Set(['sink', 'webh']));
  });
});
