import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import { EVERYWHERE, extensionsOf, IN_FORCE, INSTANCES, NOWHERE, onEveryInstance } from '../support/asking.ts';
import {
  codesOf,
  collect,
  PASSWORD,
  startCastellans,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { listening } from '../support/session-events.ts';

const REVOKE = `mutation ($filter: SessionFilter!) {
  revokeSessions(filter: $filter) { sessionIds more receipt { enforced instances acknowledged } position }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on SignedIn { accessToken session { id } } }
}`;
/** Sees all sessions, and ends those of one scope only. */
const WATCH = {
  path: 'policies/watch.yaml',
  text: `roles:
  watch:
    allow:
      - { action: read, subject: Session }
      - { action: revoke, subject: Session, where: { scope: open } }
`,
};

interface Revoked {
  readonly revokeSessions: { readonly sessionIds: readonly string[]; readonly more: boolean; readonly receipt: object };
}

/** What goes with the clock, or comes after the answer however many sessions end. */
const IN_THE_BACKGROUND =
  /instances|outbox|rollup|session_levels|session_activity|user_activity|sign_ins|audit-(?!append)|security_/;

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  const policyFiles = [...(await readPolicyFiles(join(import.meta.dirname, '../../policies'))), WATCH];
  castellans = await startCastellans(3, { policyFiles });
  alice = await castellans.signUp('alice', ['administrator']);
});

afterAll(() => castellans?.close());

const revoke = (filter: object, by: SignedInUser | null = alice, instance = 0) =>
  castellans.ask<Revoked>(REVOKE, {
    variables: { filter },
    instance,
    ...(by !== null && { token: by.accessToken }),
  });

/** A session of the user that this client started. */
async function startWith({ email, id }: SignedInUser, client: string): Promise<SignedInUser> {
  const { data } = await castellans.ask<{ signIn: { accessToken: string; session: { id: string } } }>(SIGN_IN, {
    variables: { input: { email, password: PASSWORD } },
    headers: { 'apollographql-client-name': client },
  });
  const { accessToken = '', session } = data?.signIn ?? {};
  return { id, email, accessToken, refreshToken: '', sessionId: session?.id ?? '' };
}

const accepted = ({ accessToken }: SignedInUser) =>
  onEveryInstance(async (instance) => {
    const answer = await castellans.ask('{ me { id } }', { token: accessToken, instance });
    return answer.errors.length === 0;
  });

