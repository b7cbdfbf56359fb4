import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from 'pg';
import type { App } from '../../src/app.ts';
import { type Castellans, instanceOf, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { addGrant, revokeGrant } from '../support/people.ts';
import { untilFollowed } from '../support/session-events.ts';
import { type Door, doorsOf, type Seen, takesMutations } from './doors.ts';

/** Rights that end while what they allow is being read: what is read after that is for nobody who lacks them. */

const ROLES = '{ viewerAbility { rules } roles(first: 100) { edges { node { name managed } } } }';
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';

let castellans: Castellans;
let doors: readonly Door[];
let alice: SignedInUser;
let bob: SignedInUser;
let beside: Client;

beforeAll(async () => {
  castellans = await startCastellans(2);
  doors = doorsOf(castellans).filter(({ instance }) => instance === 1);
  alice = await castellans.signUp('alice', ['administrator']);
  beside = new Client({ connectionString: castellans.databaseUrl });
  await beside.connect();
}, 40_000);

afterAll(async () => {
  await beside?.end();
  await castellans?.close();
});

const at = (instance: number): App => instanceOf(castellans, instance);

beforeEach(async () => {
  bob = await castellans.signUp('bob');
});

const isRead = (table: string): Promise<void> =>
  until(async () => {
    const [row] = await castellans.rows<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query ~ $1`,
      table,
    );
    return row?.count === 1;
  });

/** What is answered to bob, where something happens while a table is being read for it. */
async function meanwhile(table: string, ask: () => Promise<Seen>, happens: () => Promise<void>): Promise<Seen> {
  // All is known of those who act.
  for (const { accessToken: token } of [alice, bob]) {
    for (const instance of [0, 1]) await castellans.ask('{ me { id } }', { token, instance });
  }
  await beside.query('begin');
  await beside.query(`lock table ${table} in access exclusive mode`);
  try {
    const answer = ask();
    await isRead(table);
    await happens();
    await beside.query('commit');
    return await answer;
  } finally {
    await beside.query('rollback');
  }
}

async function revokeSession(): Promise<void> {
  const { data } = await castellans.ask<{ revokeSession: { receipt: object } }>(REVOKE, {
    variables: { id: bob.sessionId },
    token: alice.accessToken,
  });
  expect(data?.revokeSession.receipt).toEqual({ enforced: true });
}

test('a query that is being read when its session is revoked is answered with nothing of it, through every door', async () => {
  for (const door of doors) {
    // One that is known, and one that was never asked before.
    for (const query of [ROLES, ROLES, `${ROLES} # ${door.name}`]) {
      bob = { ...bob, ...(await castellans.signIn(bob.email)) };
      const { data, codes } = await meanwhile('roles', () => door.ask(query, {}, bob.accessToken), revokeSession);
      expect({ door: door.name, data }).toEqual({ door: door.name, data: null });
      expect(['SESSION_REVOKED', 4401]).toContain(codes[0]);
    }
  }
});

test('a query that is being read when a role of its reader ends is answered as if that had ended before, through every door', async () => {
  const query = '{ viewerAbility { rules } sessions(first: 100) { edges { node { user { email } } } } }';
  for (const door of doors) {
    const ask = (): Promise<Seen> => door.ask(query, {}, bob.accessToken);
    const member = await ask();
    const grant = await addGrant(at(1), { principalId: bob.id, role: 'auditor' });
    const auditor = await ask();
    expect(JSON.stringify(auditor.data)).toContain(alice.email);
    const answer = await meanwhile('sessions', ask, async () => {
      await revokeGrant(at(0), grant);
    });
    expect({ door: door.name, ...answer }).toEqual({ door: door.name, ...member });
  }
});

test('a change that was made is told to whoever made it, though their session was revoked before all of the answer was read', async () => {
  const query =
    'mutation ($id: ID!) { renameSession(id: $id, label: "last") { session { label user { mfaEnabled } } } }';
  for (const door of doors.filter(takesMutations)) {
    bob = { ...bob, ...(await castellans.signIn(bob.email)) };
    const ask = (): Promise<Seen> => door.ask(query, { id: bob.sessionId }, bob.accessToken);
    const { data } = await meanwhile('totp_factors', ask, revokeSession);
    const told = { session: { label: 'last', user: { mfaEnabled: false } } };
    // A socket that is revoked closes, and lets what changes something have its answer first.
    expect({ door: door.name, data }).toEqual({ door: door.name, data: { renameSession: told } });
  }
});

const KEYS = `subscription { apiKeyEvents {
  __typename ... on ApiKeyCreated { apiKey { owner { ... on User { email mfaEnabled } } } }
} }`;

test('an event that is being read when a role of its subscriber ends is told as they may read it by then, or not at all', async () => {
  const carol = await castellans.signUp('carol');
  const create = 'mutation { createApiKey(input: { name: "of somebody" }) { apiKey { id } } }';
  const client = castellans.connect({ token: bob.accessToken, instance: 1 });
  const events = client.iterate({ query: KEYS });
  const next = async (): Promise<Seen> => {
    const { value } = await events.next();
    const { data = null, errors = [] } = Object(value) as { data?: Seen['data']; errors?: readonly Coded[] };
    return { data, codes: errors.map(({ extensions: { code } }) => code), messages: [] };
  };
  for (const owner of [carol, bob]) {
    const grant = await addGrant(at(0), { principalId: bob.id, role: 'auditor' });
    const told = next();
    await untilFollowed(castellans, 1, 1);
    const ask = async (): Promise<Seen> => {
      await castellans.ask(create, { token: owner.accessToken });
      return told;
    };
    const { data, codes } = await meanwhile('totp_factors', ask, async () => {
      await revokeGrant(at(0), grant);
    });
    const own = { __typename: 'ApiKeyCreated', apiKey: { owner: { email: bob.email, mfaEnabled: false } } };
    if (owner === bob) expect({ data, codes }).toEqual({ data: { apiKeyEvents: own }, codes: [] });
    else expect({ data, codes }).toEqual({ data: null, codes: ['FORBIDDEN'] });
  }
  // Once, and it goes on.
  await castellans.ask(create, { token: bob.accessToken });
  expect((await next()).codes).toEqual([]);
  await client.dispose();
});

interface Coded {
  readonly extensions: { readonly code?: unknown };
}
