import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Client } from 'pg';
import { WebSocket } from 'ws';
import { askOver, MANY_ALIASES, type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';
import {
  endOfFeed,
  listening,
  numberOf,
  said,
  SESSION_EVENTS,
  type SessionEvent,
  sessionEvents,
} from '../support/session-events.ts';

const INSTANCES = [0, 1, 2];
const SIGN_OUT = 'mutation { signOut { position } }';
const REFRESH = 'mutation ($token: String) { refreshSession(refreshToken: $token) { position } }';
const POSITION = /^events-[0-9a-f]{8}-\d+$/;

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(3, { settings: { limits: MANY_ALIASES } });
});

afterAll(() => castellans.close());

const subscribe = ({ accessToken }: Pick<SignedInUser, 'accessToken'>, instance: number, after?: string) =>
  sessionEvents(castellans.connect({ token: accessToken, instance }), after);

const following = (user: SignedInUser, instance: number) =>
  listening(castellans, instance, () => subscribe(user, instance));

/** A session of this user from its beginning to its end, over all instances: three events. */
async function comeAndGo({ email }: SignedInUser): Promise<void> {
  const phone = await castellans.signIn(email, 0);
  await castellans.ask(REFRESH, { variables: { token: phone.refreshToken }, instance: 1 });
  await castellans.ask(SIGN_OUT, { token: phone.accessToken, instance: 2 });
}

/** As many events of this user's, without a word to anybody. */
const tell = ({ id }: SignedInUser, count: number) =>
  castellans.rows(
    `insert into outbox (kind, subject_id, user_id, at)
     select 'session.refreshed', 'sess_' || n, $1, now() from generate_series(1, $2::int) as n order by n`,
    id,
    count,
  );

async function epoch(): Promise<string> {
  const [head] = await castellans.rows<{ epoch: string }>('select epoch from authority_head');
  return head?.epoch.slice(0, 8) ?? '';
}

/** Somebody with a reason to look back: eight events, as somebody who saw them all was told of them. */
async function withPast(): Promise<{ bob: SignedInUser; past: readonly (SessionEvent | null)[] }> {
  const bob = await castellans.signUp('bob');
  const stream = await following(bob, 0);
  await comeAndGo(bob);
  await comeAndGo(bob);
  await castellans.signIn(bob.email);
  await castellans.ask(REFRESH, { variables: { token: bob.refreshToken }, instance: 1 });
  const past = await stream.take(8);
  await stream.stop();
  return { bob, past };
}

