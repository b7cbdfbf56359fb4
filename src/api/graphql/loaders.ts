import DataLoader from 'dataloader';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Grant, Role } from '../../domain/roles/role.ts';
import type { Session } from '../../domain/sessions/session.ts';
import type { User } from '../../domain/users/user.ts';
import type { Services } from './context.ts';

/** Records by id, batched into one statement per type and step. What the principal may not read loads as null. */
export interface Loaders {
  readonly users: DataLoader<string, User | null>;
  readonly roles: DataLoader<string, Role | null>;
  readonly sessions: DataLoader<string, Session | null>;
  /** The grants of a principal that the caller has shown to be readable. */
  readonly grantsOf: DataLoader<string, readonly Grant[]>;
}

const BATCH_MAX = 500;

export function createLoaders(by: Principal, { users, roles, sessions }: Services): Loaders {
  const options = { maxBatchSize: BATCH_MAX };
  return {
    users: new DataLoader((ids) => users.findMany(by, ids), options),
    roles: new DataLoader((ids) => roles.findMany(by, ids), options),
    sessions: new DataLoader((ids) => sessions.findMany(by, ids), options),
    grantsOf: new DataLoader((ids) => roles.grantsOf(ids), options),
  };
}

/** The records among these that the principal may read. */
export async function loadReadable<T>(loader: DataLoader<string, T | null>, ids: readonly string[]): Promise<T[]> {
  const records = await Promise.all(ids.map((id) => loader.load(id)));
  return records.filter((record) => record !== null);
}
