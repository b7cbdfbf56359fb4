import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from 'pg';
import {
  codesOf,
  startCastellans,
  until,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';

const ME = '{ me { id } }';
const CREATE = `mutation ($input: CreateUserInput!) {
  createUser(input: $input) { user { id email name status scope roles { name } } position }
}`;
const DISABLE = `mutation ($id: ID!) {
  disableUser(id: $id) {
    user { id status }
    receipt { enforced position instances acknowledged waitedMs }
    position
  }
}`;
const GRANT = `mutation ($user: ID!, $role: ID!) {
  grantRole(principalId: $user, roleId: $role) { grant { id } receipt { enforced } }
}`;
const REVOKE_SESSION = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';

type Created = { readonly createUser: { readonly user: { readonly id: string; readonly email: string } } };
type Disabled = {
  readonly disableUser: {
    readonly user: { readonly status: string };
    readonly receipt: { readonly enforced: boolean; readonly position: string };
    readonly position: string;
  };
};

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans.close());

const disable = (id: string, token?: string, instance = 0) =>
  castellans.ask<Disabled>(DISABLE, { variables: { id }, instance, ...(token !== undefined && { token }) });

const create = (input: object, token?: string, instance = 0) =>
  castellans.ask<Created>(CREATE, { variables: { input }, instance, ...(token !== undefined && { token }) });

const addressOf = (name: string) => `${name}.${Math.trunc(performance.now() * 1_000).toString(36)}@example.com`;

