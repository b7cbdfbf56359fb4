import type { Keys, KeyPurpose } from '../../kit/secret.ts';
import { Refusal } from '../refusals.ts';
import type { Store, Transaction } from '../store.ts';

const PAGE = 100;

/** Seals what is kept of second factors under the current secret, so that the previous one can be thrown away. Of how many users. */
export async function resealFactors(store: Store, keys: Keys): Promise<number> {
  let count = 0;
  for (let after = ''; ;) {
    const userIds = await store.factors.userIdsAfter(after, PAGE);
    for (const userId of userIds) {
      await store.transaction((tx) => resealOf(tx, userId, keys));
      after = userId;
      count += 1;
    }
    if (userIds.length < PAGE) return count;
  }
}

async function resealOf(tx: Transaction, userId: string, keys: Keys): Promise<void> {
  // Alone with the user: a recovery code that is used meanwhile must not come back.
  await tx.fence.lock({ change: [userId], share: [], policy: null });
  const factor = await tx.factors.find(userId);
  if (factor === null) return;
  const again = (purpose: KeyPurpose, sealed: string): string => {
    const opened = keys.open(purpose, sealed, userId);
    if (opened !== null) return keys.seal(purpose, opened, userId);
    throw new Refusal('CONFLICT', `A second factor of ${userId} was sealed under a secret that is not listed.`);
  };
  await tx.factors.reseal(userId, again('totp-secrets', factor.sealedSecret));
  const codes = await tx.factors.recoveryCodes(userId);
  await tx.factors.replaceRecoveryCodes(
    userId,
    codes.map((each) => again('recovery-codes', each)),
  );
}
