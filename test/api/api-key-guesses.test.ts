import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeApiKey } from '../../src/domain/api-keys/key-format.ts';
import { newId } from '../../src/kit/ids.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';

/** Whether the time that a refusal takes tells which keys there are. */

const GUESSES = 2_000;
/** One id takes a little longer than another, whatever it is of: by chance of where it is kept. */
const IDS = 16;

let castellans: Castellans;
let alice: SignedInUser;

const { createKey } = apiKeysOn(
  () => castellans,
  () => alice,
);

beforeAll(async () => {
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
}, 40_000);

afterAll(() => castellans?.close());

test('AC-49c: a wrong secret takes no other time where there is a key of that id than where there is none', async () => {
  const ids = await Promise.all(Array.from({ length: IDS }, async () => (await createKey(alice)).apiKey.id));
  const texts = ids.map((id) => ({
    known: makeApiKey(id, 'dev').text,
    unknown: makeApiKey(newId('apiKey'), 'dev').text,
    other: makeApiKey(newId('apiKey'), 'dev').text,
  }));
  const kinds = ['known', 'unknown', 'other'] as const;
  for (const { services } of castellans.apps) {
    const refused = async (text: string): Promise<number> => {
      const startedMs = performance.now();
      const code: unknown = await services.identification.identify({ kind: 'apiKey', text, from: null }).then(
        () => 'let in',
        (error: unknown) => Object(error)['code'],
      );
      const took = performance.now() - startedMs;
      expect(code).toBe('UNAUTHENTICATED');
      return took;
    };
    const times: Record<(typeof kinds)[number], number[]> = { known: [], unknown: [], other: [] };
    for (let n = 0; n < GUESSES; n += 1) {
      // In turns, and whoever is first is another each time.
      for (const at of kinds.keys()) {
        const kind = kinds[(at + n) % kinds.length] ?? 'other';
        const took = await refused(texts[n % IDS]?.[kind] ?? '');
        // What is known already has come to rest.
        if (n >= GUESSES / 4) times[kind].push(took);
      }
    }
    // A coin that falls as often on either side. Two unknown ones are as alike as it gets.
    for (const [a, b] of [
      ['known', 'unknown'],
      ['unknown', 'other'],
    ] as const) {
      const share = slowerShare(times[a], times[b]);
      expect({ share, even: share > 0.3 && share < 0.7 }).toEqual({ share, even: true });
    }
  }
});

/** How often one of `a` is greater than one of `b`, of all pairs; a tie counts half. */
function slowerShare(a: readonly number[], b: readonly number[]): number {
  let slower = 0;
  for (const x of a) for (const y of b) slower += x > y ? 1 : Number(x === y) / 2;
  return slower / (a.length * b.length);
}
