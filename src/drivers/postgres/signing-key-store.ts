import type { EntityManager } from '@mikro-orm/postgresql';
import type { SigningKeyReader, SigningKeyWriter } from '../../domain/tokens/signing-key.ts';
import { instant, queryIn } from './database.ts';
import { SigningKeyRow } from './rows.ts';

export function createSigningKeyReader(em: () => EntityManager): SigningKeyReader {
  return {
    async all() {
      const rows = await em().find(SigningKeyRow, {}, { orderBy: { createdAt: 'desc', kid: 'asc' } });
      return rows.map(({ kid, publicJwk, sealedPrivateJwk, createdAt }) => ({
        kid,
        publicJwk,
        sealedPrivateJwk,
        createdAt: instant(createdAt),
      }));
    },
  };
}

/** Any number that nobody else locks: instances that start together on an empty database make one key. */
const FIRST_KEY_LOCK = 7_215_804;

export function createSigningKeyWriter(em: EntityManager): SigningKeyWriter {
  return {
    ...createSigningKeyReader(() => em),

    async addFirst({ kid, publicJwk, sealedPrivateJwk, createdAt }) {
      await queryIn(em)('signing-key-lock', 'select pg_advisory_xact_lock($1)', [FIRST_KEY_LOCK]);
      if ((await em.count(SigningKeyRow)) > 0) return false;
      await em.insert(SigningKeyRow, {
        kid,
        publicJwk: { ...publicJwk },
        sealedPrivateJwk,
        createdAt: new Date(createdAt),
      });
      return true;
    },
  };
}
