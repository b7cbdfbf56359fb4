import type { Instant } from '../../kit/clock.ts';

/** What signs our access tokens. Its private half is sealed at rest. */
export interface SigningKey {
  readonly kid: string;
  readonly publicJwk: Readonly<Record<string, string>>;
  readonly sealedPrivateJwk: string;
  readonly createdAt: Instant;
}

export interface SigningKeyReader {
  /** Every key that may still verify, newest first. */
  all(): Promise<readonly SigningKey[]>;
}

export interface SigningKeyWriter extends SigningKeyReader {
  /** Adds the key unless another one exists already; whether it was added. Callers on several instances race here. */
  addFirst(key: SigningKey): Promise<boolean>;
}
