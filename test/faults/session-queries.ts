import type { Reply } from './clients.ts';

export const SIGN_IN = `mutation ($input: SignInInput!) {
  done: signIn(input: $input) { ... on SignedIn { accessToken refreshToken session { id } } }
}`;
export const REFRESH = `mutation ($token: String!) {
  done: refreshSession(refreshToken: $token) { accessToken refreshToken session { id } }
}`;
export const REVOKE = 'mutation ($id: ID!) { done: revokeSession(id: $id) { receipt { enforced } } }';
export const ME = '{ done: me { id } }';

export interface SignedIn {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly session: { readonly id: string };
}

/** What it was answered with, or null. */
export function doneOf(reply: Reply | null): unknown {
  return reply?.data?.['done'] ?? null;
}

export function describe(reply: Reply | null): string {
  if (reply === null) return 'no answer';
  const { status, codes, messages, data } = reply;
  return `${status} ${codes.join(', ')} ${JSON.stringify(data)} ${messages.join(' ')}`.trimEnd();
}
