import type { Instant } from '../../kit/clock.ts';

/** What signs our access tokens. Its private half is sealed at rest. */
export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: Readonly<Record<string, string>>;
  readonly sealedPrivateJwk: string;
  readonly createdAt: Instant;
  /** From then on it signs, until the next one does. Before, it is only published. */
  readonly signsFrom: Instant;
  /** Since then nothing it signed is accepted. */
  readonly revokedAt: Instant | null;
}

export interface SigningKeyReader {
  /** Every key, revoked ones included, the one that signs last first. */
  all(): Promise<readonly SigningKey[]>;
}

/** Those that change keys do so one after the other, until their transaction ends. */
export interface SigningKeyWriter extends SigningKeyReader {
  /** Adds the key unless another one exists already; whether it was added. Callers on several instances race here. */
  addFirst(key: SigningKey): Promise<boolean>;
  /** Every key, with nobody else changing any until the end of the transaction. */
  lock(): Promise<readonly SigningKey[]>;
  add(key: SigningKey): Promise<void>;
  revoke(kid: string, at: Instant): Promise<void>;
  /** Replaces the sealed private half. */
  reseal(kid: string, sealedPrivateJwk: string): Promise<void>;
}