describe('the effect fence: a change authorised before a revocation', () => {
  /** An administrator and another user, whose row is locked first: the actor's own can still be changed meanwhile. */
  async function signUpBoth(): Promise<{ readonly ada: SignedInUser; readonly victim: SignedInUser }> {
    const both = [
      await castellans.signUp('ada', ['administrator', 'member']),
      await castellans.signUp('eve', ['administrator', 'member']),
    ];
    const [victim, ada] = both.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    if (victim === undefined || ada === undefined) throw new TypeError('not two');
    return { ada, victim };
  }

  /** Holds the rows that the statement locks until it is released. */
  async function hold(lock: string, ...values: readonly unknown[]) {
    const client = new Client({ connectionString: castellans.databaseUrl });
    await client.connect();
    await client.query('begin');
    await client.query(lock, [...values]);
    return {
      client,
      async release() {
        await client.query('commit');
        await client.end();
      },
      /** Resolves when so many wait for what is held, or for each other. */
      awaited: (count = 1) =>
        until(async () => {
          const [row] = await castellans.rows<{ waiting: number }>(
            `select count(distinct pid)::int as waiting from pg_locks l join pg_stat_activity a using (pid)
             where not l.granted and a.datname = current_database()`,
          );
          return (row?.waiting ?? 0) >= count;
        }),
    };
  }

  const HOLD_USER = 'select id from users where id = $1 for update';

  test('AC-08: cannot commit after its session was revoked', async () => {
    const { ada, victim } = await signUpBoth();
    const held = await hold(HOLD_USER, victim.id);
    const pending = disable(victim.id, ada.accessToken, 1);
    await held.awaited();
    const { data } = await castellans.ask(REVOKE_SESSION, {
      variables: { id: ada.sessionId },
      token: alice.accessToken,
    });
    expect(data).toEqual({ revokeSession: { receipt: { enforced: true } } });
    const before = await castellans.recorded();
    await held.release();

    expect(codesOf(await pending)).toEqual(['SESSION_REVOKED']);
    expect(await castellans.recorded()).toEqual(before);
    expect(await castellans.rows('select status from users where id = $1', victim.id)).toEqual([{ status: 'active' }]);
    expect((await castellans.ask(ME, { token: victim.accessToken })).data).toEqual({ me: { id: victim.id } });
  });

  test('AC-08: cannot commit after the role it rested on was taken away', async () => {
    const { ada, victim } = await signUpBoth();
    const [grant] = await castellans.rows<{ id: string }>(
      `select g.id from grants g join roles r on r.id = g.role_id where g.principal_id = $1 and r.name = 'administrator'`,
      ada.id,
    );
    const held = await hold(HOLD_USER, victim.id);
    const pending = disable(victim.id, ada.accessToken, 2);
    await held.awaited();
    const { errors } = await castellans.ask(
      'mutation ($id: ID!) { revokeRole(grantId: $id) { receipt { enforced } } }',
      {
        variables: { id: grant?.id },
        token: alice.accessToken,
      },
    );
    expect(errors).toEqual([]);
    const before = await castellans.recorded();
    await held.release();

    expect(codesOf(await pending)).toEqual(['NOT_FOUND']);
    expect(await castellans.recorded()).toEqual(before);
    expect(await castellans.rows('select status from users where id = $1', victim.id)).toEqual([{ status: 'active' }]);
  });

  test('AC-08: cannot commit after its user was disabled', async () => {
    const { ada, victim } = await signUpBoth();
    const [member] = await castellans.rows<{ id: string }>(`select id from roles where name = 'administrator'`);
    const held = await hold(HOLD_USER, victim.id);
    const pending = castellans.ask(GRANT, { variables: { user: victim.id, role: member?.id }, token: ada.accessToken });
    await held.awaited();
    expect((await disable(ada.id, alice.accessToken, 2)).errors).toEqual([]);
    const before = await castellans.recorded();
    await held.release();

    expect(codesOf(await pending)).toEqual(['SESSION_REVOKED']);
    expect(await castellans.recorded()).toEqual(before);
  });

  test('cannot commit when the revocation is only just committing while it waits', async () => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const held = await hold(HOLD_USER, ada.id);
    const email = addressOf('eve');
    const pending = create({ email, name: 'Eve' }, ada.accessToken, 1);
    await held.awaited();
    await held.client.query('update sessions set revoked_at = now() where id = $1', [ada.sessionId]);
    await held.client.query(
      `insert into authority_log (target, kind, user_id, reason) values ($1, 'revoked', $2, 'revoked')`,
      [ada.sessionId, ada.id],
    );
    await held.release();

    expect(codesOf(await pending)).toEqual(['SESSION_REVOKED']);
    expect(await castellans.rows('select id from users where email = $1', email)).toEqual([]);
    expect(await castellans.rows(`select id from audit_entries where by = $1`, ada.id)).toHaveLength(1);
  });

  test('AC-30: is over when the signing key of its token is revoked: the revocation waits for it, and none commits after that', async () => {
    const ada = await castellans.signUp('ada', ['administrator', 'member']);
    const revoker = await castellans.signUp('revoker', ['administrator']);
    const held = await hold('select id from sessions where id = $1 for update', ada.sessionId);
    // It is past the fence by then, and waits for the row it changes.
    const renaming = castellans.ask('mutation ($id: ID!) { renameSession(id: $id, label: "x") { position } }', {
      variables: { id: ada.sessionId },
      token: ada.accessToken,
      instance: 1,
    });
    await held.awaited();
    const [key] = await castellans.rows<{ kid: string }>('select kid from signing_keys where revoked_at is null');
    let revoked = false;
    const revoking = castellans
      .ask<object>('mutation ($kid: ID!) { revokeSigningKey(kid: $kid) { receipt { enforced } } }', {
        variables: { kid: key?.kid },
        token: revoker.accessToken,
      })
      .finally(() => {
        revoked = true;
      });
    await held.awaited(2);
    expect(revoked).toBe(false);
    await held.release();

    expect((await renaming).errors).toEqual([]);
    expect((await revoking).data).toEqual({ revokeSigningKey: { receipt: { enforced: true } } });
    alice = { ...alice, ...(await castellans.signIn(alice.email)) };
  });

  test('goes through when nothing was taken away meanwhile', async () => {
    const { ada, victim } = await signUpBoth();
    const held = await hold(HOLD_USER, victim.id);
    const pending = disable(victim.id, ada.accessToken, 1);
    await held.awaited();
    await held.release();
    expect((await pending).data?.disableUser).toMatchObject({
      user: { status: 'disabled' },
      receipt: { enforced: true },
    });
  });

  test('waits its turn behind the revocation: a flood of changes cannot keep its own session alive', async () => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const answers: Answer[] = [];
    const revoked = new AbortController();
    const flood = Array.from({ length: 24 }, async (_, n) => {
      while (!revoked.signal.aborted)
        answers.push(await create({ email: addressOf('eve'), name: 'Eve' }, ada.accessToken, n % 3));
    });
    await until(() => answers.length >= 24);
    const { data } = await castellans.ask<{ revokeSession: object }>(REVOKE_SESSION, {
      variables: { id: ada.sessionId },
      token: alice.accessToken,
    });
    revoked.abort();
    await Promise.all(flood);
    expect(data).toEqual({ revokeSession: { receipt: { enforced: true } } });
  });

  test('that waits for too long is refused as something to try again', async () => {
    const ada = await castellans.signUp('ada', ['administrator']);
    const victim = await castellans.signUp('victim');
    const held = await hold(HOLD_USER, victim.id);
    const before = await castellans.recorded();
    const { errors } = await disable(victim.id, ada.accessToken, 1);
    await held.release();
    expect(errors.map(({ extensions }) => extensions)).toEqual([
      { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 },
    ]);
    expect(await castellans.recorded()).toEqual(before);
    expect((await disable(victim.id, ada.accessToken, 1)).errors).toEqual([]);
  });
});
