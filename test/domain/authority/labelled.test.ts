import { expect, test } from '@jest/globals';
import { Acknowledgements } from '../../../src/domain/authority/acknowledgements.ts';
import { type Found, type Labelled, LabelledCache } from '../../../src/domain/authority/labelled.ts';
import type { AuthorityLog } from '../../../src/domain/authority/log.ts';
import { Tail } from '../../../src/domain/authority/tail.ts';
import { TIMING } from '../../../src/domain/authority/timing.ts';
import { createMemoryHub } from '../../../src/drivers/memory/memory.ts';
import { systemClock as clock } from '../../../src/kit/clock.ts';
import { createLog } from '../../../src/kit/log.ts';
import { keys } from './simulated-bus.ts';

type Entry = Labelled & { readonly value: number };

/** A cache over reads that the test answers one by one, and a log that has not begun. */
function openCache() {
  const reads: { readonly ids: readonly string[]; answer(found: Readonly<Record<string, number>>): void }[] = [];
  const hub = createMemoryHub(clock);
  const logger = createLog('silent');
  const log = {} as AuthorityLog; // a tail that is not started asks it nothing
  const acknowledgements = new Acknowledgements(keys);
  const tail = new Tail({ log, hints: hub.openHints(), acknowledgements, clock, timing: TIMING, logger });
  const cache = new LabelledCache<number, Entry>({
    name: 'number',
    max: 100,
    read: (ids) => {
      const { promise, resolve } = Promise.withResolvers<Found<number>>();
      const answer = (found: Readonly<Record<string, number>>) =>
        resolve({ epoch: '', asOf: 0, found: new Map(Object.entries(found)) });
      reads.push({ ids, answer });
      return promise;
    },
    build: (_, value, snapshot) => ({ ...snapshot, value, dependencies: [], validUntilMs: Infinity }),
    cache: hub.cache,
    keys,
    tail,
    clock,
    logger,
  });
  const nextRead = async (nth: number) => {
    for (let turns = 0; reads[nth] === undefined && turns < 100; turns += 1) await new Promise(setImmediate);
    const read = reads[nth];
    if (read === undefined) throw new Error(`nothing was read for the ${nth + 1}th time`);
    return read;
  };
  return { cache, reads, nextRead };
}

test('those who ask at once share one read, and those who ask later need none', async () => {
  const { cache, reads, nextRead } = openCache();
  const asked = Promise.all(['a', 'b', 'a'].map((id) => cache.of(id)));
  const read = await nextRead(0);
  expect(read.ids).toEqual(['a', 'b']);
  const joined = cache.of('a');
  read.answer({ a: 1, b: 2 });
  expect((await asked).map((each) => each?.value)).toEqual([1, 2, 1]);
  expect((await joined)?.value).toBe(1);
  expect((await cache.of('b'))?.value).toBe(2);
  expect(reads).toHaveLength(1);
});

test('that something was not there is believed of no read that began before the question', async () => {
  const { cache, nextRead } = openCache();
  const before = cache.of('a');
  const first = await nextRead(0);
  const after = cache.of('a');
  first.answer({});
  expect(await before).toBeNull();
  (await nextRead(1)).answer({ a: 1 });
  expect((await after)?.value).toBe(1);
});
