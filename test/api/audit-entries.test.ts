import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { actionOf } from '../../src/api/graphql/denials.ts';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { Undertaking } from '../../src/kit/undertaking.ts';
import { sealed } from '../../src/domain/audit/state.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import {
  askOver,
  codesOf,
  createTestClock,
  PASSWORD,
  type Castellans,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';

/** That every entry says who, from where, by what and with what outcome, and that none says what is nobody's business. */

jest.setTimeout(120_000);

const DISABLE = 'mutation Leave($id: ID!) { disableUser(id: $id) { position } }';
const DISABLE_MANY = 'mutation ($ids: [ID!]!) { disableUsers(ids: $ids) { results { refusal { code } } } }';
const CREATE = 'mutation Hire($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';
const MISSING = `user_${'0'.repeat(26)}`;
const FROM = '203.0.113.7';

interface Entry {
  readonly by: string;
  readonly kind: string;
  readonly session_id: string | null;
  readonly api_key_id: string | null;
  readonly address: string | null;
  readonly protocol: string;
  readonly operation: string | null;
  readonly action: string;
  readonly subject_type: string | null;
  readonly subject_id: string | null;
  readonly outcome: string;
  readonly code: string | null;
  readonly after: object | null;
  readonly policy_version: string | null;
  readonly position: string | null;
}

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
const clock = createTestClock();
const keys = apiKeysOn(
  () => castellans,
  () => alice,
);

const entriesAbout = (subjectId: string): Promise<readonly Entry[]> =>
  castellans.rows<Entry>('select * from audit_entries where subject_id = $1 order by id', subjectId);
const denialsOf = (id: string): Promise<readonly Entry[]> =>
  castellans.rows<Entry>(`select * from audit_entries where by = $1 and outcome = 'denied' order by id`, id);

beforeAll(async () => {
  castellans = await startCastellans(1, { settings: { trustedProxies: ['127.0.0.1'] }, clock });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
});
afterAll(() => castellans?.close());

describe('what was done', () => {
  test('is told with who did it, in which session, from where, by which operation, and by what it was decided', async () => {
    const carol = await castellans.signUp('carol');
    const headers = { 'x-forwarded-for': FROM };
    const { errors } = await castellans.ask(DISABLE, {
      token: alice.accessToken,
      variables: { id: carol.id },
      headers,
    });
    expect(errors).toEqual([]);
    const [version] = await castellans.rows<{ version: string }>('select version from policy_head');
    expect((await entriesAbout(carol.id)).at(-1)).toMatchObject({
      by: alice.id,
      kind: 'user',
      session_id: alice.sessionId,
      api_key_id: null,
      address: FROM,
      protocol: 'http',
      operation: 'Leave',
      action: 'user.disable',
      subject_type: 'User',
      outcome: 'done',
      code: null,
      after: { status: 'disabled' },
      policy_version: version?.version,
      position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/),
    });
  });

  test('whoever is created has roles from the first moment, and the entry says which: the first administrator is no exception', async () => {
    const input = { email: 'nora@example.com', name: 'Nora' };
    const { data } = await castellans.ask<{ createUser: { user: { id: string } } }>(CREATE, {
      token: alice.accessToken,
      variables: { input },
    });
    const [created] = await entriesAbout(data?.createUser.user.id ?? '');
    expect(created).toMatchObject({
      action: 'user.create',
      after: { status: 'active', scope: null, roles: ['member'] },
    });
    const [first] = await castellans.rows<Entry>('select * from audit_entries where by = $1 order by id', 'system');
    expect(
      await castellans.rows<Entry>(`select after from audit_entries where action = 'user.create' order by id`),
    ).toContainEqual({
      after: { status: 'active', scope: null, roles: ['administrator'] },
    });
    expect(first?.kind).toBe('system');
  });

  test('through every door says which', async () => {
    const through = async (ask: (id: string) => Promise<unknown>) => {
      const { id } = await castellans.signUp('dora');
      await ask(id);
      return (await entriesAbout(id)).at(-1);
    };
    const headers = { authorization: `Bearer ${alice.accessToken}` };
    const socket = await through((id) =>
      askOver(castellans.connect({ token: alice.accessToken }), DISABLE, { variables: { id } }),
    );
    expect(socket).toMatchObject({ action: 'user.disable', protocol: 'websocket', by: alice.id });
    const stream = await through(async (id) =>
      (await openStream(castellans.apps[0]?.url ?? '', DISABLE, { variables: { id }, headers })).all(),
    );
    expect(stream).toMatchObject({ action: 'user.disable', protocol: 'sse', operation: 'Leave' });
  });

  test('AC-57: with an API key names the key, and the service account that acts with it', async () => {
    const account = await keys.addAccount('ci', ['administrator']);
    const { apiKey, secret } = await keys.createKey(alice, { serviceAccountId: account });
    const { id } = await castellans.signUp('emil');
    await keys.withKey(secret, DISABLE, { variables: { id } });
    expect((await entriesAbout(id)).at(-1)).toMatchObject({
      by: account,
      kind: 'service',
      session_id: null,
      api_key_id: apiKey.id,
    });
    expect((await entriesAbout(apiKey.id)).map(({ action, by }) => [action, by])).toEqual([
      ['api_key.create', alice.id],
    ]);
  });

  test('by nobody in particular says so: what happens in the background is not the doing of whoever asked last', async () => {
    const entries = await castellans.rows<Entry>(`select * from audit_entries where by = 'system'`);
    expect(entries.length).toBeGreaterThan(0);
    expect(new Set(entries.map(({ protocol, address }) => `${protocol} ${address}`))).toEqual(
      new Set(['background null']),
    );
  });
});

