import type { Keys } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';
import type { Store } from '../store.ts';
import { contextOf } from './key-states.ts';

const PAGE = 100;

/** Seals what is kept of API keys under the current secret, so that the previous one can be thrown away. Of how many keys. */
export async function resealApiKeys(store: Store, keys: Keys): Promise<number> {
  const resealed = new Set<string>();
  for (let after = ''; ;) {
    const page = await store.apiKeys.sealedAfter(after, PAGE);
    await store.transaction(async (tx) => {
      for (const { keyId, number, sealedHash } of page) {
        const context = contextOf(keyId, number);
        const hash = keys.open('api-keys', sealedHash, context);
        if (hash === null) {
          throw new Refusal('CONFLICT', `The API key ${keyId} was sealed under a secret that is not listed.`);
        }
        // A secret is never written anew: whatever happens to the key meanwhile, this hash is its own.
        await tx.apiKeys.reseal(keyId, number, keys.seal('api-keys', hash, context));
        resealed.add(keyId);
      }
    });
    const last = page.at(-1);
    if (last === undefined) return resealed.size;
    after = last.keyId;
  }
}
