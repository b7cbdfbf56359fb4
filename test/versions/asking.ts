import { ask, type Reply, signIn } from '../faults/clients.ts';
import type { Instance } from '../faults/cluster.ts';
import { describe, doneOf } from '../faults/session-queries.ts';

const ADMIN = 'admin@castellan.local';

export interface Receipt {
  readonly enforced: boolean;
  readonly instances: number;
  readonly acknowledged: number;
  readonly waitedMs: number;
}

interface Done {
  readonly receipt: Receipt;
  readonly grant?: { readonly id: string };
  readonly secret?: string;
}

export const CHANGES = {
  revokeSession: 'mutation ($id: ID!) { done: revokeSession(id: $id) { receipt { ...all } } }',
  disableUser: 'mutation ($id: ID!) { done: disableUser(id: $id) { receipt { ...all } } }',
  grantRole: `mutation ($principalId: ID!, $roleId: ID!) {
    done: grantRole(principalId: $principalId, roleId: $roleId) { grant { id } receipt { ...all } }
  }`,
  revokeRole: 'mutation ($id: ID!) { done: revokeRole(grantId: $id) { receipt { ...all } } }',
  applyPolicy: `mutation ($files: [PolicyFileInput!]!, $expectedVersion: String!) {
    done: applyPolicy(files: $files, expectedVersion: $expectedVersion) { receipt { ...all } }
  }`,
  rotateApiKey: `mutation ($id: ID!) {
    done: rotateApiKey(id: $id, overlapSeconds: 0) { secret receipt { ...all } }
  }`,
  revokeApiKey: 'mutation ($id: ID!) { done: revokeApiKey(id: $id) { receipt { ...all } } }',
} as const;

/** What was done, and when its receipt had come, in `performance.now()`. Throws unless it is enforced. */
export async function enforce(
  { url, index }: Instance,
  token: string,
  change: keyof typeof CHANGES,
  variables: object,
): Promise<Done & { readonly atMs: number }> {
  const query = `${CHANGES[change]} fragment all on Receipt { enforced instances acknowledged waitedMs }`;
  const reply = await ask(url, query, { token, variables });
  const done = doneOf(reply) as Done | null;
  if (done?.receipt.enforced !== true) {
    throw new Error(`${change} at instance ${index}: ${describe(reply)}`);
  }
  return { ...done, atMs: reply.answeredAtMs };
}

/** The token of an administrator who has just signed in. */
export async function adminAt({ url }: Instance): Promise<string> {
  return (await signIn(url, ADMIN)).token;
}

export interface ApiKey {
  readonly id: string;
  readonly secret: string;
}

/** Of whose token it is, with all that they may. */
export async function createApiKey({ url }: Instance, token: string): Promise<ApiKey> {
  const query = 'mutation { done: createApiKey(input: { name: "of both" }) { secret apiKey { id } } }';
  const reply = await ask(url, query, { token });
  const made = doneOf(reply) as { secret: string; apiKey: { id: string } } | null;
  if (made === null) throw new Error(`createApiKey: ${describe(reply)}`);
  return { id: made.apiKey.id, secret: made.secret };
}

/** What each instance answers, at once. */
export function askAll(
  instances: readonly Instance[],
  query: string,
  shown: { readonly token?: string; readonly apiKey?: string },
): Promise<readonly Reply[]> {
  return Promise.all(instances.map(({ url }) => ask(url, query, shown)));
}

/** Whether `found` was found, and otherwise the codes, for each of them. */
export function foundIn(replies: readonly Reply[]): readonly string[] {
  return replies.map(({ data, codes }) => (data?.['found'] == null ? codes.join(', ') || 'not found' : 'found'));
}