test('a timer that is set for an operation is no part of it when it comes to be', async () => {
  const asked = new Undertaking({ protocol: 'http', address: FROM, operation: () => 'Leave' });
  const later = Promise.withResolvers<Undertaking | null>();
  asked.run(() => systemClock.after(0, () => later.resolve(Undertaking.current())));
  expect(await later.promise).toBeNull();
});

describe('what was denied', () => {
  test('is told with its code, and with what it would have been about', async () => {
    const mallory = await castellans.signUp('mallory');
    const ask = (query: string, variables: object) =>
      castellans.ask(query, { variables, token: mallory.accessToken, headers: { 'x-forwarded-for': FROM } });
    expect(codesOf(await ask(DISABLE, { id: alice.id }))).toEqual(['NOT_FOUND']);
    expect(codesOf(await ask(CREATE, { input: { email: 'm@example.com', name: 'M' } }))).toEqual(['FORBIDDEN']);
    expect(await denialsOf(mallory.id)).toMatchObject([
      {
        action: 'user.disable',
        code: 'NOT_FOUND',
        subject_id: alice.id,
        subject_type: 'User',
        session_id: mallory.sessionId,
        address: FROM,
        operation: 'Leave',
      },
      { action: 'user.create', code: 'FORBIDDEN', subject_id: null, subject_type: 'User', operation: 'Hire' },
    ]);
  });

  test('through every door is told once', async () => {
    const mallory = await castellans.signUp('mallory');
    const headers = { authorization: `Bearer ${mallory.accessToken}` };
    await castellans.ask(DISABLE, { variables: { id: alice.id }, headers });
    const socket = castellans.connect({ token: mallory.accessToken });
    const grant = `mutation { grantRole(principalId: "${bob.id}", roleId: "role_x") { position } }`;
    expect((await askOver(socket, grant)).errors).toHaveLength(1);
    const stream = await openStream(castellans.apps[0]?.url ?? '', `mutation { rotateSigningKey { position } }`, {
      headers,
    });
    await stream.all();
    expect((await denialsOf(mallory.id)).map(({ action, protocol }) => `${action} ${protocol}`)).toEqual([
      'user.disable http',
      'role.grant websocket',
      'signing_key.create sse',
    ]);
  });

  test('of many in one request is told for each, and the rest of them is done', async () => {
    const carol = await castellans.signUp('carol');
    const { data } = await castellans.ask(DISABLE_MANY, {
      token: alice.accessToken,
      variables: { ids: [MISSING, carol.id] },
    });
    expect(data).toEqual({ disableUsers: { results: [{ refusal: { code: 'NOT_FOUND' } }, { refusal: null }] } });
    expect((await denialsOf(alice.id)).at(-1)).toMatchObject({ action: 'user.disable', subject_id: MISSING });
  });

  test('with an API key that is for reading names the key', async () => {
    const { apiKey, secret } = await keys.createKey(bob, { readOnly: true });
    await keys.withKey(secret, DISABLE, { variables: { id: bob.id } });
    expect((await denialsOf(bob.id)).at(-1)).toMatchObject({ code: 'FORBIDDEN', api_key_id: apiKey.id });
  });

  test('a thousand times in a minute makes two entries: the first, and one that says how many more', async () => {
    const mallory = await castellans.signUp('mallory');
    const { denials } = castellans.apps[0]?.services ?? {};
    const folded = denials?.folded ?? 0;
    // What a machine that is busy has not decided was not denied.
    for (let denied = 0; denied < 1_000;) {
      const answers = await Promise.all(
        Array.from({ length: Math.min(20, 1_000 - denied) }, () =>
          castellans.ask(DISABLE, { variables: { id: alice.id }, token: mallory.accessToken }),
        ),
      );
      denied += answers.filter((answer) => codesOf(answer)[0] !== 'AUTHORITY_UNAVAILABLE').length;
    }
    expect(await denialsOf(mallory.id)).toHaveLength(1);
    expect((denials?.folded ?? 0) - folded).toBe(999);
    clock.advance(70_000);
    await denials?.rounds.stop();
    expect(await denialsOf(mallory.id)).toMatchObject([
      { subject_id: alice.id, after: null },
      { action: 'user.disable', subject_id: null, after: { times: 999 } },
    ]);
  });

  test('to nobody who is signed in is no denial, and neither is a mistake', async () => {
    const count = async () => (await castellans.rows(`select id from audit_entries where outcome = 'denied'`)).length;
    const before = await count();
    await castellans.ask(DISABLE, { variables: { id: alice.id } });
    await castellans.ask(CREATE, { variables: { input: { email: 'no', name: '' } }, token: alice.accessToken });
    expect(await count()).toBe(before);
  });

  test('is called as what is done is called', () => {
    const fields = Object.keys(createSchema().getMutationType()?.getFields() ?? {});
    expect(fields.map(actionOf).filter((action) => !/^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/.test(action))).toEqual([]);
    expect(['disableUsers', 'grantRole', 'createApiKey', 'applyPolicy'].map(actionOf)).toEqual([
      'user.disable',
      'role.grant',
      'api_key.create',
      'policy.apply',
    ]);
  });
});

