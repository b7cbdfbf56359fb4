import { createMongoAbility, type MongoAbility } from '@casl/ability';
import { unpackRules } from '@casl/ability/extra';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { App } from '../../src/app.ts';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import {
  askOver,
  codesOf,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { addUser } from '../support/people.ts';

const INSTANCES = [0, 1, 2];
const MISSING = `user_${'0'.repeat(26)}`;
const MAY = `query ($action: String!, $subject: String!, $id: ID, $field: String) {
  viewerCan(action: $action, subject: $subject, id: $id, field: $field) { allowed reason rule policyVersion position }
}`;
const ABILITY = '{ viewerAbility { rules policyVersion position } }';

interface Question {
  readonly action: string;
  readonly subject: string;
  readonly id?: string | null;
  readonly field?: string | null;
}
interface Decision {
  readonly allowed: boolean;
  readonly reason: string;
  readonly rule: string | null;
  readonly policyVersion: string;
  readonly position: string;
}
type Ability = { readonly rules: unknown; readonly policyVersion: string; readonly position: string };

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  sam = await castellans.signUp('sam', ['member']);
  await grant(sam, 'support', 'acme');
});

afterAll(() => castellans.close());

async function grant({ id: principalId }: SignedInUser, role: string, scope: string | null): Promise<void> {
  const { roles, grants } = castellans.apps[0]?.services ?? {};
  const found = await roles?.findByName(SYSTEM, role);
  if (scope !== null) await castellans.addScopes(scope);
  await grants?.grant(SYSTEM, { principalId, roleId: found?.id ?? '', scope });
}

const ask = (question: Question, token?: string, instance = 0) =>
  castellans.ask<{ viewerCan: Decision }>(MAY, {
    variables: question,
    instance,
    ...(token !== undefined && { token }),
  });

async function decided(question: Question, token?: string, instance = 0): Promise<Decision> {
  const { data, errors } = await ask(question, token, instance);
  if (data === null) throw new Error(`there was no decision: ${JSON.stringify(errors)}`);
  return data.viewerCan;
}

async function abilityOf(token?: string, instance = 0): Promise<Ability> {
  const { data } = await castellans.ask<{ viewerAbility: Ability }>(ABILITY, {
    instance,
    ...(token !== undefined && { token }),
  });
  if (data === null) throw new Error('there was no ability');
  return data.viewerAbility;
}

const seen = ({ status, data, errors }: Answer) => ({ status, data, errors });

