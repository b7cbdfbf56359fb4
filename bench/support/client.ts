import { randomBytes } from 'node:crypto';
import { OVER_TLS } from './over-tls.ts';

const PASSWORD = 'a password for benchmarks';

export interface SignedIn {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

export interface BenchUser {
  readonly id: string;
  readonly email: string;
  readonly password: string;
  /** One more session. */
  signIn(): Promise<SignedIn>;
}

/** Somebody who may do everything, on the Castellan they signed in to. */
export interface Administrator {
  readonly token: string;
  /** An active user with the roles that everybody gets. */
  createMember(): Promise<BenchUser>;
}

/** Runs a GraphQL operation. Throws when the answer has errors. */
export async function ask<T>(url: string, query: string, variables: object = {}, token?: string): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...OVER_TLS,
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data?: T; errors?: unknown };
  if (data === undefined || errors !== undefined) throw new Error(`${query}\nfailed: ${JSON.stringify(errors)}`);
  return data;
}

export const ADMIN_EMAIL = 'admin@castellan.example';

export async function signInAdministrator(url: string, password: string): Promise<Administrator> {
  const { accessToken: token } = await signIn(url, ADMIN_EMAIL, password);
  return {
    token,
    async createMember() {
      const email = `${randomBytes(6).toString('hex')}@example.com`;
      const input = { email, name: 'Bob', password: PASSWORD };
      const { createUser } = await ask<{ createUser: { user: { id: string } } }>(
        url,
        'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }',
        { input },
        token,
      );
      return { id: createUser.user.id, email, password: PASSWORD, signIn: () => signIn(url, email, PASSWORD) };
    },
  };
}

async function signIn(url: string, email: string, password: string): Promise<SignedIn> {
  const { signIn } = await ask<{ signIn: { accessToken: string; refreshToken: string; session: { id: string } } }>(
    url,
    'mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } } } }',
    { input: { email, password } },
  );
  const { accessToken, refreshToken, session } = signIn;
  return { accessToken, refreshToken, sessionId: session.id };
}
