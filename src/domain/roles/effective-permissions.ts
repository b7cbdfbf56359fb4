import { inheritancePath, roleClosure } from '../policy/bundle.ts';
import type { Engine } from '../policy/engine.ts';
import { isEverywhere } from '../policy/everywhere.ts';
import type { Engines } from '../policy/engines.ts';
import { permissionsOfRole, type RulePermission } from '../policy/permissions.ts';
import type { Standings } from '../policy/standings.ts';
import type { HeldGrant, Standing } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import type { Grant, RoleNode } from './role.ts';

/** A grant that brings a permission. */
export interface PermissionSource {
  readonly grant: Grant;
  /** Names of roles from the granted one down to the one that the rule stands in, by the shortest way. */
  readonly path: readonly string[];
  /** The scope it holds in, and below; null is everywhere. */
  readonly scope: string | null;
}

export interface Permission extends RulePermission {
  readonly sources: readonly PermissionSource[];
}

type Way = Omit<PermissionSource, 'scope'> & Pick<HeldGrant, 'dormant'>;

/** What users may do by the grants that count now, and where each of it comes from. */
export class EffectivePermissions {
  readonly #store: Store;
  readonly #standings: Standings;
  readonly #engines: Engines;

  constructor(parts: { store: Store; standings: Standings; engines: Engines }) {
    this.#store = parts.store;
    this.#standings = parts.standings;
    this.#engines = parts.engines;
  }

  /**
   * The permissions of each of these users, in their order, by subject and action. One statement beside those that standings
   * take. The caller has shown that these grants may be read, and that they are all that each user has, oldest first.
   */
  async of(
    users: readonly { readonly id: string; readonly grants: readonly Grant[] }[],
  ): Promise<readonly (readonly Permission[])[]> {
    const [standings, nodes] = await Promise.all([
      this.#standings.ofMany(users.map(({ id }) => id)),
      this.#store.roles.hierarchy(),
    ]);
    const compositions = compositionsOf(nodes);
    const versions = new Set([...standings.values()].map(({ engine }) => engine.version));
    const engines = new Map<string, Engine>();
    for (const version of versions) engines.set(version, await this.#engines.load(version));
    const rules = new Map<string, readonly RulePermission[]>();
    return users.map(({ id, grants }) => {
      const standing = standings.get(id);
      const engine = standing === undefined ? undefined : engines.get(standing.engine.version);
      if (standing === undefined || engine === undefined) return [];
      const permissions = [...waysTo(standing, grants, engine, compositions)].flatMap(([role, ways]) => {
        const key = `${engine.version} ${role}`;
        const written = rules.get(key) ?? permissionsOfRole(engine.bundle, role);
        rules.set(key, written);
        return written
          .map((permission) => ({ ...permission, sources: sourcesOf(permission, ways) }))
          .filter(({ sources }) => sources.length > 0);
      });
      return permissions.toSorted(bySubject);
    });
  }
}

function sourcesOf(permission: RulePermission, ways: readonly Way[]): readonly PermissionSource[] {
  const { action, subject, bounded, effect } = permission;
  const isHere = ({ grant, dormant }: Way) =>
    dormant !== true && (grant.scope === null || !isEverywhere(action, subject));
  const counting = effect === 'deny' ? ways : ways.filter(isHere);
  return counting.map(({ grant, path }) => ({ grant, path, scope: bounded ? grant.scope : null }));
}

/** How each role with rules is reached: by every grant that brings it. */
function waysTo(
  { grants: held }: Standing,
  grants: readonly Grant[],
  { bundle }: Engine,
  compositions: (from: string, to: string) => readonly string[],
): ReadonlyMap<string, readonly Way[]> {
  const ways = new Map<string, Map<string, Way>>();
  for (const grant of grants) {
    for (const { role, through, dormant = false } of held.filter((each) => isOf(each, grant))) {
      const composed = through === null ? [role] : compositions(through, role);
      const closure = roleClosure(bundle, [role]);
      for (const name of closure.keys()) {
        const path = [...composed.slice(0, -1), ...inheritancePath(closure, name)];
        const known = ways.get(name) ?? new Map<string, Way>();
        ways.set(name, known);
        const before = known.get(grant.id);
        if (before === undefined || before.path.length > path.length) known.set(grant.id, { grant, path, dormant });
      }
    }
  }
  return new Map([...ways].map(([role, byGrant]) => [role, [...byGrant.values()]]));
}

const isOf = (held: HeldGrant, grant: Grant): boolean => held.roleId === grant.roleId && held.scope === grant.scope;

/** The shortest way, in names, from a custom role to one that it is made of. */
function compositionsOf(nodes: readonly RoleNode[]): (from: string, to: string) => readonly string[] {
  const byId = new Map(nodes.map((node) => [node.role.id, node]));
  const byName = new Map(nodes.map((node) => [node.role.name, node]));
  return (from, to) => {
    const via = new Map<string, string | null>([[from, null]]);
    // A Map also visits what is added while it is walked: breadth first, each role once.
    for (const name of via.keys()) {
      for (const id of byName.get(name)?.inherits ?? []) {
        const parent = byId.get(id)?.role.name;
        if (parent !== undefined && !via.has(parent)) via.set(parent, name);
      }
    }
    // A role that was composed anew since the snapshot.
    return via.has(to) ? inheritancePath(via, to) : [from, to];
  };
}

const keyOf = ({ subject, action, effect, rule }: Permission): string => [subject, action, effect, rule].join(' ');
const bySubject = (a: Permission, b: Permission): number => (keyOf(a) < keyOf(b) ? -1 : 1);
