import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { apiKeysOn, UPDATE_KEY } from '../support/api-keys.ts';
import { INSTANCES } from '../support/asking.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { listening, SESSION_EVENTS, type SessionEvent } from '../support/session-events.ts';

/** Whether an API key is told of what happens to the sessions of its owner. */

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;

const { done, createKey, addAccount } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3);
  [alice, bob] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('bob')];
}, 40_000);

afterAll(() => castellans?.close());

interface Told {
  readonly data?: { readonly sessionEvents: SessionEvent } | null;
  readonly errors?: readonly { readonly extensions: { readonly code: string } }[];
}

const openWith = (secret: string, instance: number) =>
  openStream(castellans.apps[instance]?.url ?? '', SESSION_EVENTS, { headers: { 'x-api-key': secret } });

/** The codes that a key is refused with. */
async function refusedWith(secret: string, instance: number): Promise<readonly unknown[]> {
  const [first] = await (await openWith(secret, instance)).all();
  return ((first?.data ?? {}) as Told).errors?.map(({ extensions }) => extensions.code) ?? [];
}

test('a key is told where its permissions have session:read, or it has all of its owner, and is FORBIDDEN otherwise', async () => {
  const [all, some, none] = [
    await createKey(bob),
    await createKey(bob, { permissions: ['session:read'] }),
    await createKey(bob, { permissions: ['user:read', 'session:revoke'] }),
  ];
  const open: Awaited<ReturnType<typeof openWith>>[] = [];
  for (const instance of INSTANCES) {
    expect(await refusedWith(none.secret, instance)).toEqual(['FORBIDDEN']);
    for (const { secret } of [all, some]) {
      const stream = await listening(castellans, instance, () => openWith(secret, instance));
      const { sessionId } = await castellans.signIn(bob.email);
      const told = ((await stream.next())?.data ?? {}) as Told;
      expect(told.data?.sessionEvents).toMatchObject({ __typename: 'SessionStarted', sessionId });
      open.push(stream);
    }
  }
  for (const stream of open) stream.leave();
});

test('a key of a service account has no sessions to be told of', async () => {
  const serviceAccountId = await addAccount('listener', ['service']);
  const { secret } = await createKey(alice, { serviceAccountId });
  expect(await refusedWith(secret, 0)).toEqual(['FORBIDDEN']);
});

test('a key that loses session:read is told of nothing from the receipt on, on every instance', async () => {
  const { apiKey, secret } = await createKey(bob, { permissions: ['session:read', 'user:read'] });
  const streams = await Promise.all(
    INSTANCES.map((instance) => listening(castellans, instance, () => openWith(secret, instance))),
  );
  const input = { permissions: ['user:read'] };
  expect(await done(UPDATE_KEY, { id: apiKey.id, input }, { by: bob })).toMatchObject({ receipt: { enforced: true } });
  await castellans.signIn(bob.email);
  for (const stream of streams) {
    const told = (await stream.all()).map(({ data }) => (data as Told | null)?.data?.sessionEvents);
    expect(told.filter((event) => event !== undefined)).toEqual([
      expect.objectContaining({ __typename: 'AccessEnded', code: 'FORBIDDEN' }),
    ]);
  }
});
