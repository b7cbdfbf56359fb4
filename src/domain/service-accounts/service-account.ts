import type { Instant } from '../../kit/clock.ts';

/** Who acts for a program: it has no password and no sessions, and comes with an API key. It holds roles as a user does. */
export interface ServiceAccount {
  readonly __typename: 'ServiceAccount';
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  /** Names of the roles granted to it and not expired, sorted; as those of a user. */
  readonly roles: readonly string[];
  /** The path of the home scope, and all paths from the root down to it. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
  /** Whether the home scope or one above it is suspended: then it is shut out. */
  readonly suspended: boolean;
  readonly createdAt: Instant;
}

export interface ServiceAccountReader {
  /** The service account with this id, or null. Ids are compared byte for byte. */
  find(id: string): Promise<ServiceAccount | null>;
  /** The service accounts with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly ServiceAccount[]>;
}

/** Inside a transaction `find` locks the row it returns. */
export interface ServiceAccountWriter extends ServiceAccountReader {
  /** The home scope must be there. */
  add(account: ServiceAccount): Promise<void>;
  setName(id: string, name: string): Promise<void>;
  setStatus(id: string, status: ServiceAccount['status']): Promise<void>;
  /** Erases its name, takes the grants away and keeps the id from being used again. */
  erase(id: string, at: Instant): Promise<void>;
}
