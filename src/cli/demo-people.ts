import { randomBytes } from 'node:crypto';
import type { Answer, Instance } from './demo-instance.ts';
import { check } from './demo-narrator.ts';

/** Somebody who is signed in. */
export interface Person {
  readonly id: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export const BOB = { email: 'bob@example.com', password: randomBytes(18).toString('base64url') };

export const short = (secret: string): string => `${secret.slice(0, 8)}…`;

export function data<T>(answer: Answer<T>): T {
  check(answer.data !== null && answer.code === null, `it answered ${answer.code ?? 'nothing'}: ${answer.message}`);
  return answer.data;
}

const SIGNED_IN = 'accessToken refreshToken session { id } user { id }';

interface SignedIn {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly session: { readonly id: string };
  readonly user: { readonly id: string };
}

export async function signIn(instance: Instance, input: { email: string; password: string }): Promise<Person> {
  const query = `mutation ($input: SignInInput!) { signIn(input: $input) { ... on SignedIn { ${SIGNED_IN} } } }`;
  return personOf(data(await instance.ask<{ signIn: SignedIn }>(query, { input })).signIn);
}

export function refresh(instance: Instance, refreshToken: string): Promise<Answer<{ refreshSession: SignedIn }>> {
  const query = `mutation ($token: String!) { refreshSession(refreshToken: $token) { ${SIGNED_IN} } }`;
  return instance.ask(query, { token: refreshToken });
}

export function personOf({ accessToken, refreshToken, session, user }: SignedIn): Person {
  return { id: user.id, sessionId: session.id, accessToken, refreshToken };
}

/** A role everywhere, given by whoever holds the token. */
export async function grant(instance: Instance, token: string, principalId: string, name: string): Promise<Receipt> {
  const { role } = data(
    await instance.ask<{ role: { id: string } | null }>(
      'query ($name: String) { role(name: $name) { id } }',
      { name },
      token,
    ),
  );
  check(role !== null, `there is a role ${name}`);
  const query = `mutation ($principalId: ID!, $roleId: ID!) {
    grantRole(principalId: $principalId, roleId: $roleId) { receipt { ${RECEIPT} } }
  }`;
  const answer = await instance.ask<{ grantRole: { receipt: Receipt } }>(
    query,
    { principalId, roleId: role.id },
    token,
  );
  return data(answer).grantRole.receipt;
}

export const RECEIPT = 'enforced instances acknowledged waitedMs';

export interface Receipt {
  readonly enforced: boolean;
  readonly instances: number;
  readonly acknowledged: number;
  readonly waitedMs: number;
}

export function told({ enforced, instances, acknowledged, waitedMs }: Receipt): string {
  check(enforced && instances === 2, 'the receipt says that it is in force on both instances');
  return `in force on ${instances} instances, ${acknowledged} of them acknowledged it ${waitedMs.toFixed(1)} ms after the commit`;
}
