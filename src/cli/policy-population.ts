import { type Bundle, roleClosure, whereText } from '../domain/policy/bundle.ts';
import type { GrantFacts } from '../domain/policy/compiler.ts';
import { parseCases, type PolicyCase } from '../domain/policy/case-files.ts';
import { diffPolicies, type PolicyChange, type Population } from '../domain/policy/diff.ts';
import type { PolicyFile } from '../domain/policy/parse.ts';
import { factsOf } from '../domain/policy/principal-facts.ts';
import { label, Problems } from '../domain/policy/problems.ts';
import type { PopulationMember } from '../domain/store.ts';

/** Somebody who may gain or lose something. */
export interface Person {
  readonly id: string;
  /** Null of a service account, and where it may not be read. */
  readonly email: string | null;
  readonly grants: readonly GrantFacts[];
  /** Null where nobody knows. */
  readonly liveSessions: number | null;
}

/** Of a policy before and after. */
export type Bundles = readonly [Bundle, Bundle];

type Principals = Population['principals'];
type Subjects = Population['subjects'];

export const toPerson = ({ record, grants, liveSessions }: PopulationMember): Person => ({
  id: record.id,
  email: record.__typename === 'User' ? record.email : null,
  grants: grants.filter(({ through }) => through === null).map(({ role, scope }) => ({ role, scope })),
  liveSessions,
});

export const toPrincipal = ({ record, grants }: PopulationMember): Principals[number] => ({
  label: record.id,
  facts: factsOf(record),
  grants,
});

/** As `support at acme`. */
export const grantText = ({ role, scope }: GrantFacts): string => (scope === null ? role : `${role} at ${scope}`);

/** The roles whose rules about an action on a subject, with all they inherit, are not the same before and after. */
export function rolesThatDiffer([before, after]: Bundles, action: string, subject: string): ReadonlySet<string> {
  const names = new Set([...before.roles.keys(), ...after.roles.keys()]);
  const meaning = (bundle: Bundle, name: string) =>
    [...roleClosure(bundle, [name]).keys()]
      .flatMap((role) => bundle.roles.get(role)?.rules ?? [])
      .filter(({ targets }) => targets.some((each) => each.subject === subject && each.actions.includes(action)))
      .map(({ effect, fields, where, within }) =>
        JSON.stringify([effect, fields?.toSorted() ?? null, whereText(where), within]),
      )
      .toSorted()
      .join();
  return new Set([...names].filter((name) => meaning(before, name) !== meaning(after, name)));
}

/** @throws {PolicyError} when a file of cases cannot be used */
export function casesOf(files: readonly PolicyFile[], bundle: Bundle): readonly PolicyCase[] {
  const problems = new Problems();
  const cases = files.flatMap((file) => parseCases(file, bundle, problems));
  problems.raise();
  return cases;
}

/** Those the cases speak of, each once. Two of the same id who are not the same are told apart by where they stand. */
export function principalsOf(cases: readonly PolicyCase[]): Principals {
  const found = new Map<string, Principals[number]>();
  const labels = new Set<string>();
  for (const { principal, place } of cases) {
    const key = JSON.stringify(principal);
    if (found.has(key)) continue;
    const { id } = principal.facts;
    const name = labels.has(id) ? `${id} (${label(place)})` : id;
    labels.add(name);
    found.set(key, { label: name, ...principal });
  }
  return [...found.values()];
}

/**
 * What changes about the records that the cases describe. Cases may describe the same record in several ways: each way
 * is a record of its own.
 */
export function changesAboutCases(
  [before, after]: Bundles,
  cases: readonly PolicyCase[],
  principals: Principals,
): readonly PolicyChange[] {
  const layers: Map<string, Subjects[number]>[] = [];
  const known = new Set<string>();
  for (const { subject } of cases) {
    const text = JSON.stringify(Object.entries(subject).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    if (known.has(text)) continue;
    known.add(text);
    const name = JSON.stringify([subject.__typename, subject.id]);
    const free = layers.find((layer) => !layer.has(name));
    if (free === undefined) layers.push(new Map([[name, subject]]));
    else free.set(name, subject);
  }
  return layers.flatMap((layer, at) =>
    diffPolicies(before, after, { principals, subjects: [...layer.values()] }).changes.map((change) =>
      at === 0 ? change : renamed(change, (record) => `${record} (${at + 1})`),
    ),
  );
}

function renamed(change: PolicyChange, rename: (record: string) => string): PolicyChange {
  const pairs = (list: PolicyChange['pairs']) =>
    list.map(({ principal, record }) => ({ principal, record: rename(record) }));
  return {
    ...change,
    records: change.records.map(rename),
    except: pairs(change.except),
    pairs: pairs(change.pairs),
  };
}
