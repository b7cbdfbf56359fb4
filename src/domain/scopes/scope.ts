import type { Instant } from '../../kit/clock.ts';
import { isId } from '../../kit/ids.ts';
import { badInput } from '../refusals.ts';

/** A node of the tree that users and grants lie in. Its id stays when it moves; its path does not. */
export interface Scope {
  readonly __typename: 'Scope';
  readonly id: string;
  /** The last segment of the path; unique below one parent. */
  readonly name: string;
  /** Its path, under the name that every record's scope has: a scope lies in itself. */
  readonly scope: string;
  /** All paths from the root down to it. */
  readonly scopes: readonly string[];
  readonly parentId: string | null;
  /** Whether it was suspended itself; one below a suspended scope is so as well. */
  readonly status: 'active' | 'suspended';
  readonly createdAt: Instant;
}

export interface ScopeReader {
  /** The scope with this id, or null; none that was deleted. */
  find(id: string): Promise<Scope | null>;
  /** The scopes with these ids, in any order, without the missing ones. One statement. */
  findMany(ids: readonly string[]): Promise<readonly Scope[]>;
  /** The scope at this path, compared byte for byte, or null. */
  findByPath(path: string): Promise<Scope | null>;
  /** The scopes at these paths, in any order, without the missing ones. One statement. */
  findByPaths(paths: readonly string[]): Promise<readonly Scope[]>;
}

/** What must be gone before a scope can go. */
export interface ScopeContents {
  readonly users: number;
  readonly scopes: number;
}

/** Inside a transaction the `find`s lock the row they return. */
export interface ScopeWriter extends ScopeReader {
  /** Refuses with CONFLICT when the path is taken. */
  add(scope: Scope): Promise<void>;
  /** Gives the scope this path and parent, and everything below it a path that begins so. Refuses with CONFLICT when a path is taken. */
  move(id: string, to: Pick<Scope, 'scope' | 'parentId'>): Promise<void>;
  setStatus(id: string, status: Scope['status']): Promise<void>;
  /** How deep the tree below the scope is: 0 when there is nothing. */
  depth(id: string): Promise<number>;
  contents(id: string): Promise<ScopeContents>;
  /** Takes the scope out of the tree. Its id is never used again. */
  remove(id: string, at: Instant): Promise<void>;
  /** The scope with this id that was removed, as it was, or null. */
  findRemoved(id: string): Promise<Scope | null>;
}

/** Segments of a path. */
export const SCOPE_DEPTH_MAX = 16;

const SEGMENT = /^[a-z0-9][a-z0-9_-]{0,62}$/;

/** Refuses with BAD_USER_INPUT what cannot be the path of a scope. */
export function parseScope(scope: string, field = 'scope'): string {
  if (isScopePath(scope)) return scope;
  throw badInput(
    field,
    `A scope is a path such as acme/platform: up to ${SCOPE_DEPTH_MAX} names of small letters, digits, - and _.`,
  );
}

export function isScopePath(text: string): boolean {
  const segments = text.split('/');
  // What reads as an id would be taken for one.
  const areNames = segments.every((segment) => SEGMENT.test(segment) && !isId('scope', segment));
  return areNames && segments.length <= SCOPE_DEPTH_MAX;
}

/** The path of the scope above, or null for one at the root. */
export function parentPath(path: string): string | null {
  const end = path.lastIndexOf('/');
  return end < 0 ? null : path.slice(0, end);
}

/** All paths from the root down to this one. */
export function scopePaths(scope: string | null): readonly string[] {
  if (scope === null) return [];
  const segments = scope.split('/');
  return segments.map((_, index) => segments.slice(0, index + 1).join('/'));
}
