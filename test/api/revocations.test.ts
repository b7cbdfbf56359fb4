import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { apiKeysOn, REVOKE_KEY, UPDATE_KEY } from '../support/api-keys.ts';
import { INSTANCES } from '../support/asking.ts';
import { askOver, type Castellans, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { openStream } from '../support/event-stream.ts';
import { addGateway } from '../support/gateway-key.ts';
import { addGrant, addScopes, revokeGrant } from '../support/people.ts';
import {
  addListener,
  inWords,
  listen,
  listenEverywhere,
  revocations,
  REVOCATIONS,
  type RevocationEvent,
} from '../support/revocations.ts';

const ENFORCED = 'receipt { enforced } position';

let castellans: Castellans;
let alice: SignedInUser;
let key: string;

const { done, createKey } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  key = (await addListener(castellans)).secret;
}, 40_000);

afterAll(() => castellans?.close());

const subscribe = (instance: number, after?: string, apiKey = key) =>
  revocations(castellans, { apiKey, instance, after });

/** As many entries of the log, each in a commit of its own or all in one. */
const change = (count: number) =>
  castellans.rows(
    `insert into authority_log (target, kind, reason) select 'sess_' || n, 'revoked', 'tested' from generate_series(1, $1::int) as n`,
    count,
  );

async function here(): Promise<{ epoch: string; seq: number; position: string }> {
  const [head] = await castellans.rows<{ epoch: string; seq: string }>('select epoch, seq from authority_head');
  const epoch = head?.epoch.slice(0, 8) ?? '';
  return { epoch, seq: Number(head?.seq), position: `${epoch}-${head?.seq}` };
}

const untilApplied = (seq: number) =>
  until(() => castellans.apps.every(({ services }) => services.tail.position.seq >= seq));

const numberOf = (event: RevocationEvent | null) => Number(event?.position.split('-').at(-1));

/** What asking for it over server-sent events is refused with. */
async function refusalOf(headers: Record<string, string>, instance = 0): Promise<readonly unknown[]> {
  const stream = await openStream(castellans.apps[instance]?.url ?? '', REVOCATIONS, { headers });
  const first = stream.status === 200 ? (await stream.all())[0]?.data : await stream.json();
  const { errors = [] } = Object(first) as { errors?: { extensions: { code: string; reason?: string } }[] };
  return errors.map(({ extensions }) => extensions.reason ?? extensions.code);
}

describe('revocations', () => {
  test('are told to a listener on every instance, with the position of the receipt', async () => {
    const bob = await castellans.signUp('bob');
    const phone = await castellans.signIn(bob.email);
    const { apiKey } = await createKey(bob);
    const scope = await castellans.apps[0]?.services.scopes.create(SYSTEM, 'told');
    const role = await castellans.apps[0]?.services.roles.findByName(SYSTEM, 'support');
    const streams = await listenEverywhere(castellans, key);
    const steps: readonly (readonly [words: string, query: string, variables: object])[] = [
      [
        `revoked Session ${phone.sessionId}`,
        `mutation ($id: ID!) { revokeSession(id: $id) { ${ENFORCED} } }`,
        { id: phone.sessionId },
      ],
      [`changed ApiKey ${apiKey.id}`, UPDATE_KEY, { id: apiKey.id, input: { name: 'another' } }],
      [`revoked ApiKey ${apiKey.id}`, REVOKE_KEY, { id: apiKey.id }],
      [
        `changed User ${bob.id}`,
        `mutation ($id: ID!, $role: ID!) { grantRole(principalId: $id, roleId: $role) { ${ENFORCED} } }`,
        { id: bob.id, role: role?.id },
      ],
      [`revoked User ${bob.id}`, `mutation ($id: ID!) { disableUser(id: $id) { ${ENFORCED} } }`, { id: bob.id }],
      [
        `revoked Scope ${scope?.value.id}`,
        `mutation ($id: ID!) { suspendScope(id: $id) { ${ENFORCED} } }`,
        { id: scope?.value.id },
      ],
    ];
    for (const [n, [words, query, variables]] of steps.entries()) {
      const by = query === UPDATE_KEY || query === REVOKE_KEY ? bob : alice;
      const { position } = await done<{ position: string }>(query, variables, { by, instance: n % 3 });
      for (const stream of streams) {
        const event = await stream.next();
        expect([inWords(event), event?.position]).toEqual([words, position]);
      }
    }
    for (const stream of streams) await stream.stop();
  });

  test('say ids and nothing about anybody', async () => {
    const bob = await castellans.signUp('bob');
    const { position } = await here();
    await done(`mutation ($id: ID!) { disableUser(id: $id) { ${ENFORCED} } }`, { id: bob.id });
    const stream = subscribe(1, position);
    expect(await stream.next()).toEqual({
      __typename: 'AuthorityChanged',
      targetType: 'User',
      targetId: bob.id,
      kind: 'revoked',
      at: expect.stringMatching(/Z$/),
      position: expect.any(String),
    });
    await stream.stop();
  });

  test('hundreds at once are all told, to however many listen', async () => {
    const streams = [...(await listenEverywhere(castellans, key)), ...(await listenEverywhere(castellans, key))];
    const { seq } = await here();
    await change(600);
    for (const stream of streams) {
      expect((await stream.take(600)).map(numberOf)).toEqual(Array.from({ length: 600 }, (_, n) => seq + 1 + n));
      await stream.stop();
    }
  });
});

