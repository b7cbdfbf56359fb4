/** What makes the example worth looking at: two people, and what they have written. */
import type { Document } from './documents/document.ts';

export const PASSWORD = 'a password for trying it';
export const ADMINISTRATOR = 'admin@castellan.local';

/** Bob writes; Edith edits what lies in acme, and nothing else. Resolves to what they have written. */
export async function settlePeople(castellan: string): Promise<readonly Document[]> {
  const signedIn = await ask<{ signIn: { accessToken: string } }>(
    castellan,
    `mutation ($email: String!, $password: String!) {
      signIn(input: { email: $email, password: $password }) { ... on SignedIn { accessToken } }
    }`,
    { email: ADMINISTRATOR, password: PASSWORD },
  );
  const token = signedIn.signIn.accessToken;
  const as = <T>(query: string, variables: object) => ask<T>(castellan, query, variables, token);

  for (const path of ['acme', 'globex']) {
    await as('mutation ($path: String!) { createScope(path: $path) { position } }', { path });
  }
  const createUser = async (name: string): Promise<string> => {
    const { createUser } = await as<{ createUser: { user: { id: string } } }>(
      'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }',
      { input: { name, email: `${name.toLowerCase()}@example.com`, password: PASSWORD, scope: 'acme' } },
    );
    return createUser.user.id;
  };
  const [bobId, edithId] = [await createUser('Bob'), await createUser('Edith')];
  const { role } = await as<{ role: { id: string } }>('{ role(name: "editor") { id } }', {});
  await as(
    `mutation ($edithId: ID!, $roleId: ID!) {
      grantRole(principalId: $edithId, roleId: $roleId, scope: "acme") { position }
    }`,
    { edithId, roleId: role.id },
  );
  return [
    { id: 'doc_1', title: 'Plans', ownerId: bobId, scope: 'acme', archived: false },
    { id: 'doc_2', title: 'Old plans', ownerId: bobId, scope: 'acme', archived: true },
    { id: 'doc_3', title: 'Diary', ownerId: bobId, scope: 'globex', archived: false },
    { id: 'doc_4', title: 'Corrections', ownerId: edithId, scope: 'acme', archived: false },
  ];
}

async function ask<T>(url: string, query: string, variables: object, token?: string): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: T | null; errors?: unknown };
  if (data == null || errors !== undefined) throw new Error(`Castellan refused: ${JSON.stringify(errors)}`);
  return data;
}
