import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { Browser } from '../support/browser.ts';
import {
  createTestClock,
  PASSWORD,
  post,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { secondFactors } from '../support/second-factors.ts';
import { addGrant } from '../support/people.ts';
import { openSocket } from '../support/socket.ts';

/** Beyond the life of a token, of which there are five minutes. */
const LIFE_MS = 301_000;
const INSTANCES = [0, 1, 2];
/** Who acts, and what the policy says: a permitted field, and one for administrators only. */
const WHO = '{ me { id } viewerCan(action: "read", subject: "SigningKey") { allowed rule } }';
const FOR_ADMINISTRATORS = '{ signingKeys { id } }';
/** As a gateway asks: the member, as an entity. */
const ENTITY = '_entities';
const entity = (): string =>
  `{ _entities(representations: [{ __typename: "User", id: "${member.id}" }]) { ... on User { id email } } }`;

/** Somebody, with the same session's tokens in headers and in cookies. */
interface Visitor {
  readonly token: string | undefined;
  readonly browser: Browser;
}

/** What came through a door; the same through each. */
interface Outcome {
  readonly data: unknown;
  readonly errors: readonly { readonly code: unknown; readonly message: string }[];
}

type Door = (url: string, query: string, visitor: Visitor) => Promise<Outcome>;

const clock = createTestClock();
let castellans: Castellans;
let visitors: ReadonlyMap<string, Visitor>;
let member: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  const [expired, revoked, disabled] = await Promise.all(['eve', 'rob', 'dan'].map((name) => castellans.signUp(name)));
  const ended = await Promise.all([expired, revoked, disabled].map((user) => visitorOf(user)));
  const [eve, rob, dan] = ended;
  clock.advance(LIFE_MS);
  // A token that has run out says so, whatever became of its session: those of the others are fresh.
  for (const visitor of [rob, dan]) await again(visitor);
  const { accessToken } = await castellans.signUp('alice', ['administrator']);
  for (const [query, id] of [
    ['mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }', sessionOf(rob)],
    ['mutation ($id: ID!) { disableUser(id: $id) { receipt { enforced } } }', disabled?.id],
  ] as const) {
    const { errors } = await castellans.ask(query, { variables: { id }, token: accessToken });
    expect(errors).toEqual([]);
  }
  member = await castellans.signUp('bob');
  const phone = secondFactors(castellans, clock, PASSWORD);
  const halfway = visitorWith(await phone.challengeOf((await phone.enrolled('mia')).email));
  // Enrolling takes a while.
  const bob = await visitorOf(member);
  visitors = new Map<string, Visitor>([
    ['nobody', { token: undefined, browser: new Browser() }],
    ['a member', bob],
    ['another member', await visitorOf(await castellans.signUp('carol'))],
    ['one whose second factor is missing', halfway],
    ['one whose token has run out', eve ?? fail()],
    ['one whose session was revoked', rob ?? fail()],
    ['one who was disabled', dan ?? fail()],
  ]);
});

afterAll(() => castellans.close());

const urlOf = (instance: number): string => castellans.apps[instance]?.url ?? '';

/** A session in cookies; the token is the same that the cookie has. */
async function visitorOf(user: SignedInUser | undefined): Promise<Visitor> {
  const browser = new Browser();
  await browser.signIn(urlOf(0), user?.email ?? '');
  return { browser, token: browser.cookieOf('__Host-castellan') ?? fail() };
}

/** This token, in a header and in a cookie. */
function visitorWith(token: string): Visitor {
  const browser = new Browser();
  browser.take({ headers: new Headers([['set-cookie', `__Host-castellan=${token}; Path=/`]]) });
  return { browser, token };
}

async function again(visitor: Visitor | undefined): Promise<void> {
  const { browser } = visitor ?? fail();
  await browser.refresh(urlOf(0));
  Object.assign(visitor ?? fail(), { token: browser.cookieOf('__Host-castellan') });
}

/** The session that a token speaks of. */
function sessionOf(visitor: Visitor | undefined): string {
  const [, payload = ''] = visitor?.token?.split('.') ?? [];
  return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sid: string }).sid;
}

const bearer = ({ token }: Visitor): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

function outcomeOf({ data = null, errors = [] }: Partial<Pick<Answer<unknown>, 'data' | 'errors'>>): Outcome {
  return { data, errors: errors.map(({ message, extensions }) => ({ code: extensions['code'], message })) };
}

