import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { OutboxReader } from '../../../src/domain/outbox/event.ts';
import { EventFeeds } from '../../../src/domain/outbox/event-feeds.ts';
import { createMemoryHub } from '../../../src/drivers/memory/memory.ts';
import { createStore } from '../../../src/drivers/postgres/store.ts';
import { systemClock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { type Castellans, startCastellans } from '../../support/castellan.ts';

let castellans: Castellans;

beforeAll(async () => {
  castellans = await startCastellans(1);
});

afterAll(() => castellans.close());

/** Feeds over the real outbox, whose statements can be held before they are sent, or their answers after. */
function openFeeds() {
  const [app] = castellans.apps;
  if (app === undefined) throw new TypeError('there is no instance');
  const { outbox } = createStore(app.database);
  const held = new Map<string, { readonly reached: () => void; readonly released: Promise<void> }>();
  const pass = async (where: string): Promise<void> => {
    const gate = held.get(where);
    held.delete(where);
    gate?.reached();
    await gate?.released;
  };
  const reader: OutboxReader = {
    waiting: () => outbox.waiting(),
    head: () => outbox.head(),
    async after(seq, limit) {
      const page = await outbox.after(seq, limit);
      await pass('read by the reader');
      return page;
    },
    ofKinds: (kinds, seq, span) => outbox.ofKinds(kinds, seq, span),
    async ofUser(userId, seq, limit) {
      await pass('before the table is read');
      const page = await outbox.ofUser(userId, seq, limit);
      await pass('after the table is read');
      return page;
    },
  };
  const { drainer, tail } = app.services;
  const clock = systemClock;
  const hints = createMemoryHub(clock).openHints();
  const feeds = new EventFeeds({
    outbox: reader,
    drainer,
    tail,
    hints,
    clock,
    logger: createLog('silent'),
    everyMs: 60_000,
    takesAway: () => false,
    subjectsOf: () => Promise.resolve(new Map()),
  });
  return {
    feeds,
    outbox,
    hold: (where: string) => {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      held.set(where, { reached: reached.resolve, released: released.promise });
      return { reached: reached.promise, release: released.resolve };
    },
    /** One more event of this user's, which has its number. */
    tell: async (userId: string, what: string): Promise<number> => {
      await castellans.rows(
        `insert into outbox (kind, subject_id, user_id, at) values ('thing.happened', $2, $1, now())`,
        userId,
        what,
      );
      await drainer.drain();
      return (await outbox.head()).head;
    },
  };
}

/** Keeps what it is told. */
function aSink() {
  const told: string[] = [];
  const waiting = new Set<() => void>();
  return {
    told,
    begins: () => {},
    event({ subjectId }: { readonly subjectId: string }) {
      told.push(subjectId);
      for (const each of waiting) each();
    },
    resync: () => told.push('Resync'),
    async until(what: string): Promise<void> {
      while (!told.includes(what)) await new Promise<void>((resolve) => waiting.add(resolve));
    },
  };
}

test('what comes between the table’s answer and the end of catching up is told, once', async () => {
  const { feeds, outbox, hold, tell } = openFeeds();
  const userId = 'user_between';
  const [early, late] = [aSink(), aSink()];
  await feeds.open({ userId }, 'now', early);
  const { epoch, head: seq } = await outbox.head();
  await tell(userId, 'missed');

  const table = hold('after the table is read');
  const opened = feeds.open({ userId }, { epoch, seq }, late);
  await table.reached;
  feeds.announce(await tell(userId, 'between'));
  await early.until('between');
  table.release();
  await opened;
  feeds.announce(await tell(userId, 'after'));
  await late.until('after');
  expect([early.told, late.told]).toEqual([
    ['missed', 'between', 'after'],
    ['missed', 'between', 'after'],
  ]);
  await feeds.stop();
});

test('what the reader has in hand when somebody has caught up beyond it is not told again', async () => {
  const { feeds, outbox, hold, tell } = openFeeds();
  const userId = 'user_beyond';
  const [early, late] = [aSink(), aSink()];
  await feeds.open({ userId }, 'now', early);
  const { epoch, head: seq } = await outbox.head();

  const table = hold('before the table is read');
  const opened = feeds.open({ userId }, { epoch, seq }, late);
  await table.reached;
  const reader = hold('read by the reader');
  feeds.announce(await tell(userId, 'twice read'));
  await reader.reached;
  table.release();
  await opened;
  expect([early.told, late.told]).toEqual([[], ['twice read']]);
  reader.release();
  await early.until('twice read');
  feeds.announce(await tell(userId, 'after'));
  await late.until('after');
  expect(late.told).toEqual(['twice read', 'after']);
  await feeds.stop();
});
