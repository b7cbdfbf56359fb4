import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isObjectType } from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import type { Shown } from '../support/every-door.ts';
import { MUTATIONS } from './authorization-matrix/mutations.ts';
import { openWorld, type World } from './authorization-matrix/people.ts';
import { ASKERS, type AskerName, type Place, PLACES, type Row, type Target } from './authorization-matrix/row.ts';

/**
 * `viewerCan` says of an action what the mutation that does it says. What each mutation answers is in the authorization matrix, which holds
 * it to that; here the same is asked of `viewerCan`.
 */

interface Question {
  readonly action: string;
  readonly subject: string;
  readonly id?: string;
  readonly field?: string;
}

/** What a mutation with these arguments takes: all of it. Null where the arguments say what no question can: where something will be, or whose. */
type Takes = (target: Target, asked: string) => readonly Question[] | null;

const on =
  (action: string, subject: string, of: keyof Target): Takes =>
  (target) => [{ action, subject, id: target[of] }];
const anywhere =
  (action: string, subject: string): Takes =>
  () => [{ action, subject }];
/** Without a scope it is for whoever may do it everywhere, and that is what is asked. */
const created =
  (subject: string): Takes =>
  (_, asked) =>
    asked.includes('scope:') ? null : [{ action: 'create', subject }];

const granted: Takes = (target, asked) => {
  // Nobody gives what they lack, nor where they may not.
  if (asked.includes(`roleId: "${target.member}"`) || !asked.includes('scope:')) return null;
  const subject = asked.includes(`principalId: "${target.user}"`) ? 'User' : 'ServiceAccount';
  const id = subject === 'User' ? target.user : target.service;
  return [
    { action: 'grant', subject, id },
    { action: 'grant', subject: 'Role', id: target.role },
  ];
};
const revoked: Takes = ({ user, member }) => [
  { action: 'read', subject: 'User', id: user },
  { action: 'revoke', subject: 'Role', id: member },
];

const updatedUser: Takes = ({ user }, asked) => {
  const field = ['name', 'email', 'metadata'].find((each) => asked.includes(`${each}:`));
  return field === undefined ? null : [{ action: 'update', subject: 'User', id: user, field }];
};

const TAKES: Readonly<Record<string, Takes>> = {
  createUser: created('User'),
  importUsers: () => null,
  disableUser: on('disable', 'User', 'user'),
  disableUsers: on('disable', 'User', 'user'),
  enableUser: on('enable', 'User', 'user'),
  unlockUser: on('unlock', 'User', 'user'),
  updateUser: updatedUser,
  deleteUser: on('delete', 'User', 'user'),
  createRole: anywhere('create', 'Role'),
  updateRole: on('update', 'Role', 'role'),
  deleteRole: on('delete', 'Role', 'role'),
  grantRole: granted,
  grantRoles: granted,
  revokeRole: revoked,
  revokeRoles: revoked,
  revokeSession: on('revoke', 'Session', 'session'),
  renameSession: on('update', 'Session', 'session'),
  revokeAllSessions: on('revoke', 'Session', 'session'),
  revokeSessions: on('revoke', 'Session', 'session'),
  createApiKey: () => null,
  updateApiKey: on('update', 'ApiKey', 'key'),
  rotateApiKey: on('rotate', 'ApiKey', 'key'),
  revokeApiKey: on('revoke', 'ApiKey', 'key'),
  createServiceAccount: created('ServiceAccount'),
  disableServiceAccount: on('disable', 'ServiceAccount', 'service'),
  enableServiceAccount: on('enable', 'ServiceAccount', 'service'),
  updateServiceAccount: ({ service }) => [{ action: 'update', subject: 'ServiceAccount', id: service, field: 'name' }],
  deleteServiceAccount: on('delete', 'ServiceAccount', 'service'),
  createScope: () => null,
  moveScope: on('move', 'Scope', 'scope'),
  suspendScope: on('suspend', 'Scope', 'scope'),
  resumeScope: on('resume', 'Scope', 'scope'),
  deleteScope: on('delete', 'Scope', 'scope'),
  applyPolicy: anywhere('apply', 'Policy'),
  rollbackPolicy: anywhere('apply', 'Policy'),
  reloadPolicy: on('apply', 'Policy', 'version'),
  rotateSigningKey: anywhere('rotate', 'SigningKey'),
  revokeSigningKey: on('revoke', 'SigningKey', 'signingKey'),
};