async function overSocket(url: string, query: string, init: object, more: object, headers = {}): Promise<Outcome> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/graphql`, { headers });
  socket.init(init);
  const first = await socket.next(() => true);
  if (first === null) return { data: null, errors: [{ code: await socket.reason, message: '' }] };
  socket.subscribe('1', query, more);
  const frame = await socket.next(({ id }) => id === '1');
  socket.close();
  return outcomeOf(frame?.type === 'error' ? { errors: frame.payload as Answer['errors'] } : Object(frame?.payload));
}

const DOORS: Readonly<Record<string, Door>> = {
  'HTTP POST': async (url, query, visitor) => outcomeOf(await post(url, query, {}, bearer(visitor))),

  'HTTP GET': async (url, query, visitor) => {
    const headers = { 'apollo-require-preflight': '1', ...bearer(visitor) };
    const response = await fetch(`${url}/graphql?query=${encodeURIComponent(query)}`, { headers });
    return outcomeOf((await response.json()) as Answer);
  },

  'a WebSocket': (url, query, visitor) => overSocket(url, query, bearer(visitor), {}),

  'an operation on somebody’s WebSocket': (url, query, visitor) =>
    overSocket(url, query, {}, { extensions: { headers: bearer(visitor) } }),

  'server-sent events': async (url, query, visitor) => {
    const stream = await openStream(url, query, { headers: bearer(visitor) });
    if (stream.status !== 200) return outcomeOf((await stream.json()) as Answer);
    const [first] = await stream.all();
    return outcomeOf(first?.data as Answer);
  },

  'a cookie': async (url, query, { browser }) => outcomeOf(await browser.ask(url, query)),

  'a cookie over GET': async (url, query, { browser }) => {
    const headers = { 'apollo-require-preflight': '1', cookie: browser.cookie };
    const response = await fetch(`${url}/graphql?query=${encodeURIComponent(query)}`, { headers });
    return outcomeOf((await response.json()) as Answer);
  },

  'a cookie over server-sent events': async (url, query, { browser }) => {
    const stream = await openStream(url, query, { headers: browser.headers });
    if (stream.status !== 200) return outcomeOf((await stream.json()) as Answer);
    const [first] = await stream.all();
    return outcomeOf(first?.data as Answer);
  },

  'a cookie on a WebSocket': (url, query, { browser }) => {
    const hasCookie = browser.cookie !== '';
    const headers = hasCookie ? { cookie: browser.cookie } : {};
    return overSocket(url, query, hasCookie ? { csrfToken: browser.csrfToken } : {}, {}, headers);
  },
};

/** The close frame of a WebSocket has room for a code only. */
const withoutMessages = ({ data, errors }: Outcome): Outcome => ({
  data,
  errors: errors.map(({ code }) => ({ code, message: '' })),
});

const NOT_ALLOWED = { allowed: false, rule: null };

describe.each([
  ['nobody', WHO, { data: { me: null, viewerCan: NOT_ALLOWED }, errors: [] }],
  ['nobody', FOR_ADMINISTRATORS, { data: null, errors: ['UNAUTHENTICATED'] }],
  ['a member', WHO, { data: { me: { id: expect.any(String) }, viewerCan: NOT_ALLOWED }, errors: [] }],
  ['a member', FOR_ADMINISTRATORS, { data: null, errors: ['FORBIDDEN'] }],
  ['one whose token has run out', WHO, { data: null, errors: ['TOKEN_EXPIRED'] }],
  ['one whose session was revoked', WHO, { data: null, errors: ['SESSION_REVOKED'] }],
  ['one who was disabled', WHO, { data: null, errors: ['SESSION_REVOKED'] }],
  ['one whose second factor is missing', WHO, { data: null, errors: ['UNAUTHENTICATED'] }],
  ['one whose second factor is missing', FOR_ADMINISTRATORS, { data: null, errors: ['UNAUTHENTICATED'] }],
  ['nobody', ENTITY, { data: { _entities: [null] }, errors: [] }],
  ['a member', ENTITY, { data: { _entities: [{ id: expect.any(String), email: expect.any(String) }] }, errors: [] }],
  ['another member', ENTITY, { data: { _entities: [null] }, errors: [] }],
  ['one whose token has run out', ENTITY, { data: null, errors: ['TOKEN_EXPIRED'] }],
  ['one whose session was revoked', ENTITY, { data: null, errors: ['SESSION_REVOKED'] }],
  ['one who was disabled', ENTITY, { data: null, errors: ['SESSION_REVOKED'] }],
  ['one whose second factor is missing', ENTITY, { data: null, errors: ['UNAUTHENTICATED'] }],
] as const)('%s asks for %s', (who, asked, expected) => {
  let usual: Outcome;
  let query: string;

  beforeAll(async () => {
    query = asked === ENTITY ? entity() : asked;
    usual = await (DOORS['HTTP POST'] ?? fail())(urlOf(0), query, visitors.get(who) ?? fail());
    expect({ data: usual.data, errors: usual.errors.map(({ code }) => code) }).toEqual(expected);
    if (who === 'a member' && asked === WHO) expect(usual.data).toMatchObject({ me: { id: member.id } });
  });

  test.each(Object.entries(DOORS))('through %s, and it is the same on every instance', async (name, door) => {
    const closes = who.startsWith('one') && ['a WebSocket', 'a cookie on a WebSocket'].includes(name);
    for (const instance of INSTANCES) {
      const outcome = await door(urlOf(instance), query, visitors.get(who) ?? fail());
      expect(outcome).toEqual(closes ? withoutMessages(usual) : usual);
    }
  });
});

describe('introspection', () => {
  let key: string;

  beforeAll(async () => {
    const [app] = castellans.apps;
    const { apiKeys, serviceAccounts } = app?.services ?? fail();
    const { value: gateway } = await serviceAccounts.create(SYSTEM, { name: 'gateway' });
    await addGrant(app ?? fail(), { principalId: gateway.id, role: 'introspector' });
    const { value } = await apiKeys.create(SYSTEM, { name: 'of a gateway', serviceAccountId: gateway.id });
    key = value.secret;
  });

  test.each(INSTANCES)(
    'on instance %i calls a token active that every other door lets in, and no other',
    async (instance) => {
      for (const [who, visitor] of visitors) {
        if (visitor.token === undefined) continue;
        const { errors } = await (DOORS['HTTP POST'] ?? fail())(urlOf(instance), WHO, visitor);
        const response = await fetch(`${urlOf(instance)}/oauth/introspect`, {
          method: 'POST',
          body: new URLSearchParams({ token: visitor.token }),
          headers: { 'x-api-key': key },
        });
        const { active, ...more } = (await response.json()) as { active: boolean; sub?: string };
        expect({ who, active }).toEqual({ who, active: errors.length === 0 });
        expect(more).toEqual(active ? expect.objectContaining({ sub: subjectOf(visitor.token) }) : {});
      }
    },
  );
});

function fail(): never {
  throw new TypeError('there is nobody');
}

/** Of an access token. */
function subjectOf(token: string): unknown {
  return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub?: unknown }).sub;
}
