import { parseBundle, type PolicyFile } from '../domain/policy/parse.ts';
import { isId } from '../kit/ids.ts';
import type { Comparison } from './policy-diff.ts';
import type { ToldChange } from './policy-diff-groups.ts';
import type { Endpoint } from './endpoint.ts';
import { bundleOfOthers } from './policy-in-force.ts';
import type { Person } from './policy-population.ts';

const PREVIEW = `query ($files: [PolicyFileInput!]!) {
  policy { version files { path text } }
  previewPolicy(files: $files) {
    changes { effect subject action fields principals records except { principal record } pairs { principal record } }
  }
}`;

/** Of more, only the ids are told, and their roles are not counted. */
const PEOPLE_MAX = 1_000;
const BATCH = 50;

interface Preview {
  readonly policy: { readonly version: string; readonly files: readonly PolicyFile[] };
  readonly previewPolicy: { readonly changes: readonly ToldChange[] };
}

/** What previewPolicy says, with what can be read about those it names. */
export async function preview(
  endpoint: Endpoint,
  files: readonly PolicyFile[],
): Promise<Pick<Comparison, 'bundles' | 'changes' | 'people'>> {
  const after = parseBundle(files);
  const { policy, previewPolicy } = await endpoint.ask<Preview>(PREVIEW, { files });
  const { changes } = previewPolicy;
  const named = changes.map(({ principals, pairs }) => [...principals, ...pairs.map(({ principal }) => principal)]);
  // Some of each change go first, so that no change is told without.
  const ids = [...new Set([...named.flatMap((each) => each.slice(0, BATCH)), ...named.flat()])].slice(0, PEOPLE_MAX);
  const people = new Map<string, Person>();
  for (let at = 0; at < ids.length; at += BATCH) {
    for (const person of await peopleOf(endpoint, ids.slice(at, at + BATCH))) people.set(person.id, person);
  }
  return { bundles: [bundleOfOthers(policy.version, policy.files), after], changes, people };
}

interface ReadPrincipal {
  readonly id: string;
  /** Absent of a service account. */
  readonly email?: string | null;
  readonly grants: readonly { readonly role: { readonly name: string } | null; readonly scope: string | null }[] | null;
}

async function peopleOf(endpoint: Endpoint, ids: readonly string[]): Promise<readonly Person[]> {
  const variables = Object.fromEntries(ids.map((id, at) => [`id${at}`, id]));
  const declared = ids.map((_, at) => `$id${at}: ID!`).join(', ');
  const fields = ids
    .map((id, at) => {
      const [field, own] = isId('serviceAccount', id) ? ['serviceAccount', ''] : ['user', 'email'];
      return `p${at}: ${field}(id: $id${at}) { id ${own} grants { scope role { name } } }`;
    })
    .join('\n');
  const found = await endpoint.ask<Readonly<Record<string, ReadPrincipal | null>>>(
    `query (${declared}) { ${fields} }`,
    variables,
  );
  return Object.values(found)
    .filter((each) => each !== null)
    .map(({ id, email = null, grants }) => ({
      id,
      email,
      grants: (grants ?? []).flatMap(({ role, scope }) => (role === null ? [] : [{ role: role.name, scope }])),
      liveSessions: null,
    }));
}
