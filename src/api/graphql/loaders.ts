import DataLoader from 'dataloader';
import type { ApiKey, ApiKeyVersion } from '../../domain/api-keys/api-key.ts';
import { isId } from '../../kit/ids.ts';
import type { Principal } from '../../domain/principals/principal.ts';
import type { Permission } from '../../domain/roles/effective-permissions.ts';
import type { Lineage } from '../../domain/roles/lineage.ts';
import type { Grant, Role } from '../../domain/roles/role.ts';
import type { Scope } from '../../domain/scopes/scope.ts';
import type { Session } from '../../domain/sessions/session.ts';
import type { ServiceAccount } from '../../domain/service-accounts/service-account.ts';
import { type Clock, toInstant } from '../../kit/clock.ts';
import type { User } from '../../domain/users/user.ts';
import type { Instant } from '../../kit/clock.ts';
import type { Services } from './services.ts';

/** Records by id, batched into one statement per type and step. What the principal may not read loads as null. */
export interface Loaders {
  readonly users: DataLoader<string, User | null>;
  readonly serviceAccounts: DataLoader<string, ServiceAccount | null>;
  readonly apiKeys: DataLoader<string, ApiKey | null>;
  /** The secrets of a key that the caller has shown to be readable. */
  readonly keyVersionsOf: DataLoader<string, readonly ApiKeyVersion[]>;
  readonly scopes: DataLoader<string, Scope | null>;
  readonly roles: DataLoader<string, Role | null>;
  /** Where roles stand among the others. */
  readonly lineages: DataLoader<string, Lineage>;
  readonly sessions: DataLoader<string, Session | null>;
  /** The grants of a principal that the caller has shown to be readable. */
  readonly grantsOf: DataLoader<string, readonly Grant[]>;
  /** What a user may do, whose grants the caller has shown to be readable. */
  readonly permissionsOf: DataLoader<string, readonly Permission[]>;
  /** When a user last signed in whose sessions the caller has shown to be readable. */
  readonly lastSignIns: DataLoader<string, Instant | null>;
  /** Whether a user that the caller has shown to be readable signs in with a second factor. */
  readonly mfaEnabled: DataLoader<string, boolean>;
}

/** All the checks that one operation may ask, and more than any page has. */
const BATCH_MAX = 1_000;

export function createLoaders(by: Principal, services: Services): Loaders {
  const {
    users,
    serviceAccounts,
    apiKeys,
    scopes,
    roles,
    sessions,
    secondFactors,
    effectivePermissions,
    userActivity,
  } = services;
  const options = { maxBatchSize: BATCH_MAX };
  const roleLoader = new DataLoader<string, Role | null>((ids) => roles.findMany(by, ids), options);
  const grantsOf = new DataLoader<string, readonly Grant[]>(async (ids) => {
    const held = await roles.grantsOf(by, ids);
    // The roles came along, and need not be asked for again.
    for (const { grant, role } of held.flat()) roleLoader.prime(grant.roleId, role);
    return held.map((grants) => grants.map(({ grant }) => grant));
  }, options);
  return {
    users: new DataLoader((ids) => users.findMany(by, ids), options),
    serviceAccounts: new DataLoader((ids) => serviceAccounts.findMany(by, ids), options),
    apiKeys: new DataLoader((ids) => apiKeys.findMany(by, ids), options),
    keyVersionsOf: new DataLoader((ids) => apiKeys.versionsOf(ids), options),
    scopes: new DataLoader((ids) => scopes.findMany(by, ids), options),
    roles: roleLoader,
    lineages: new DataLoader((ids) => roles.lineagesOf(by, ids), options),
    sessions: new DataLoader((ids) => sessions.findMany(by, ids), options),
    lastSignIns: new DataLoader((ids) => userActivity.lastSignIns(ids), options),
    mfaEnabled: new DataLoader((ids) => secondFactors.enabledAmong(ids), options),
    grantsOf,
    permissionsOf: new DataLoader(
      async (ids) =>
        effectivePermissions.of(await Promise.all(ids.map(async (id) => ({ id, grants: await grantsOf.load(id) })))),
      options,
    ),
  };
}

/** The records among these that the principal may read. */
async function loadReadable<T>(loader: DataLoader<string, T | null>, ids: readonly string[]): Promise<T[]> {
  const records = await Promise.all(ids.map((id) => loader.load(id)));
  return records.filter((record) => record !== null);
}

/** The roles that a principal holds now, of what may be read. The caller has shown that its roles may be. */
export async function loadHeldRoles(loaders: Loaders, principalId: string, clock: Clock): Promise<Role[]> {
  const now = toInstant(clock.now());
  const grants = await loaders.grantsOf.load(principalId);
  const held = grants.filter(({ expiresAt }) => expiresAt === null || expiresAt > now);
  return loadReadable(loaders.roles, [...new Set(held.map(({ roleId }) => roleId))]);
}

/** Whichever kind of principal the id is of; null where it may not be read. */
export function loadPrincipal(
  { users, serviceAccounts, apiKeys }: Loaders,
  id: string,
): Promise<User | ServiceAccount | ApiKey | null> {
  if (isId('apiKey', id)) return apiKeys.load(id);
  return isId('serviceAccount', id) ? serviceAccounts.load(id) : users.load(id);
}
