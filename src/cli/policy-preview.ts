import type { PolicyFile } from '../domain/policy/parse.ts';
import type { ToldChange } from './policy-diff-groups.ts';
import type { Endpoint } from './policy-endpoint.ts';
import { grantText, type Person } from './policy-population.ts';

const PREVIEW = `query ($files: [PolicyFileInput!]!) {
  previewPolicy(files: $files) {
    before after
    changes { effect subject action fields principals records except { principal record } pairs { principal record } }
  }
}`;

/** More are told by their id alone. */
const PEOPLE_MAX = 1_000;
const BATCH = 50;

interface PreviewedDiff {
  readonly before: string;
  readonly after: string;
  readonly changes: readonly ToldChange[];
}

/** What previewPolicy says, with what can be read about those it names. */
export async function preview(
  endpoint: Endpoint,
  files: readonly PolicyFile[],
): Promise<{ readonly diff: PreviewedDiff; readonly people: ReadonlyMap<string, Person> }> {
  const { previewPolicy: diff } = await endpoint.ask<{ previewPolicy: PreviewedDiff }>(PREVIEW, { files });
  const named = diff.changes.flatMap(({ principals, pairs }) => [
    ...principals,
    ...pairs.map((pair) => pair.principal),
  ]);
  const ids = [...new Set(named)].slice(0, PEOPLE_MAX);
  const people = new Map<string, Person>();
  for (let at = 0; at < ids.length; at += BATCH) {
    for (const person of await peopleOf(endpoint, ids.slice(at, at + BATCH))) people.set(person.id, person);
  }
  return { diff, people };
}

interface ReadUser {
  readonly id: string;
  readonly email: string | null;
  readonly grants: readonly { readonly role: { readonly name: string } | null; readonly scope: string | null }[] | null;
}

async function peopleOf(endpoint: Endpoint, ids: readonly string[]): Promise<readonly Person[]> {
  const variables = Object.fromEntries(ids.map((id, at) => [`id${at}`, id]));
  const declared = ids.map((_, at) => `$id${at}: ID!`).join(', ');
  const fields = ids
    .map((_, at) => `u${at}: user(id: $id${at}) { id email grants { scope role { name } } }`)
    .join('\n');
  const users = await endpoint.ask<Readonly<Record<string, ReadUser | null>>>(
    `query (${declared}) { ${fields} }`,
    variables,
  );
  return Object.values(users)
    .filter((user) => user !== null)
    .map(({ id, email, grants }) => ({
      id,
      email,
      roles: (grants ?? []).flatMap(({ role, scope }) =>
        role === null ? [] : [grantText({ role: role.name, scope })],
      ),
      liveSessions: null,
    }));
}
