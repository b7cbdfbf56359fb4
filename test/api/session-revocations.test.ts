import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { codesOf, collect, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { listening } from '../support/session-events.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id } }';
const OTHERS = `mutation {
  revokeOtherSessions { sessions { id revokedReason } receipt { enforced instances acknowledged } position }
}`;
const ALL = `mutation ($userId: ID!) {
  revokeAllSessions(userId: $userId) { sessions { id } receipt { enforced instances acknowledged } position }
}`;
const IN_FORCE = { enforced: true, instances: 3, acknowledged: 3 };

type Ended = { readonly sessions: readonly { readonly id: string }[] };

let castellans: Castellans;
let alice: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator', 'member']);
});

afterAll(() => castellans.close());

/** What each instance says to this token: true, or the code of the refusal. */
const accepted = (token: string): Promise<readonly unknown[]> =>
  Promise.all(
    INSTANCES.map(async (instance) => {
      const answer = await castellans.ask(ME, { token, instance });
      return answer.errors.length === 0 || codesOf(answer)[0];
    }),
  );

const REVOKED = INSTANCES.map(() => 'SESSION_REVOKED');
const ACCEPTED = INSTANCES.map(() => true);

describe('revoking one’s other sessions', () => {
  test('ends all but the one that asked, on every instance and socket', async () => {
    const bob = await castellans.signUp('bob');
    const others = [await castellans.signIn(bob.email, 1), await castellans.signIn(bob.email, 2)];
    const carol = await castellans.signUp('carol');
    const query = 'subscription { sessionEvents { __typename ... on AccessEnded { code } } }';
    const events = await listening(castellans, 2, () =>
      collect(castellans.connect({ token: others[0]?.accessToken ?? '', instance: 2 }), query),
    );

    const { data, errors } = await castellans.ask<{ revokeOtherSessions: Ended }>(OTHERS, { token: bob.accessToken });
    expect(errors).toEqual([]);
    expect(data?.revokeOtherSessions).toMatchObject({ receipt: IN_FORCE });
    expect(data?.revokeOtherSessions.sessions.map(({ id }) => id).toSorted()).toEqual(
      others.map(({ sessionId }) => sessionId).toSorted(),
    );
    for (const { accessToken } of others) expect(await accepted(accessToken)).toEqual(REVOKED);
    expect(await events.next()).toEqual({ sessionEvents: { __typename: 'AccessEnded', code: 'SESSION_REVOKED' } });
    expect(await accepted(bob.accessToken)).toEqual(ACCEPTED);
    expect(await accepted(carol.accessToken)).toEqual(ACCEPTED);
  });

  test('where there is none changes nothing, and still says that it is in force', async () => {
    const bob = await castellans.signUp('bob');
    const before = await castellans.recorded();
    const { data } = await castellans.ask(OTHERS, { token: bob.accessToken, instance: 2 });
    expect(data).toMatchObject({ revokeOtherSessions: { sessions: [], receipt: IN_FORCE } });
    expect(await castellans.recorded()).toEqual(before);
  });

  test('needs somebody who is signed in', async () => {
    expect(codesOf(await castellans.ask(OTHERS))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('revoking all sessions of a user', () => {
  test('ends every one on every instance, for whoever may; sign-in works again at once', async () => {
    const bob = await castellans.signUp('bob');
    const other = await castellans.signIn(bob.email, 2);
    const variables = { userId: bob.id };
    const { data } = await castellans.ask(ALL, { variables, token: alice.accessToken, instance: 1 });
    expect(data).toMatchObject({ revokeAllSessions: { receipt: IN_FORCE } });
    for (const { accessToken } of [bob, other]) expect(await accepted(accessToken)).toEqual(REVOKED);
    expect(await accepted((await castellans.signIn(bob.email)).accessToken)).toEqual(ACCEPTED);
  });

  test('of oneself ends the one that asked as well, after it was told', async () => {
    const bob = await castellans.signUp('bob');
    const { data } = await castellans.ask(ALL, { variables: { userId: bob.id }, token: bob.accessToken });
    expect(data).toMatchObject({ revokeAllSessions: { sessions: [{ id: bob.sessionId }], receipt: IN_FORCE } });
    expect(await accepted(bob.accessToken)).toEqual(REVOKED);
  });

  test('of somebody one may not read is as of nobody, and changes nothing', async () => {
    const [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
    const ada = await castellans.signUp('ada', ['auditor']);
    const before = await castellans.recorded();
    const asking = (userId: string, token?: string) =>
      castellans.ask(ALL, { variables: { userId }, ...(token !== undefined && { token }) });
    const foreign = await asking(bob.id, carol.accessToken);
    const missing = await asking('user_none', carol.accessToken);
    expect(codesOf(foreign)).toEqual(['NOT_FOUND']);
    const words = ({ errors }: typeof foreign) => errors.map(({ message }) => message);
    expect(words(foreign)).toEqual(words(missing));
    // Who may read the user is told that they may not.
    expect(codesOf(await asking(bob.id, ada.accessToken))).toEqual(['FORBIDDEN']);
    expect(codesOf(await asking(bob.id))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await asking('user_none'))).toEqual(['UNAUTHENTICATED']);
    expect(await castellans.recorded()).toEqual(before);
    expect(await accepted(bob.accessToken)).toEqual(ACCEPTED);
  });

  test('races with sign-ins: a session is either ended or began after', async () => {
    const bob = await castellans.signUp('bob');
    const signIns = Promise.all(INSTANCES.map((instance) => castellans.signIn(bob.email, instance)));
    const { data } = await castellans.ask<{ revokeAllSessions: Ended }>(ALL, {
      variables: { userId: bob.id },
      token: alice.accessToken,
    });
    const ended = new Set(data?.revokeAllSessions.sessions.map(({ id }) => id));
    for (const { accessToken, sessionId } of await signIns) {
      expect(await accepted(accessToken)).toEqual(ended.has(sessionId) ? REVOKED : ACCEPTED);
    }
  });
});