describe('after a position', () => {
  test('of any event come exactly those after it, on every instance', async () => {
    const { bob, past } = await withPast();
    for (const [n, event] of past.entries()) {
      const stream = subscribe(bob, n % 3, event?.position);
      expect(await stream.take(past.length - n - 1)).toEqual(past.slice(n + 1));
      await stream.stop();
    }
    const next = await castellans.signIn(bob.email);
    const last = subscribe(bob, 1, past.at(-1)?.position);
    expect(said(await last.next())).toEqual(['SessionStarted', next.sessionId]);
    await last.stop();
  });

  test('nothing is missing and nothing comes twice wherever it is cut, while more is committed', async () => {
    const bob = await castellans.signUp('bob');
    const whole = await following(bob, 0);
    let first = await endOfFeed(castellans);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 7 }), { minLength: 3, maxLength: 6 }), async (cuts) => {
        // Several at once, so that numbers are given while others read.
        const people = [comeAndGo(bob), ...[5, 1, 9, 3].map((count) => tell(bob, count))];
        const cut: (SessionEvent | null)[] = [];
        let after = first;
        for (const [n, count] of [...cuts, 21 - cuts.reduce((a, b) => a + b, 0)].entries()) {
          const stream = subscribe(bob, n % 3, after);
          cut.push(...(await stream.take(Math.max(0, Math.min(count, 21 - cut.length)))));
          after = cut.at(-1)?.position ?? after;
          await stream.stop();
        }
        await Promise.all(people);
        const rest = subscribe(bob, 1, after);
        cut.push(...(await rest.take(21 - cut.length)));
        await rest.stop();
        const all = await whole.take(21);
        expect(cut).toEqual(all);
        expect(new Set(all.map((event) => event?.position)).size).toBe(21);
        first = all.at(-1)?.position ?? first;
      }),
      { numRuns: 8, endOnFailure: true },
    );
    await whole.stop();
  });

  test('of AccessEnded comes what was not told, once its user has signed in again', async () => {
    const bob = await castellans.signUp('bob');
    const stream = await following(bob, 1);
    const phone = await castellans.signIn(bob.email);
    expect(said(await stream.next())).toEqual(['SessionStarted', phone.sessionId]);
    await castellans.ask(SIGN_OUT, { token: bob.accessToken, instance: 2 });
    const ended = await stream.next();
    expect(ended).toMatchObject({ __typename: 'AccessEnded', position: expect.stringMatching(POSITION) });
    const again = await castellans.signIn(bob.email);
    const resumed = subscribe(again, 0, ended?.position);
    expect((await resumed.take(2)).map(said)).toEqual([
      ['SessionRevoked', bob.sessionId],
      ['SessionStarted', again.sessionId],
    ]);
    await resumed.stop();
  });

  test.each([
    ['another history', async () => '00000000-1'],
    ['another history of this feed', async () => 'events-00000000-1'],
    ['the authority log', async () => `${await epoch()}-1`],
    [
      'what has not happened',
      async () =>
        `events-${await epoch()}-${numberOf({ position: await endOfFeed(castellans), __typename: '' }) + 1_000}`,
    ],
  ])('of %s comes Resync, and then what happens from now on', async (_, place) => {
    const bob = await castellans.signUp('bob');
    const stream = subscribe(bob, 1, await place());
    expect(await stream.next()).toEqual({ __typename: 'Resync', position: expect.stringMatching(POSITION) });
    const phone = await castellans.signIn(bob.email);
    expect(said(await stream.next())).toEqual(['SessionStarted', phone.sessionId]);
    await stream.stop();
  });

  test('that is not kept any more comes Resync, and with its position what happened since', async () => {
    const { bob, past } = await withPast();
    const [seq] = [numberOf(past[3])];
    await castellans.rows(`update outbox set added_at = now() - interval '8 days' where seq <= $1`, seq);
    await castellans.apps[2]?.services.cleaner.clean();
    const kept = subscribe(bob, 0, past[3]?.position);
    expect(await kept.take(4)).toEqual(past.slice(4));
    const late = subscribe(bob, 2, past[2]?.position);
    const resync = await late.next();
    expect(resync?.__typename).toBe('Resync');
    const phone = await castellans.signIn(bob.email);
    for (const stream of [kept, late, subscribe(bob, 1, resync?.position)]) {
      expect(said(await stream.next())).toEqual(['SessionStarted', phone.sessionId]);
      await stream.stop();
    }
  });

  test('with more behind it than is worth telling comes Resync', async () => {
    const bob = await castellans.signUp('bob');
    const start = await endOfFeed(castellans);
    await tell(bob, 2_000);
    await endOfFeed(castellans);
    const stream = subscribe(bob, 0, start);
    const all = await stream.take(2_000);
    expect([all.at(0)?.sessionId, all.at(-1)?.sessionId]).toEqual(['sess_1', 'sess_2000']);
    await stream.stop();
    await tell(bob, 1);
    await endOfFeed(castellans);
    const tooMuch = subscribe(bob, 0, start);
    expect((await tooMuch.next())?.__typename).toBe('Resync');
    await tooMuch.stop();
  });

  test.each([
    '',
    'garbage',
    '1',
    '00000000-01',
    '00000000--1',
    'events-',
    'events-00000000',
    'events-events-00000000-1',
    '\u0000',
  ])('refuses %j as one', async (after) => {
    const bob = await castellans.signUp('bob');
    const answer = await askOver(castellans.connect({ token: bob.accessToken }), SESSION_EVENTS, {
      variables: { after },
    });
    expect(answer.data).toBeNull();
    expect(answer.errors.map(({ extensions }) => extensions)).toEqual([{ code: 'BAD_USER_INPUT', field: 'after' }]);
  });
});