describe('what is nobody’s business', () => {
  const CANARY = 'canary-5f3a';
  const ADDRESS = `${CANARY}@secret.example`;

  test('a state has no place for an address or a text, and what a type let through is redacted', () => {
    expect(sealed({ status: 'active', scope: 'acme/eu', fields: ['email'], roles: ['member'] })).toEqual({
      status: 'active',
      scope: 'acme/eu',
      fields: ['email'],
      roles: ['member'],
    });
    const smuggled = { status: ADDRESS, roles: ['member', 'Some Body'], aal: 'a secret', email: ADDRESS } as object;
    expect(sealed(smuggled)).toEqual({
      status: '[redacted]',
      roles: ['member', '[redacted]'],
      aal: '[redacted]',
    });
  });

  test('secrets and addresses that are sent through fields are in no entry, done or denied', async () => {
    const secret = `${CANARY} correct horse battery`;
    const { secret: issued } = await keys.createKey(bob, { name: CANARY });
    const asked: readonly (readonly [string, object])[] = [
      [CREATE, { input: { email: ADDRESS, name: CANARY, password: secret } }],
      ['mutation ($i: UpdateUserInput!) { updateUser(input: $i) { position } }', { i: { id: bob.id, name: CANARY } }],
      [
        'mutation ($i: UpdateUserInput!) { updateUser(input: $i) { position } }',
        { i: { id: bob.id, metadata: { note: CANARY } } },
      ],
      ['mutation ($id: ID!) { disableUser(id: $id) { position } }', { id: ADDRESS }],
      [
        'mutation ($l: String!, $id: ID!) { renameSession(id: $id, label: $l) { position } }',
        { l: CANARY, id: bob.sessionId },
      ],
      [
        'mutation ($i: CreateRoleInput!) { createRole(input: $i) { position } }',
        { i: { name: 'team_x', description: ADDRESS, inherits: [] } },
      ],
      [
        'mutation ($c: String!, $n: String!) { changePassword(currentPassword: $c, newPassword: $n) { position } }',
        { c: PASSWORD, n: secret },
      ],
      ['mutation ($e: String!) { requestPasswordReset(email: $e) { position } }', { e: ADDRESS }],
      ['mutation ($c: String!) { confirmTotpEnrollment(code: $c) { position } }', { c: CANARY }],
      ['mutation ($t: String!) { verifyEmail(token: $t) { position } }', { t: `ev.${CANARY}` }],
    ];
    for (const who of [alice, bob]) {
      for (const [query, variables] of asked) {
        await castellans.ask(query, { variables, token: who.accessToken, headers: { 'x-api-key-note': issued } });
      }
    }
    const texts = await castellans.rows<{ text: string }>('select e::text as text from audit_entries e');
    expect(texts.length).toBeGreaterThan(20);
    const told = texts.filter(({ text }) => [CANARY, '@', PASSWORD, issued].some((each) => text.includes(each)));
    expect(told).toEqual([]);
  });
});
