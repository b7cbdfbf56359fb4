import type { SigningKey, SigningKeyReader, SigningKeyWriter } from '../../domain/tokens/signing-key.ts';
import { instant, instantOrNull } from './database.ts';
import type { Query } from './query.ts';
import { LOCKS } from './locks.ts';
import type { Statements } from './transactions.ts';

interface SigningKeySqlRow {
  readonly kid: string;
  readonly public_jwk: Readonly<Record<string, string>>;
  readonly sealed_private_jwk: string;
  readonly created_at: string | Date;
  readonly signs_from: string | Date;
  readonly revoked_at: string | Date | null;
}

export function createSigningKeyReader(query: Query): SigningKeyReader {
  return {
    async all() {
      const rows = await query<SigningKeySqlRow>(
        'signing-key-all',
        `select kid, public_jwk, sealed_private_jwk, created_at, signs_from, revoked_at from signing_keys
         order by signs_from desc, kid`,
        [],
      );
      return rows.map(toSigningKey);
    },
  };
}

function toSigningKey(row: SigningKeySqlRow): SigningKey {
  return {
    kid: row.kid,
    publicJwk: row.public_jwk,
    sealedPrivateJwk: row.sealed_private_jwk,
    createdAt: instant(row.created_at),
    signsFrom: instant(row.signs_from),
    revokedAt: instantOrNull(row.revoked_at),
  };
}

export function createSigningKeyWriter({ query, send }: Statements): SigningKeyWriter {
  const reader = createSigningKeyReader(query);
  const lock = async () => {
    await send('signing-key-lock', 'select pg_advisory_xact_lock($1)', [LOCKS.signingKeys]);
    return reader.all();
  };
  const add = async ({ kid, publicJwk, sealedPrivateJwk, createdAt, signsFrom }: SigningKey) => {
    await send(
      'signing-key-add',
      `insert into signing_keys (kid, public_jwk, sealed_private_jwk, created_at, signs_from) values ($1, $2, $3, $4, $5)`,
      [kid, JSON.stringify(publicJwk), sealedPrivateJwk, createdAt, signsFrom],
    );
  };
  return {
    ...reader,
    lock,
    add,

    async addFirst(key) {
      if ((await lock()).length > 0) return false;
      await add(key);
      return true;
    },

    async revoke(kid, at) {
      const text = 'update signing_keys set revoked_at = $2 where kid = $1 and revoked_at is null';
      await send('signing-key-revoke', text, [kid, at]);
    },

    async reseal(kid, sealedPrivateJwk) {
      const text = 'update signing_keys set sealed_private_jwk = $2 where kid = $1';
      await send('signing-key-reseal', text, [kid, sealedPrivateJwk]);
    },
  };
}