/** These take no action of the policy: whoever has a session, a password, a code or a mail may do it. */
const WITHOUT_ACTION: ReadonlySet<string> = new Set([
  'signIn',
  'signUp',
  'signOut',
  'verifyEmail',
  'verifyMfa',
  'requestPasswordReset',
  'resetPassword',
  'changePassword',
  'refreshSession',
  'revokeOtherSessions',
  'renewConnection',
  'stepUp',
  'beginTotpEnrollment',
  'confirmTotpEnrollment',
  'disableTotp',
  'regenerateRecoveryCodes',
]);

interface Case {
  readonly told: string;
  readonly name: AskerName;
  readonly questions: readonly Question[];
  readonly allowed: boolean;
}

let world: World;

beforeAll(async () => {
  world = await openWorld();
}, 60_000);

afterAll(() => world?.close());

const nameOf = ({ field }: Row): string => field.split('.')[1] ?? '';

function casesOf(row: Row): readonly Case[] {
  const takes = TAKES[nameOf(row)];
  if (takes === undefined) return [];
  return PLACES.flatMap((place) => {
    const expected = row.expected[place];
    if (expected === undefined) return [];
    return ASKERS.flatMap((name) => {
      const target = targetOf(place, name);
      const asked = row.ask(target);
      const questions = takes(target, asked);
      const allowed = expected[name] === (row.reaches ?? 'allowed');
      return questions === null ? [] : [{ told: `${name} about ${place}: ${asked}`, name, questions, allowed }];
    });
  });
}

function targetOf(place: Place, name: AskerName): Target {
  const asker = world.askers.find((each) => each.name === name);
  if (asker === undefined) throw new TypeError(`nobody is ${name}`);
  return place === 'own' ? asker.own : world[place];
}

const headersOf = (shown: Shown | null): Record<string, string> => {
  if (shown === null) return {};
  return 'token' in shown ? { authorization: `Bearer ${shown.token}` } : { 'x-api-key': shown.apiKey };
};

/** Whether all of each is allowed, as whoever asks is told. */
async function answered(name: AskerName, cases: readonly Case[]): Promise<readonly string[]> {
  const shown = world.askers.find((asker) => asker.name === name)?.shown ?? null;
  const headers = headersOf(shown);
  const checks = cases.flatMap(({ questions }) => questions);
  const { data, errors } = await world.castellans.ask<{ viewerCanMany: readonly { readonly allowed: boolean }[] }>(
    'query ($checks: [CheckInput!]!) { viewerCanMany(checks: $checks) { allowed } }',
    { variables: { checks }, headers },
  );
  expect(errors).toEqual([]);
  const answers = [...(data?.viewerCanMany ?? [])];
  return cases.flatMap(({ told, questions, allowed }) => {
    const came = answers.splice(0, questions.length).every((each) => each.allowed);
    return came === allowed ? [] : [`${told}: viewerCan says ${came ? 'yes' : 'no'}`];
  });
}

test('every mutation is one that takes an action of the policy, or one that takes none', () => {
  const type = createSchema().getType('Mutation');
  const mutations = isObjectType(type) ? Object.keys(type.getFields()) : [];
  expect([...Object.keys(TAKES), ...WITHOUT_ACTION].toSorted()).toEqual(mutations.toSorted());
});

describe('viewerCan', () => {
  test.each(ASKERS)('says to %s of every mutation what the mutation says', async (name) => {
    const cases = MUTATIONS.flatMap(casesOf).filter((each) => each.name === name);
    expect(new Set(cases.map(({ told }) => told)).size).toBeGreaterThan(50);
    expect(await answered(name, cases)).toEqual([]);
  });
});
