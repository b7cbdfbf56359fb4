import type { Instant } from '../../kit/clock.ts';

/** A long-lived secret of a program, which acts as its owner with it. What it says is shown once and never kept. */
export interface ApiKey {
  readonly __typename: 'ApiKey';
  readonly id: string;
  /** A user, or a service account. */
  readonly ownerId: string;
  readonly name: string;
  /** The part of it that is no secret, and the last four characters of its current secret. */
  readonly prefix: string;
  readonly lastFour: string;
  /** Whether it has all of its owner's rights; otherwise those that {@link permissions} name, written `user:disable`. */
  readonly unrestricted: boolean;
  readonly permissions: readonly string[];
  /** From where it is good, and in pages of which origins; empty is from everywhere. */
  readonly addressRanges: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly readOnly: boolean;
  readonly createdAt: Instant;
  /** Who made it. */
  readonly createdBy: string;
  readonly expiresAt: Instant | null;
  readonly revokedAt: Instant | null;
  /** Why it ended: `revoked`, `owner_deleted`. */
  readonly revokedReason: string | null;
  /** A few seconds behind; null before the first use. */
  readonly lastUsedAt: Instant | null;
  /** The path of its owner's home scope, and all paths from the root down to it. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
}

/** What a key may do, from where, and until when. */
export interface KeyLimits {
  /** Null is all that its owner may. */
  readonly permissions: readonly string[] | null;
  readonly addressRanges: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly readOnly: boolean;
  readonly expiresAt: Instant | null;
}

/** One secret of a key. A key that is being replaced has two that are good. */
export interface ApiKeyVersion {
  readonly keyId: string;
  /** From 1 on. */
  readonly number: number;
  readonly lastFour: string;
  readonly createdAt: Instant;
  /** Null for the current one, which is good as long as the key is. */
  readonly validUntil: Instant | null;
  readonly lastUsedAt: Instant | null;
}

/** What decides about a key that is shown. */
export interface ApiKeyInputs extends KeyLimits {
  readonly ownerId: string;
  readonly revokedAt: Instant | null;
  /** All that are remembered, the newest first. */
  readonly versions: readonly {
    readonly number: number;
    readonly sealedHash: string;
    readonly validUntil: Instant | null;
  }[];
}

export interface ApiKeyReader {
  /** Ids are compared byte for byte. */
  find(id: string): Promise<ApiKey | null>;
  /** The keys with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly ApiKey[]>;
  /** All secrets of these keys that are remembered, the newest first. One statement. */
  versionsOf(keyIds: readonly string[]): Promise<readonly ApiKeyVersion[]>;
  /** What is kept of secrets of keys after this id, in the order of the ids of their keys; at most those of `limit` keys. */
  sealedAfter(
    keyId: string,
    limit: number,
  ): Promise<readonly { readonly keyId: string; readonly number: number; readonly sealedHash: string }[]>;
}

/** What is kept of a fresh secret. */
export interface NewVersion {
  readonly number: number;
  readonly sealedHash: string;
  readonly lastFour: string;
  readonly createdAt: Instant;
}

/** Inside a transaction `find` locks the row it returns. */
export interface ApiKeyWriter extends ApiKeyReader {
  add(key: ApiKey & { readonly environment: string }, version: NewVersion): Promise<void>;
  /** Writes its name and limits. */
  save(id: string, name: string, limits: KeyLimits): Promise<void>;
  /** Adds the next secret. The one before it is good until then, and none of before that. Remembers the last ten. */
  rotate(id: string, version: NewVersion, previousUntil: Instant): Promise<void>;
  revoke(id: string, at: Instant, reason: string): Promise<void>;
  /** Tells of those that expired by then without having been revoked, each once; how many, at most `limit` and those of the same moment. */
  tellExpired(by: Instant, limit: number): Promise<number>;
  reseal(id: string, number: number, sealedHash: string): Promise<void>;
  /** Notes these uses, each version at most once. What is noted already and newer stays. */
  noteUses(uses: readonly KeyUse[]): Promise<void>;
}

/** When a secret of a key was last used. */
export interface KeyUse {
  readonly keyId: string;
  readonly version: number;
  readonly lastUsedAt: Instant;
}

/** Limits of a key as they are asked about. */
export function limitsOf(key: ApiKey): KeyLimits {
  const { addressRanges, allowedOrigins, readOnly, expiresAt } = key;
  return { permissions: key.unrestricted ? null : key.permissions, addressRanges, allowedOrigins, readOnly, expiresAt };
}

/** Nobody who goes on using the secret that was replaced waits longer than this between two uses. */
const QUIET_MS = 3_600_000;

/** Whether nobody seems to need this secret any more: it was replaced, the newest is in use, and this one has not been for a while. */
export function isSafeToRetire(version: ApiKeyVersion, all: readonly ApiKeyVersion[], nowMs: number): boolean {
  const newest = all.find(({ validUntil }) => validUntil === null);
  if (newest === undefined || version.validUntil === null || newest.lastUsedAt === null) return false;
  return version.lastUsedAt === null || Date.parse(version.lastUsedAt) <= nowMs - QUIET_MS;
}
