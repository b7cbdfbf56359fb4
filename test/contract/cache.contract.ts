import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Cache } from '../../src/domain/authority/cache.ts';

/** The words of the port's doc comment. */
export type CacheLaw = keyof typeof LAWS;

export interface OpenCache {
  readonly cache: Cache;
  /** Lets the time pass by which the driver counts. */
  readonly pass: (seconds: number) => Promise<void>;
  /** From now on whatever holds the values does not answer. */
  readonly hang: () => Promise<void>;
  readonly release: () => Promise<void>;
}

export interface CacheDriver {
  readonly name: string;
  /** Laws that have no case for this driver, each with the reason. */
  readonly except?: Partial<Record<CacheLaw, string>>;
  readonly open: () => Promise<OpenCache>;
}

export function describeCacheContract({ name, except = {}, open }: CacheDriver): void {
  describe(`the ${name} cache`, () => {
    const reasons: Readonly<Record<string, string | undefined>> = except;
    let opened: OpenCache;
    let key: string;

    beforeAll(async () => {
      opened = await open();
    });
    beforeEach(() => {
      key = `castellan:{test}:${randomUUID()}`;
    });
    afterAll(() => opened?.release());

    // The laws of a driver that hangs come last: it goes on hanging.
    for (const [law, prove] of Object.entries(LAWS)) {
      const reason = reasons[law];
      if (reason === undefined) test(law, () => prove(opened, key));
      else process.stdout.write(`the ${name} cache is excused from "${law}": ${reason}\n`);
    }
  });
}

const LAWS = {
  'must answer in the order of the keys': async ({ cache }: OpenCache, key: string) => {
    await Promise.all(['a', 'b', 'c'].map((letter) => cache.write(`${key}${letter}`, `value ${letter}`, 60)));
    expect(await cache.read([`${key}c`, `${key}a`, `${key}b`, `${key}a`])).toEqual([
      'value c',
      'value a',
      'value b',
      'value a',
    ]);
    expect(await cache.read([])).toEqual([]);
  },

  'must answer with null for what is missing': async ({ cache }: OpenCache, key: string) => {
    await cache.write(`${key}there`, 'value', 60);
    expect(await cache.read([`${key}missing`, `${key}there`, key])).toEqual([null, 'value', null]);
  },

  'must keep the value for at most `ttlSeconds`': async ({ cache, pass }: OpenCache, key: string) => {
    await cache.write(`${key}short`, 'value', 1);
    await cache.write(`${key}long`, 'value', 60);
    await pass(1.1);
    expect(await cache.read([`${key}short`, `${key}long`])).toEqual([null, 'value']);

    await cache.write(`${key}long`, 'not kept', 0);
    expect(await cache.read([`${key}long`])).toEqual([null]);
  },

  'must never throw: a value that was not kept is a later miss': async ({ cache }: OpenCache, key: string) => {
    for (const [value, ttlSeconds] of [
      ['x'.repeat(1_000_000), 60],
      ['', 60],
      ['value', -1],
      ['value', Number.NaN],
      ['value', Number.POSITIVE_INFINITY],
    ] as const) {
      await cache.write(key, 'before', 60);
      await expect(cache.write(key, value, ttlSeconds)).resolves.toBeUndefined();
      expect(await cache.read([key])).toEqual([null]);
    }
  },

  'must forget the keys': async ({ cache }: OpenCache, key: string) => {
    for (const letter of ['a', 'b', 'c']) await cache.write(`${key}${letter}`, letter, 60);
    await cache.forget([`${key}a`, `${key}c`, `${key}missing`]);
    await cache.forget([]);
    expect(await cache.read([`${key}a`, `${key}b`, `${key}c`])).toEqual([null, 'b', null]);
  },

  'must answer with null for all when it cannot answer in time': async ({ cache, hang }: OpenCache, key: string) => {
    await cache.write(key, 'value', 60);
    await hang();
    expect(await cache.read([key, `${key}missing`])).toEqual([null, null]);
    expect(await cache.read([key])).toEqual([null]);
  },

  'must never throw when it cannot answer in time': async ({ cache, hang }: OpenCache, key: string) => {
    await hang();
    await expect(cache.write(key, 'value', 60)).resolves.toBeUndefined();
    await expect(cache.forget([key])).resolves.toBeUndefined();
  },
};
