import { type Bundle, roleClosure } from '../policy/bundle.ts';
import { parseBundle, type PolicyFile } from '../policy/parse.ts';
import { label, PolicyError } from '../policy/problems.ts';
import type { Rule, Target } from '../policy/rules.ts';
import { DEFAULT_ROLE } from '../users/users.ts';

/** Whoever writes one of these means everybody. Nobody holds them who was not given them, and the next reader may not know that. */
const NAMES = ['anonymous', 'anyone', 'everybody', 'everyone', 'guest', 'public'];

/**
 * What production refuses of a policy: that everybody, signed in or not, may do everything. Each is a message that goes on after what
 * the policy was read from.
 */
export function refusedForEverybody(bundle: Bundle): readonly string[] {
  return [...NAMES, DEFAULT_ROLE].filter((name) => allowsEverything(bundle, name)).map((name) => told(bundle, name));
}

/** The same of files. Of those with other problems it says nothing. */
export function filesRefusedForEverybody(files: readonly PolicyFile[]): readonly string[] {
  const bundle = parsed(files);
  return bundle === null ? [] : refusedForEverybody(bundle);
}

function parsed(files: readonly PolicyFile[]): Bundle | null {
  try {
    return parseBundle(files);
  } catch (error) {
    if (error instanceof PolicyError) return null;
    throw error;
  }
}

/** Without conditions, whatever is denied besides: who leaves one thing out has given everything else. */
function allowsEverything(bundle: Bundle, name: string): boolean {
  const allowed = new Set(allowsOf(bundle, name).flatMap(({ targets }) => targets.flatMap(permissionsOf)));
  const all = [...bundle.subjects.values()].flatMap(({ name: subject, actions }) =>
    permissionsOf({ subject, actions: [...actions] }),
  );
  return all.length > 0 && all.every((permission) => allowed.has(permission));
}

const permissionsOf = ({ subject, actions }: Target): readonly string[] =>
  actions.map((action) => `${subject}:${action}`);

/** What it allows without conditions. */
function allowsOf(bundle: Bundle, name: string): readonly Rule[] {
  return [...roleClosure(bundle, [name]).keys()]
    .flatMap((role) => bundle.roles.get(role)?.rules ?? [])
    .filter(({ effect, fields, where }) => effect === 'allow' && fields === null && where.length === 0);
}

function told(bundle: Bundle, name: string): string {
  const [widest] = allowsOf(bundle, name).toSorted((a, b) => b.targets.length - a.targets.length);
  const whose = name === DEFAULT_ROLE ? 'every new user is given' : 'means everybody';
  const where = widest === undefined ? '' : ` (${label(widest.place)})`;
  return `must not give everything to everybody in production: the role "${name}", which ${whose}, allows every action on every subject${where}`;
}