describe('viewerCan', () => {
  test('says which rule allows it: file, line, policy and position', async () => {
    for (const instance of INSTANCES) {
      const decision = await decided({ action: 'read', subject: 'User', id: bob.id }, bob.accessToken, instance);
      expect(decision).toEqual({
        allowed: true,
        reason: 'Allowed by the role member.',
        rule: expect.stringMatching(/^policies\/users\.yaml:\d+$|^users\.yaml:\d+$/),
        policyVersion: expect.stringMatching(/^\S+$/),
        position: expect.stringMatching(/^[0-9a-f]{8}-\d+$/),
      });
    }
  });

  test('says why not: that no rule allows it, or the reason of the one that denies it', async () => {
    const none = await decided({ action: 'disable', subject: 'User', id: bob.id }, bob.accessToken);
    expect(none).toMatchObject({ allowed: false, reason: 'No rule allows disable on User.', rule: null });

    const support = await castellans.signUp('sue', ['support']);
    const denied = await decided({ action: 'disable', subject: 'User', id: alice.id }, support.accessToken);
    expect(denied).toMatchObject({
      allowed: false,
      reason: 'Administrators are disabled by administrators only.',
      rule: expect.stringMatching(/users\.yaml:\d+$/),
    });
  });

  test('decides about a field of its own', async () => {
    const may = async (field: string) =>
      (await decided({ action: 'update', subject: 'User', id: bob.id, field }, bob.accessToken)).allowed;
    expect(await may('name')).toBe(true);
    expect(await may('email')).toBe(false);
    expect(await may('roles')).toBe(false);
  });

  test.each([
    ['action', { action: 'raed', subject: 'User' }, 'Did you mean "read"?'],
    ['action', { action: 'grant', subject: 'Session' }, ''],
    ['action', { action: 'manage', subject: 'User' }, ''],
    ['action', { action: '', subject: 'User' }, ''],
    ['action', { action: '__proto__', subject: 'User' }, ''],
    ['subject', { action: 'read', subject: 'Usr' }, 'Did you mean "User"?'],
    ['subject', { action: 'read', subject: 'all' }, ''],
    ['subject', { action: 'read', subject: '__proto__' }, ''],
    ['subject', { action: 'read', subject: 'constructor', id: 'x' }, ''],
    ['field', { action: 'update', subject: 'User', field: 'nmae' }, 'Did you mean "name"?'],
    ['field', { action: 'update', subject: 'User', field: 'passwordHash' }, ''],
    ['field', { action: 'update', subject: 'User', field: '__proto__' }, ''],
    ['field', { action: 'update', subject: 'User', field: 'name.first' }, ''],
  ])('refuses an unknown %s and says what was meant: %j', async (field, question, hint) => {
    for (const token of [bob.accessToken, alice.accessToken]) {
      const { data, errors } = await ask(question, token);
      expect(data).toBeNull();
      expect(errors).toMatchObject([
        { message: expect.stringContaining(hint), extensions: { code: 'BAD_USER_INPUT', field } },
      ]);
    }
  });

  test('AC-91: answers about what one may not read as about what does not exist', async () => {
    for (const action of ['read', 'update', 'disable', 'delete', 'grant']) {
      const missing = await ask({ action, subject: 'User', id: MISSING }, bob.accessToken);
      expect(missing.data?.viewerCan).toMatchObject({ allowed: false, rule: null });
      expect(seen(await ask({ action, subject: 'User', id: alice.id }, bob.accessToken))).toEqual(seen(missing));
    }
    const noSession = await ask(
      { action: 'revoke', subject: 'Session', id: `sess_${'0'.repeat(26)}` },
      bob.accessToken,
    );
    const theirs = await ask({ action: 'revoke', subject: 'Session', id: alice.sessionId }, bob.accessToken);
    expect(seen(theirs)).toEqual(seen(noSession));
  });

  test('allows anonymous callers nothing', async () => {
    for (const id of [undefined, bob.id, MISSING]) {
      const decision = await decided({ action: 'read', subject: 'User', ...(id !== undefined && { id }) });
      expect(decision).toMatchObject({ allowed: false, rule: null });
    }
  });

  test('AC-84: takes the type of a subject from the server, whatever the id says', async () => {
    const question = { action: 'grant', subject: 'Role', id: alice.id };
    expect(await decided(question, alice.accessToken)).toMatchObject({ allowed: false, rule: null });
    expect(await decided({ action: 'read', subject: 'User', id: alice.sessionId }, alice.accessToken)).toMatchObject({
      allowed: false,
    });
  });

  test('decides the same over a WebSocket', async () => {
    const socket = castellans.connect({ token: bob.accessToken, instance: 1 });
    const question = { action: 'read', subject: 'User', id: bob.id };
    const { data } = await askOver<{ viewerCan: Decision }>(socket, MAY, { variables: { ...question } });
    expect(data?.viewerCan).toEqual(await decided(question, bob.accessToken, 1));
  });
});

