import { afterEach, expect, test } from '@jest/globals';
import type { LiveAbility, LiveAbilitySettings } from '../../src/sdk/client.ts';
import { changed, rules, startAnotherServer } from './another-server.ts';
import { countUpdates, openLive, when } from './live.ts';

type Server = Awaited<ReturnType<typeof startAnotherServer>>;

const lives = openLive();
let server: Server | undefined;

afterEach(() => {
  lives.dispose();
  server?.close();
});

async function start(
  script: Parameters<typeof startAnotherServer>[0],
  options: Partial<LiveAbilitySettings> & { readonly refresh?: () => Promise<void> } = {},
): Promise<LiveAbility> {
  server = await startAnotherServer(script);
  return lives.start({ url: server.url, accessToken: () => 'token', ...options });
}

const actionsIn = ({ ability }: LiveAbility) => ability.rules.flatMap(({ action }) => action);

test('what comes late or twice never moves the rules backwards', async () => {
  let after: string | null = null;
  const live = await start({
    read: () => rules('aaaaaaaa-10', 'read'),
    subscribed(visitor) {
      after = visitor.after;
      visitor.send(changed('aaaaaaaa-12', 'read', 'disable'));
      visitor.send(changed('aaaaaaaa-12', 'read', 'disable'));
      visitor.send(changed('aaaaaaaa-9', 'everything'));
      // Numbers, not text: 9 comes before 12, and 100 after it.
      visitor.send(changed('aaaaaaaa-100', 'update'));
      // A restored database counts anew, and what spoke of the one before is past.
      visitor.send(changed('bbbbbbbb-1', 'create'));
      visitor.send(changed('aaaaaaaa-101', 'everything'));
      visitor.send(changed('bbbbbbbb-2', 'last'));
    },
  });
  const seen: unknown[] = [];
  live.ability.on('updated', () => seen.push(actionsIn(live)));
  await when(live, () => live.ability.can('last', 'User'));
  expect(after).toBe('aaaaaaaa-10');
  expect(seen).toEqual([['read'], ['read', 'disable'], ['update'], ['create'], ['last']]);
});

test('an instance that is behind is asked again until it has caught up', async () => {
  const asked: string[] = [];
  const live = await start({
    read({ number }, reads) {
      asked.push(`${number}.${reads}`);
      return number === 0 || reads > 1 ? rules('aaaaaaaa-10', 'new') : rules('aaaaaaaa-8', 'old');
    },
    subscribed: (visitor) => visitor.number === 0 && visitor.close(1001, 'Going away'),
  });
  await live.ready;
  const updates = countUpdates(live);
  await when(live, () => live.state === 'reconnecting');
  await when(live, () => live.state === 'live');
  expect(actionsIn(live)).toEqual(['new']);
  expect(asked).toEqual(['0.0', '1.0', '1.1', '1.2']);
  expect(updates.count).toBe(0);
});

test('rights that ended by time while it was away are gone, though the position is the same', async () => {
  const live = await start({
    read: ({ number }) => (number === 0 ? rules('aaaaaaaa-10', 'read', 'disable') : rules('aaaaaaaa-10', 'read')),
    subscribed: (visitor) => visitor.number === 0 && visitor.close(1001, 'Going away'),
  });
  await live.ready;
  await when(live, () => live.ability.cannot('disable', 'User'));
  expect(actionsIn(live)).toEqual(['read']);
});

test('after Resync the rules are read again, over the same socket', async () => {
  const live = await start({
    read: (_, reads) => (reads === 0 ? rules('aaaaaaaa-10', 'read') : rules('bbbbbbbb-1', 'update')),
    subscribed: (visitor) => visitor.after === 'aaaaaaaa-10' && visitor.send({ __typename: 'Resync' }),
  });
  await when(live, () => live.ability.can('update', 'User'));
  expect(actionsIn(live)).toEqual(['update']);
  expect(server?.visitors).toBe(1);
});

test('a close with 4401 ends access, also without a last word', async () => {
  const ended: unknown[] = [];
  const live = await start(
    {
      read: () => rules('aaaaaaaa-1', 'read'),
      subscribed: (visitor) => visitor.close(4401, 'SESSION_REVOKED'),
    },
    { onEnded: (code) => ended.push(code, actionsIn(live)) },
  );
  await when(live, () => live.state === 'ended');
  expect(ended).toEqual(['SESSION_REVOKED', []]);
  expect(server?.visitors).toBe(1);
});

test('Castellan’s own trouble neither ends access nor asks for a fresh token', async () => {
  const states: string[] = [];
  const live = await start(
    {
      read: ({ number }) => (number === 0 ? 'AUTHORITY_UNAVAILABLE' : rules('aaaaaaaa-1', 'read')),
      subscribed(visitor) {
        if (visitor.number === 1) visitor.close(4403, 'AUTHORITY_UNAVAILABLE');
        if (visitor.number === 2) visitor.send({ __typename: 'AccessEnded', code: 'AUTHORITY_UNAVAILABLE' });
      },
    },
    {
      refresh() {
        states.push('refresh');
        return Promise.resolve();
      },
      onEnded: (code) => states.push(code),
    },
  );
  live.subscribe(() => states.push(live.state));
  await when(live, () => server?.visitors === 4 && live.state === 'live');
  expect(states).toEqual(['live', 'reconnecting', 'live', 'reconnecting', 'live']);
});

test('a refresh that fails for now is tried again', async () => {
  let refreshes = 0;
  const live = await start(
    {
      read: () => (refreshes < 2 ? 'TOKEN_EXPIRED' : rules('aaaaaaaa-1', 'read')),
    },
    { refresh: () => ((refreshes += 1) === 1 ? Promise.reject(new Error('offline')) : Promise.resolve()) },
  );
  await live.ready;
  expect(refreshes).toBe(2);
});