describe('after a position', () => {
  test('nothing is missing and nothing comes twice wherever it is cut, on whichever instance, while more is committed', async () => {
    const whole = await listen(castellans, key, 0);
    let after = (await here()).position;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 9 }), { minLength: 3, maxLength: 6 }), async (cuts) => {
        const changes = [3, 1, 7, 4, 6].map((count) => change(count));
        const cut: (RevocationEvent | null)[] = [];
        for (const [n, count] of [...cuts, 21].entries()) {
          const stream = subscribe(n % 3, after);
          cut.push(...(await stream.take(Math.min(count, 21 - cut.length))));
          after = cut.at(-1)?.position ?? after;
          await stream.stop();
        }
        await Promise.all(changes);
        expect(cut).toEqual(await whole.take(21));
      }),
      { numRuns: 6, endOnFailure: true },
    );
    await whole.stop();
  });

  test('an instance starts over in the log: whoever listens goes on there, without a gap and without a word twice', async () => {
    const streams = await listenEverywhere(castellans, key);
    const { seq } = await here();
    await change(3);
    const ids = castellans.apps.map(({ services }) => services.tail.instanceId);
    await castellans.rows('delete from instances');
    await until(() => castellans.apps.every(({ services }, n) => services.tail.instanceId !== ids[n]));
    await change(2);
    for (const stream of streams) {
      expect((await stream.take(5)).map(numberOf)).toEqual([1, 2, 3, 4, 5].map((n) => seq + n));
      await stream.stop();
    }
  });

  test.each([
    ['another history', () => '00000000-1'],
    ['the other feed', ({ epoch, seq }: { epoch: string; seq: number }) => `events-${epoch}-${seq}`],
    ['what has not happened', ({ epoch, seq }: { epoch: string; seq: number }) => `${epoch}-${seq + 1_000}`],
  ])('of %s comes Resync, and then what happens from now on', async (_, place) => {
    const stream = subscribe(1, place(await here()));
    const resync = await stream.next();
    expect(resync).toEqual({ __typename: 'Resync', position: expect.any(String) });
    await change(1);
    expect(numberOf(await stream.next())).toBe(numberOf(resync) + 1);
    await stream.stop();
  });

  test('that is not kept any more comes Resync, even where something older still is', async () => {
    const { seq, epoch } = await here();
    await change(5);
    // Entries go by their age, and the one whose transaction began first may have been committed last.
    await castellans.rows(
      `update authority_log set at = now() - interval '8 days' where seq < $1 or seq = $1::bigint + 2`,
      seq,
    );
    await untilApplied(seq + 5);
    await castellans.apps[2]?.services.cleaner.clean();
    const kept = subscribe(0, `${epoch}-${seq + 2}`);
    expect((await kept.take(3)).map(numberOf)).toEqual([seq + 3, seq + 4, seq + 5]);
    await kept.stop();
    for (const from of [seq - 2, seq, seq + 1]) {
      const late = subscribe(1, `${epoch}-${from}`);
      expect(await late.next()).toEqual({ __typename: 'Resync', position: `${epoch}-${seq + 5}` });
      await late.stop();
    }
  });

  test('with more behind it than is worth telling comes Resync', async () => {
    const { position } = await here();
    // Numbered here, since numbering is one after the other.
    await castellans.rows(`do $$ begin
      set local session_replication_role = replica;
      insert into authority_log (seq, target, kind, reason)
        select h.seq + n, 'sess_' || n, 'changed', 'tested' from authority_head h, generate_series(1, 5001) as n;
      update authority_head set seq = seq + 5001;
    end $$`);
    await untilApplied((await here()).seq);
    const stream = subscribe(0, position);
    expect((await stream.next())?.__typename).toBe('Resync');
    await stream.stop();
  });

  test.each(['', 'garbage', '1', '00000000-01', 'events-'])('refuses %j as one', async (after) => {
    const { errors } = await askOver(castellans.connect({ apiKey: key }), REVOCATIONS, { variables: { after } });
    expect(errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'after' }]);
  });
});

