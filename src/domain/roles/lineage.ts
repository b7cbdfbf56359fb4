import type { Role, RoleNode } from './role.ts';

/** Where a role stands among the others. */
export interface Lineage {
  /** What it inherits from directly, by name. */
  readonly inherits: readonly Role[];
  /** What it inherits from at any remove, nearest first. */
  readonly ancestors: readonly Role[];
  /** What inherits from it at any remove, nearest first. */
  readonly descendants: readonly Role[];
}

/**
 * The lineage of any role among these: custom ones are made of what their rows say, managed ones inherit what the policy
 * says. A walk takes each role once, so that it ends whatever the edges are.
 */
export function lineages(
  nodes: readonly RoleNode[],
  inheritsInFiles: (name: string) => readonly string[],
): (id: string) => Lineage {
  const byId = new Map(nodes.map((node) => [node.role.id, node]));
  const byName = new Map(nodes.map((node) => [node.role.name, node]));
  const up = new Map(
    nodes.map((node) => {
      const found = node.role.managed
        ? inheritsInFiles(node.role.name).map((name) => byName.get(name))
        : node.inherits.map((id) => byId.get(id));
      return [node, found.filter((parent) => parent !== undefined).toSorted(inOrder)];
    }),
  );
  const down = new Map<RoleNode, RoleNode[]>();
  for (const [node, parents] of up) {
    for (const parent of parents) {
      const known = down.get(parent);
      if (known === undefined) down.set(parent, [node]);
      else known.push(node);
    }
  }
  return (id) => {
    const node = byId.get(id);
    if (node === undefined) return { inherits: [], ancestors: [], descendants: [] };
    const inherits = (up.get(node) ?? []).map(({ role }) => role);
    return { inherits, ancestors: reached(node, up), descendants: reached(node, down) };
  };
}

const inOrder = (a: RoleNode, b: RoleNode): number => (a.role.name < b.role.name ? -1 : 1);

function reached(from: RoleNode, edges: ReadonlyMap<RoleNode, readonly RoleNode[]>): readonly Role[] {
  const seen = new Set([from]);
  // A Set also visits what is added while it is walked: breadth first.
  for (const node of seen) for (const next of edges.get(node) ?? []) seen.add(next);
  seen.delete(from);
  return [...seen].map(({ role }) => role);
}