describe('when something fails', () => {
  test('whoever numbers is killed: nothing is lost, and nothing is told twice', async () => {
    const bob = await castellans.signUp('bob');
    const streams = await Promise.all(INSTANCES.map((instance) => following(bob, instance)));
    // As of an instance that is killed on the way: its connection ends within the transaction that numbers.
    const killed = new Client({ connectionString: castellans.databaseUrl });
    killed.on('error', () => {});
    await killed.connect();
    await killed.query('begin');
    await killed.query('select pg_advisory_xact_lock(7215809)');
    const phone = await castellans.signIn(bob.email, 1);
    await killed.query(`with head as (update outbox_head set seq = seq + 1 where id = 1 returning seq)
      update outbox set seq = head.seq from head where outbox.seq is null`);
    const [own] = (await killed.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    await castellans.rows('select pg_terminate_backend($1)', own?.pid);
    const desk = await castellans.signIn(bob.email, 2);
    for (const stream of streams) {
      expect((await stream.take(2)).map(said)).toEqual([
        ['SessionStarted', phone.sessionId],
        ['SessionStarted', desk.sessionId],
      ]);
      await stream.stop();
    }
  });

  test('no hint comes: what happened is told with the next look at the table', async () => {
    const bob = await castellans.signUp('bob');
    const streams = await Promise.all(INSTANCES.map((instance) => following(bob, instance)));
    // Nobody is told that there is something to number, nor that it has its number.
    await castellans.rows(
      `with head as (update outbox_head set seq = seq + 1 where id = 1 returning seq)
       insert into outbox (seq, kind, subject_id, user_id, at)
       select seq, 'session.refreshed', 'sess_unheard', $1, now() from head`,
      bob.id,
    );
    for (const stream of streams) {
      expect(said(await stream.next())).toEqual(['SessionRefreshed', 'sess_unheard']);
      await stream.stop();
    }
  });

  test('a subscriber does not read: it is told to resync in place of growing our memory, and resumes from there', async () => {
    const bob = await castellans.signUp('bob');
    // Each event is some ten kilobytes, so that not all of them fit into what lies between.
    const many = Array.from({ length: 900 }, (_, n) => `p${n}: position`).join(' ');
    const query = `subscription { sessionEvents {
      __typename ... on SessionRefreshed { sessionId position ${many} } ... on Resync { position } } }`;
    const socket = new WebSocket(`${castellans.apps[0]?.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const events: SessionEvent[] = [];
    const completed = Promise.withResolvers<void>();
    socket.on('message', (data: Buffer) => {
      const { type, payload } = JSON.parse(data.toString()) as {
        type: string;
        payload?: { data: { sessionEvents: SessionEvent } };
      };
      if (type === 'connection_ack') socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }));
      if (type === 'next' && payload !== undefined) events.push(payload.data.sessionEvents);
      if (type === 'complete') completed.resolve();
    });
    await new Promise((resolve) => socket.once('open', resolve));
    await listening(castellans, 0, () => {
      socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${bob.accessToken}` } }));
      return { next: () => Promise.resolve() };
    });
    socket.pause();
    await tell(bob, 1_000);
    const end = await endOfFeed(castellans);
    const other = subscribe(bob, 0, end);
    await tell(bob, 1);
    await endOfFeed(castellans);
    await other.next();
    await other.stop();

    socket.resume();
    await completed.promise;
    socket.terminate();
    const told = events.slice(0, -1);
    expect(told.map(({ sessionId }) => sessionId)).toEqual(told.map((_, n) => `sess_${n + 1}`));
    expect(told.length).toBeLessThan(1_000);
    expect(events.at(-1)?.__typename).toBe('Resync');
    const after = numberOf(events.at(-1));
    const rest = subscribe(bob, 0, events.at(-1)?.position);
    expect(numberOf(await rest.next())).toBe(after + 1);
    await rest.stop();
  });
});
