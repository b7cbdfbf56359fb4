import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { untilFollowed } from '../support/session-events.ts';
import { ofType, openSocket } from '../support/socket.ts';

/** Apollo Router's WebSockets as it writes them: a socket for each subscription, the token in two places. */

const QUERY = `subscription {
  sessionEvents { __typename ... on SessionRevoked { sessionId } ... on AccessEnded { code } }
}`;
const REVOKE = 'mutation ($id: ID!) { revokeSession(id: $id) { receipt { enforced } } }';
/** The router numbers subscriptions by itself. */
const ID = '1';

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let carol: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  [bob, carol] = [await castellans.signUp('bob'), await castellans.signUp('carol')];
}, 40_000);

afterAll(() => castellans.close());

async function subscribe(token: string | null, instance: number, { upgrade = true, payload = true } = {}) {
  const headers = token === null || !upgrade ? {} : { authorization: `Bearer ${token}` };
  const url = `${castellans.apps[instance]?.url.replace('http', 'ws')}/graphql`;
  const socket = await openSocket(url, { headers });
  socket.init(token === null || !payload ? {} : { connectionParams: { token } });
  await socket.next(ofType('connection_ack'));
  socket.send({
    id: ID,
    type: 'subscribe',
    payload: { query: QUERY, operationName: null, variables: {}, extensions: null },
  });
  return socket;
}

const revoke = (id: string) => castellans.ask(REVOKE, { variables: { id }, token: alice.accessToken });
const event = (sessionEvents: object) => ({ id: ID, type: 'next', payload: { data: { sessionEvents } } });

test.each([
  ['the payload and the upgrade', {}],
  ['the payload alone', { upgrade: false }],
  ['the upgrade alone', { payload: false }],
])(
  'with the token in %s: events, AccessEnded, complete and 4401, and the socket beside it goes on',
  async (_, where) => {
    const laptop = await castellans.signIn(bob.email);
    const phone = await castellans.signIn(bob.email);
    const tablet = await castellans.signIn(carol.email);
    await untilFollowed(castellans, 0, 0);
    const ofBob = await subscribe(laptop.accessToken, 0, where);
    const ofCarol = await subscribe(carol.accessToken, 0, where);
    await untilFollowed(castellans, 0, 2);
    await revoke(phone.sessionId);
    expect(await ofBob.next(ofType('next'))).toEqual(
      event({ __typename: 'SessionRevoked', sessionId: phone.sessionId }),
    );

    await revoke(laptop.sessionId);
    expect(await ofBob.next(ofType('next'))).toEqual(event({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' }));
    expect(await ofBob.next(ofType('complete'))).toMatchObject({ id: ID });
    expect(await ofBob.closed).toBe(4401);

    await revoke(tablet.sessionId);
    expect(await ofCarol.next(ofType('next'))).toEqual(
      event({ __typename: 'SessionRevoked', sessionId: tablet.sessionId }),
    );
    ofCarol.close();
  },
);

test('without a token it is told UNAUTHENTICATED, and with one that was revoked the socket closes', async () => {
  const anonymous = await subscribe(null, 1);
  expect(await anonymous.next(ofType('next'))).toMatchObject({
    payload: { errors: [{ extensions: { code: 'UNAUTHENTICATED' } }] },
  });
  expect(await anonymous.next(ofType('complete'))).toMatchObject({ id: ID });
  anonymous.close();

  const { accessToken, sessionId } = await castellans.signUp('dave');
  await revoke(sessionId);
  for (const instance of [0, 1, 2]) {
    const url = `${castellans.apps[instance]?.url.replace('http', 'ws')}/graphql`;
    const socket = await openSocket(url);
    socket.init({ connectionParams: { token: accessToken } });
    expect(await socket.closed).toBe(4401);
  }
});
