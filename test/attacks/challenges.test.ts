import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse, validate } from 'graphql';
import { createSchema } from '../../src/api/graphql/schema.ts';
import { codesOf, createTestClock, PASSWORD, post, startCastellans, type Castellans } from '../support/castellan.ts';
import { EVERYWHERE, INSTANCES, NOWHERE } from '../support/asking.ts';
import { openStream } from '../support/event-stream.ts';
import { dataOf, secondFactors, type Enrolled } from '../support/second-factors.ts';
import { type Door, doorsOf, takesMutations } from './doors.ts';
import { everyOperation } from './operations.ts';

/** AC-18: what a sign-in is worth whose second factor is missing. */

const ME = '{ me { id } }';
const VERIFY = `mutation ($input: VerifyMfaInput!) {
  verifyMfa(input: $input) { accessToken session { id aal } user { id } }
}`;
const REFUSED = new Set(['UNAUTHENTICATED', 4401]);

const clock = createTestClock();
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
let doors: readonly Door[];
let bob: Enrolled;

beforeAll(async () => {
  castellans = await startCastellans(3, { clock });
  phone = secondFactors(castellans, clock, PASSWORD);
  doors = doorsOf(castellans);
  bob = await phone.enrolled('bob');
});

afterAll(() => castellans.close());

/** Whether each instance knows everything about bob, so that nothing but the credential can be what is missing. */
async function warm(token: string): Promise<readonly boolean[]> {
  await Promise.all(INSTANCES.map((instance) => castellans.ask(ME, { token, instance })));
  return castellans.apps.map(({ services }) => services.identification.identifyWarm(token)?.id === bob.id);
}

describe('AC-18: the token of a challenge', () => {
  const operations = everyOperation('user_00000000000000000000000000');

  test('is tried with operations that are well formed, all that there are', () => {
    const schema = createSchema();
    expect(operations.flatMap(({ document }) => validate(schema, parse(document)))).toEqual([]);
    expect(operations.length).toBeGreaterThan(60);
  });

  test('is no credential for any operation, through any door, where the user is known everywhere', async () => {
    const full = await phone.signInWith(bob);
    const challenge = await phone.challengeOf(bob.email);
    expect(await warm(full.accessToken)).toEqual(EVERYWHERE);
    expect(await warm(challenge)).toEqual(NOWHERE);
    const before = await castellans.recorded();
    const wrong: object[] = [];
    const tries = await Promise.all(
      doors.map(async ({ name, ask }) => {
        const asked = operations.filter(({ document }) => !name.startsWith('GET') || document.startsWith('query'));
        for (const operation of asked) {
          const { data, codes } = await ask(operation.document, {}, challenge);
          if (data !== null || codes.length !== 1 || !REFUSED.has(codes[0] as string)) {
            wrong.push({ door: name, operation: operation.name, data, codes });
          }
        }
        return asked.length;
      }),
    );
    expect(wrong).toEqual([]);
    expect(tries.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(doors.length * 20);
    expect(await castellans.recorded()).toEqual(before);
    expect(await warm(full.accessToken)).toEqual(EVERYWHERE);
  }, 60_000);

  test('is none in a cookie, on a stream that GET asked for, or where another token is taken', async () => {
    const full = await phone.signInWith(bob);
    const challenge = await phone.challengeOf(bob.email);
    const before = await castellans.recorded();
    for (const { url } of castellans.apps) {
      const cookie = `__Host-castellan=${challenge}; __Host-castellan-refresh=${challenge}`;
      for (const headers of [{ cookie }, { cookie, 'x-castellan-cookies': '1' }]) {
        for (const query of [
          '{ sessions(first: 1) { edges { node { id } } } }',
          'mutation { refreshSession { position } }',
        ]) {
          const {
            data,
            errors,
            headers: answered,
          } = await post<{ sessions?: { edges: object[] } }>(url, query, {}, headers);
          expect(data?.sessions?.edges ?? []).toEqual([]);
          if (data === null) expect(errors.map(({ extensions }) => extensions['code'])).toEqual(['UNAUTHENTICATED']);
          expect(answered.getSetCookie()).toEqual([]);
        }
      }
      const stream = await openStream(url, ME, { headers: { authorization: `Bearer ${challenge}` } });
      expect(stream.status).toBe(401);
      for (const [query, token] of [
        ['mutation ($token: String!) { refreshSession(refreshToken: $token) { position } }', undefined],
        ['mutation ($token: String!) { verifyEmail(token: $token) { position } }', undefined],
        [
          'mutation ($token: String!) { resetPassword(token: $token, newPassword: "a password of some length") { position } }',
          undefined,
        ],
        ['mutation ($token: String!) { renewConnection(accessToken: $token) { position } }', full.accessToken],
      ] as const) {
        const answer = await post(
          url,
          query,
          { token: challenge },
          token === undefined ? {} : { authorization: `Bearer ${token}` },
        );
        expect({ query, data: answer.data }).toEqual({ query, data: null });
        expect(['UNAUTHENTICATED', 'BAD_USER_INPUT']).toContain(codesOf(answer)[0]);
      }
    }
    expect(await castellans.recorded()).toEqual(before);
  });

  test('becomes a session of its own by verifyMfa with its code, through every door that takes mutations, once', async () => {
    for (const { name, ask } of doors.filter(takesMutations)) {
      const challengeToken = await phone.challengeOf(bob.email);
      const code = await phone.nextCode(bob.secret);
      const { data } = await ask<{ verifyMfa: { accessToken: string; session: object } }>(VERIFY, {
        input: { challengeToken, code },
      });
      expect({ name, ...data }).toMatchObject({ name, verifyMfa: { session: { aal: 2 }, user: { id: bob.id } } });
      expect(await warm(data?.verifyMfa.accessToken ?? '')).toEqual(EVERYWHERE);
      const again = await ask(VERIFY, { input: { challengeToken, code: await phone.nextCode(bob.secret) } });
      expect({ name, data: again.data, codes: again.codes }).toEqual({ name, data: null, codes: ['UNAUTHENTICATED'] });
    }
    expect(dataOf(await phone.signIn(bob.email)).signIn.__typename).toBe('MfaRequired');
  }, 60_000);
});
