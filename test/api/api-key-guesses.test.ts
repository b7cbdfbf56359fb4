import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeApiKey } from '../../src/domain/api-keys/key-format.ts';
import { newId } from '../../src/kit/ids.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import { type Castellans, type SignedInUser, startCastellans } from '../support/castellan.ts';

/** Whether the time that a refusal takes tells which keys there are. */

const GUESSES = 2_000;

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
  const { apiKey } = await createKey(alice);
  const known = makeApiKey(apiKey.id, 'dev').text;
  const unknown = makeApiKey(newId('apiKey'), 'dev').text;
  const other = makeApiKey(newId('apiKey'), 'dev').text;
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
    const times = new Map([known, unknown, other].map((text) => [text, [] as number[]]));
    for (let n = 0; n < GUESSES; n += 1) {
      // In turns, and whoever is first is another each time.
      const texts = [...times.keys()];
      for (const at of texts.keys()) {
        const text = texts[(at + n) % texts.length] ?? '';
        const took = await refused(text);
        // What is known already has come to rest.
        if (n >= GUESSES / 4) times.get(text)?.push(took);
      }
    }
    const of = (text: string) => times.get(text) ?? [];
    // A coin that falls as often on either side. Two unknown ones are as alike as it gets.
    for (const [a, b] of [
      [known, unknown],
      [unknown, other],
    ] as const) {
      const share = slowerShare(of(a), of(b));
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