describe('viewerAbility', () => {
  test('gives anonymous callers no rules', async () => {
    expect((await abilityOf()).rules).toEqual([]);
    expect((await abilityOf()).position).toMatch(/^[0-9a-f]{8}-\d+$/);
  });

  test('gives no rules to a user without roles', async () => {
    const nobody = await castellans.signUp('nobody', []);
    await castellans.rows('delete from grants where principal_id = $1', nobody.id);
    expect((await abilityOf((await castellans.signIn(nobody.email, 2)).accessToken, 2)).rules).toEqual([]);
  });

  test('is the same on every instance, and names nobody else', async () => {
    const [first, ...others] = await Promise.all(INSTANCES.map((instance) => abilityOf(bob.accessToken, instance)));
    for (const { rules, policyVersion } of others) {
      expect({ rules, policyVersion }).toEqual({ rules: first?.rules, policyVersion: first?.policyVersion });
    }
    const text = JSON.stringify(first?.rules);
    expect(text).toContain(bob.id);
    for (const { id, email } of [alice, sam]) {
      expect(text).not.toContain(id);
      expect(text).not.toContain(email);
    }
  });

  test('in a plain CASL ability decides as viewerCan does', async () => {
    const scopes = [null, 'acme', 'acme/platform', 'acme2', 'globex'];
    await castellans.addScopes('acme/platform', 'acme2', 'globex');
    const users = await Promise.all(
      scopes.map((scope, n) =>
        addUser(castellans.apps[0] as App, { email: `dave.${n}@example.com`, name: 'dave', scope, roles: ['member'] }),
      ),
    );
    const subjects = await recordsOf([...users, ...[alice, bob, sam].map(({ id }) => id)]);
    const auditor = await castellans.signUp('ann', ['auditor']);
    const scoped = await castellans.signUp('ada');
    await grant(scoped, 'administrator', 'acme');
    let compared = 0;
    let allowed = 0;
    for (const { email, accessToken } of [bob, sam, alice, auditor, scoped]) {
      const ability = plainAbility((await abilityOf(accessToken)).rules);
      const questions = subjects.flatMap((subject) =>
        questionsAbout(subject).map((question) => ({ ...question, subject })),
      );
      const answers = await Promise.all(
        questions.map(({ action, subject, field }, n) =>
          decided({ action, subject: subject.__typename, id: subject.id, field }, accessToken, n % 3),
        ),
      );
      for (const [n, { action, subject, field }] of questions.entries()) {
        const plain = ability.can(action, subject as never, field ?? undefined);
        expect({ email, action, subject, field, allowed: answers[n]?.allowed }).toEqual({
          email,
          action,
          subject,
          field,
          allowed: plain,
        });
        compared += 1;
        allowed += Number(plain);
      }
    }
    expect(compared).toBeGreaterThan(300);
    expect(allowed).toBeGreaterThan(50);
    expect(compared - allowed).toBeGreaterThan(50);
  });

  interface Subject {
    readonly __typename: string;
    readonly id: string;
  }

  /** Users as a front end has them: what the API says, with the attributes that follow from it. */
  async function recordsOf(ids: readonly string[]): Promise<readonly Subject[]> {
    type Read = { user: { id: string; scope: string | null; roles: readonly { name: string }[] } };
    const users = await Promise.all(
      ids.map(async (id) => {
        const query =
          'query ($id: ID!) { user(id: $id) { __typename id email name status scope createdAt roles { name } } }';
        const { data } = await castellans.ask<Read>(query, { variables: { id }, token: alice.accessToken });
        if (data === null) throw new Error('the administrator cannot read a user');
        const { scope, roles, ...user } = data.user;
        const segments = scope?.split('/') ?? [];
        const scopes = segments.map((_, n) => segments.slice(0, n + 1).join('/'));
        return { __typename: 'User', ...user, scope, scopes, roles: roles.map(({ name }) => name) };
      }),
    );
    const { data } = await castellans.ask<{ role: { id: string } }>('{ role(name: "support") { id name managed } }', {
      token: alice.accessToken,
    });
    return [...users, { __typename: 'Role', ...data?.role, id: data?.role.id ?? '' }];
  }

  function questionsAbout({
    __typename,
  }: Subject): readonly { readonly action: string; readonly field: string | null }[] {
    if (__typename === 'Role') return ['read', 'grant', 'revoke'].map((action) => ({ action, field: null }));
    const actions = ['read', 'update', 'disable', 'delete', 'grant'];
    return [
      ...actions.map((action) => ({ action, field: null })),
      ...['name', 'email', 'status'].map((field) => ({ action: 'update', field })),
    ];
  }

  function plainAbility(packed: unknown): MongoAbility {
    // Parsed here: objects that fetch made are of another realm under Jest, and CASL takes them for no plain ones.
    const rules = unpackRules(JSON.parse(JSON.stringify(packed)) as Parameters<typeof unpackRules>[0]);
    return createMongoAbility(rules as never, {
      detectSubjectType: (object) => (object as unknown as { __typename: string }).__typename,
    });
  }
});

describe('rights', () => {
  test('that an answer speaks of are as new as the position it gives', async () => {
    const carol = await castellans.signUp('carol');
    const before = await abilityOf(carol.accessToken);
    await grant(carol, 'support', null);
    const after = await abilityOf(carol.accessToken, 1);
    const numberOf = ({ position }: Ability) => Number(position.split('-')[1]);
    expect(numberOf(after)).toBeGreaterThan(numberOf(before));
    expect(after.rules).not.toEqual(before.rules);
  });

  test('are refused with the credential, not taken for those of nobody', async () => {
    const answer = await ask({ action: 'read', subject: 'User' }, 'garbage');
    expect({ status: answer.status, codes: codesOf(answer) }).toEqual({ status: 401, codes: ['UNAUTHENTICATED'] });
  });
});