describe('ending the sessions that match', () => {
  test('ends those of several users at once, on every instance and socket, and no other', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    const [stolen, copied] = [await startWith(bob, 'bad app'), await startWith(carol, 'bad app')];
    const client = castellans.connect({ token: copied.accessToken, instance: 2 });
    const events = await listening(castellans, 2, () =>
      collect(client, 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }'),
    );

    const { data, errors } = await revoke({ client: 'bad app' }, alice, 1);
    expect(errors).toEqual([]);
    expect(data?.revokeSessions).toMatchObject({ receipt: IN_FORCE, more: false });
    expect(data?.revokeSessions.sessionIds.toSorted()).toEqual([stolen.sessionId, copied.sessionId].toSorted());
    for (const user of [stolen, copied]) expect(await accepted(user)).toEqual(NOWHERE);
    for (const user of [bob, carol, alice]) expect(await accepted(user)).toEqual(EVERYWHERE);
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } });

    const entries = await castellans.rows<object>(
      `select a.by, a.action, s.revoked_reason as reason, count(l.*)::int as entries from audit_entries a
       join sessions s on s.id = a.subject_id join authority_log l on l.target = s.id
       where s.client = 'bad app' and a.action = 'session.revoke' group by a.at, a.id, s.id`,
    );
    expect(entries).toEqual(
      [1, 2].map(() => ({ by: alice.id, action: 'session.revoke', reason: 'revoked', entries: 1 })),
    );
  });

  test('where none is live ends nothing, and still says that it is in force', async () => {
    await revoke({ client: 'gone app' });
    const before = await castellans.recorded();
    for (const filter of [{ client: 'gone app' }, { userId: 'user_none' }, { client: 'gone app', live: false }]) {
      const { data } = await revoke(filter, alice, 2);
      expect(data?.revokeSessions).toMatchObject({ sessionIds: [], more: false, receipt: IN_FORCE });
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('ends one’s own session as well if it matches, after it was told', async () => {
    const bob = await castellans.signUp('bob');
    const { data } = await revoke({ userId: bob.id }, bob);
    expect(data?.revokeSessions).toMatchObject({ sessionIds: [bob.sessionId], receipt: IN_FORCE });
    expect(await accepted(bob)).toEqual(NOWHERE);
  });

  test('leaves alone what one may not read, as if it were not there', async () => {
    const [bob, mallory] = [await castellans.signUp('bob'), await castellans.signUp('mallory')];
    const [bobs, mallorys] = [await startWith(bob, 'shared app'), await startWith(mallory, 'shared app')];
    const { data } = await revoke({ client: 'shared app' }, mallory);
    expect(data?.revokeSessions).toMatchObject({ sessionIds: [mallorys.sessionId], more: false });
    expect(await accepted(bobs)).toEqual(EVERYWHERE);
    const { data: foreign } = await revoke({ userId: bob.id }, mallory);
    expect(foreign?.revokeSessions.sessionIds).toEqual([]);
  });

  test('is refused as a whole where one of them may be read and not ended', async () => {
    const [bob, wendy] = [await castellans.signUp('bob'), await castellans.signUp('wendy', ['watch'])];
    await castellans.addScopes('open');
    const dora = await castellans.signUp('dora');
    await castellans.rows(
      `update users set scope_id = (select id from scopes where path = 'open') where id = $1`,
      dora.id,
    );
    const [bobs, doras] = [await startWith(bob, 'watched'), await startWith(dora, 'watched')];
    const before = await castellans.recorded();
    expect(codesOf(await revoke({ client: 'watched' }, wendy))).toEqual(['FORBIDDEN']);
    expect(await castellans.recorded()).toEqual(before);
    expect(await accepted(doras)).toEqual(EVERYWHERE);
    const { data } = await revoke({ client: 'watched', userId: dora.id }, wendy);
    expect(data?.revokeSessions.sessionIds).toEqual([doras.sessionId]);
    expect(await accepted(bobs)).toEqual(EVERYWHERE);
  });

  test.each([{}, { live: true }, { live: null, userId: null, device: null, addressRange: null }])(
    'is refused for the filter %j, which narrows nothing',
    async (filter) => {
      expect(extensionsOf(await revoke(filter))).toEqual([{ code: 'BAD_USER_INPUT', field: 'filter' }]);
    },
  );

  test('is refused for a range that is none, a year that compares with no other, and nobody', async () => {
    // In UTC that is the year 10000, which as text comes before all others.
    expect(codesOf(await revoke({ startedBefore: '9999-12-31T23:59:59-23:59' }))).toEqual(['BAD_USER_INPUT']);
    expect(extensionsOf(await revoke({ addressRange: '10.0.0.0/40' }))).toEqual([
      { code: 'BAD_USER_INPUT', field: 'addressRange' },
    ]);
    expect(codesOf(await revoke({ client: 'x' }, null))).toEqual(['UNAUTHENTICATED']);
  });

  test('ends a thousand at once, the oldest first, and says that there are more', async () => {
    const many = await castellans.signUp('many');
    await castellans.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash, client)
       select 'sess_many' || n, $1, now() - n * interval '1 second', now() + interval '1 day', '', 'many'
       from generate_series(1, 1002) as n`,
      many.id,
    );
    const { data } = await revoke({ client: 'many' }, alice, 1);
    expect(data?.revokeSessions).toMatchObject({ more: true, receipt: IN_FORCE });
    expect(data?.revokeSessions.sessionIds).toHaveLength(1_000);
    expect(data?.revokeSessions.sessionIds).not.toContain('sess_many1');
    const { data: rest } = await revoke({ client: 'many' }, alice, 1);
    expect(rest?.revokeSessions).toMatchObject({ more: false, receipt: IN_FORCE });
    expect(rest?.revokeSessions.sessionIds.toSorted()).toEqual(['sess_many1', 'sess_many2']);
  });

  test('costs as many statements for one session as for many', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    await castellans.rows(
      `insert into sessions (id, user_id, created_at, expires_at, refresh_hash, client)
       select 'sess_' || u || n, u, now(), now() + interval '1 day', '', case n when 0 then 'one' else 'several' end
       from unnest($1::text[]) as u, generate_series(0, 40) as n where n > 0 or u = $2`,
      [bob.id, carol.id],
      bob.id,
    );
    const nameOf = (statement: string) => statement.slice(0, 100);
    const counted = async (client: string) => {
      const statements: string[] = [];
      const pool = castellans.apps[0]?.database.pool;
      const note = (connection: { query: unknown }) => {
        const query = connection.query as (...args: readonly unknown[]) => unknown;
        Object.assign(connection, {
          query(...args: readonly unknown[]) {
            statements.push(JSON.stringify(args[0]));
            return query.apply(connection, args as []);
          },
        });
        undo.push(() => Object.assign(connection, { query }));
      };
      const undo: (() => void)[] = [];
      pool?.on('acquire', note);
      const { data } = await revoke({ client });
      pool?.off('acquire', note);
      for (const each of undo) each();
      return {
        ended: data?.revokeSessions.sessionIds.length,
        writes: statements.filter((text) => /(insert|update) /i.test(text) && !IN_THE_BACKGROUND.test(text)),
      };
    };
    const one = await counted('one');
    const several = await counted('several');
    expect([one.ended, several.ended]).toEqual([1, 80]);
    expect(one.writes.length).toBeGreaterThanOrEqual(3);
    expect(several.writes.map(nameOf)).toEqual(one.writes.map(nameOf));
  });

  test('races with sign-ins of the same user: a session is either ended or began after', async () => {
    const bob = await castellans.signUp('bob');
    const signIns = Promise.all(INSTANCES.map((instance) => castellans.signIn(bob.email, instance)));
    const { data } = await revoke({ userId: bob.id });
    const ended = new Set(data?.revokeSessions.sessionIds);
    for (const { accessToken, sessionId } of await signIns) {
      expect(await accepted({ ...bob, accessToken })).toEqual(ended.has(sessionId) ? NOWHERE : EVERYWHERE);
    }
  });
});