describe('who is told', () => {
  test('a service account with the permission everywhere, and nobody else', async () => {
    const root = await castellans.signUp('root', ['administrator', 'listener']);
    await addScopes(castellans.apps[0]!.services, 'acme');
    const narrow = await addGateway(castellans, { roles: [] });
    await addGrant(castellans.apps[0]!, { principalId: narrow.id, role: 'listener', scope: 'acme' });
    const [none, other, few] = [
      await addGateway(castellans, { roles: ['gateway', 'service'] }),
      await createKey(root),
      await addGateway(castellans, { roles: ['listener'], permissions: ['user:read'] }),
    ];
    for (const instance of INSTANCES) {
      expect(await refusalOf({}, instance)).toEqual(['UNAUTHENTICATED']);
      expect(await refusalOf({ authorization: `Bearer ${root.accessToken}` }, instance)).toEqual([
        'service_account_required',
      ]);
      expect(await refusalOf({ 'x-api-key': other.secret }, instance)).toEqual(['service_account_required']);
      for (const { secret } of [none, narrow, few])
        expect(await refusalOf({ 'x-api-key': secret }, instance)).toEqual(['FORBIDDEN']);
    }
  });

  test('whose right ends is told so and nothing after it, and the others go on', async () => {
    const gone = await addGateway(castellans, { roles: [] });
    const grant = await addGrant(castellans.apps[0]!, { principalId: gone.id, role: 'listener' });
    const revoked = await addListener(castellans);
    const all = await listenEverywhere(castellans, key);
    const losing = await listenEverywhere(castellans, gone.secret);
    const ending = await listenEverywhere(castellans, revoked.secret);
    expect(await revokeGrant(castellans.apps[0]!, grant)).toBe(true);
    await done(REVOKE_KEY, { id: revoked.keyId });
    await change(1);
    for (const loses of losing) {
      expect(await loses.next()).toMatchObject({ __typename: 'AccessEnded', code: 'FORBIDDEN' });
      expect(await loses.next()).toBeNull();
    }
    for (const ends of ending) {
      expect(inWords(await ends.next())).toBe(`changed ServiceAccount ${gone.id}`);
      expect(await ends.next()).toMatchObject({ __typename: 'AccessEnded', code: 'SESSION_REVOKED' });
    }
    for (const stays of all) {
      expect((await stays.take(3)).map(inWords)).toEqual([
        `changed ServiceAccount ${gone.id}`,
        `revoked ApiKey ${revoked.keyId}`,
        'revoked Session sess_1',
      ]);
      await stays.stop();
    }
  });
});
