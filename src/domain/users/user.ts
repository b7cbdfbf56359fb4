import type { Instant } from '../../kit/clock.ts';
import { badInput } from '../refusals.ts';

export interface User {
  readonly __typename: 'User';
  readonly id: string;
  /** As it was given, composed; unique under {@link foldEmail}. */
  readonly email: string;
  readonly name: string;
  readonly status: 'active' | 'disabled';
  /**
   * Names of the roles granted to this user and not expired, sorted. With those that custom ones are made of, since a policy
   * can speak of no others; without what a policy lets them inherit.
   */
  readonly roles: readonly string[];
  /** The path of the home scope, and all paths from the root down to it. */
  readonly scope: string | null;
  readonly scopes: readonly string[];
  /** Whether the home scope or one above it is suspended: its users are shut out. */
  readonly suspended: boolean;
  readonly createdAt: Instant;
  /** Whether the address was shown to be theirs, or set by somebody with the right to. Without that nobody signs in. */
  readonly emailVerified: boolean;
  /** What others keep about the user, as `parseMetadata` writes it. */
  readonly metadata: string;
}

/** Whether the user may act at all. */
export function isActive({ status, suspended }: User): boolean {
  return status === 'active' && !suspended;
}

export interface UserReader {
  /** The user with this id, or null. Ids are compared byte for byte. */
  find(id: string): Promise<User | null>;
  /** The users with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly User[]>;
  /** The user holding this address, compared by {@link foldEmail}, with the password, or null. */
  findByEmail(email: string): Promise<UserWithPassword | null>;
  password(id: string): Promise<StoredPassword | null>;
}

export interface UserWithPassword {
  readonly user: User;
  readonly password: StoredPassword | null;
}

export interface StoredPassword {
  readonly hash: string;
  readonly changedAt: Instant;
  /** Whether the user has not chosen it: then it is good for a while only. */
  readonly isInitial: boolean;
}

/** A password that is set. */
export type NewPassword = Omit<StoredPassword, 'changedAt'>;

/** Writing users: only ever inside a transaction, where `find` locks the row it returns. */
export interface UserWriter extends UserReader {
  /** Refuses with CONFLICT when another user holds the address. The home scope must be there. */
  add(user: User, password: NewPassword | null): Promise<void>;
  /**
   * Adds those of these whose address nobody holds, the first of several with one address, without passwords; the ids of those
   * that were added. Their home scopes must be there. One statement.
   */
  addMany(users: readonly User[]): Promise<ReadonlySet<string>>;
  /** Disables these. One statement. */
  disableMany(ids: readonly string[]): Promise<void>;
  /** Refuses with CONFLICT when another user holds the address. */
  save(user: User): Promise<void>;
  setPassword(id: string, password: NewPassword, at: Instant): Promise<void>;
  /** Writes the same password's hash anew, if it is still the one that was read. */
  replaceHash(id: string, from: string, to: string): Promise<void>;
  /** Erases all personal data, password and second factors included, takes the grants away and keeps the id from being used again. */
  erase(id: string, at: Instant): Promise<void>;
}

/** Addresses that differ only in case or in Unicode composition are the same address. */
export function foldEmail(email: string): string {
  // Up and down: some letters meet only in their upper case.
  return email.normalize('NFKC').toUpperCase().toLowerCase();
}

/** The address under {@link foldEmail} as an attribute that stores can look for. No policy can speak of one of this name. */
export const EMAIL_FOLDED = '__emailFolded';

/** Name and address under {@link foldEmail}, as an attribute that stores can search. */
export const SEARCH_TEXT = '__searchText';

export function searchText({ name, email }: Pick<User, 'name' | 'email'>): string {
  return `${foldEmail(name)}\n${foldEmail(email)}`;
}

/** The ids of the roles granted to a user and not expired, as an attribute that stores can look for. */
export const GRANTED_ROLE_IDS = '__grantedRoleIds';

const EMAIL = /^[^\s@\p{C}]{1,64}@[^\s@\p{C}]{1,189}$/u;

/**
 * The address without surrounding space, composed; refuses with BAD_USER_INPUT what cannot be one, and one that is taken for another
 * which mails reach somebody else by: mıke@example.com is mike@example.com once it is folded.
 */
export function parseEmail(email: string): string {
  const composed = email.trim().normalize('NFC');
  if (!EMAIL.test(composed)) throw badInput('email', 'This is not an e-mail address.');
  if (foldEmail(composed).normalize('NFC') === composed.toLowerCase()) return composed;
  throw badInput('email', 'This address has letters that look like others. Write a domain that has them as xn--….');
}
