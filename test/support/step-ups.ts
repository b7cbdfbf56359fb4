import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import type { PolicyFile } from '../../src/domain/policy/parse.ts';
import type { Castellans, SignedInUser } from './castellan.ts';

/** What tests of step-ups do: a policy that asks for some, and sessions that have proven nothing for a while. */

/** Renaming a session takes a recent proof, and ending one a recent second factor. */
export async function steppingPolicy(): Promise<readonly PolicyFile[]> {
  const stepUp = 'stepUp: { update: { within: 15m }, revoke: { level: 2, within: 15m } }';
  return (await readPolicyFiles('policies')).map(({ path, text }) =>
    path.endsWith('sessions.yaml')
      ? { path, text: text.replace('    attributes:', `    ${stepUp}\n    attributes:`) }
      : { path, text },
  );
}

/** As if these had proven who they are for the last time sixteen minutes ago; every instance knows when it resolves. */
export async function letProofsAge(castellans: Castellans, ...sessionIds: readonly string[]): Promise<void> {
  await castellans.rows(
    `with aged as (update sessions set authenticated_at = now() - interval '16 minutes' where id = any($1))
     insert into authority_log (target, kind, user_id, reason)
     select id, 'changed', user_id, 'test' from sessions where id = any($1)`,
    sessionIds,
  );
  await Promise.all(castellans.apps.map(({ services }) => services.tail.poll(true)));
}

export const RENAME = 'mutation ($id: ID!, $label: String!) { renameSession(id: $id, label: $label) { position } }';
export const STEP_UP = `mutation ($input: StepUpInput!) {
  stepUp(input: $input) {
    accessToken refreshToken expiresAt position session { id aal authenticatedAt expiresAt current }
    receipt { enforced instances acknowledged }
  }
}`;

export interface SteppedUp {
  readonly stepUp: {
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly expiresAt: string;
    readonly position: string;
    readonly session: {
      readonly id: string;
      readonly aal: number;
      readonly authenticatedAt: string;
      readonly expiresAt: string;
      readonly current: boolean;
    };
    readonly receipt: { readonly enforced: boolean };
  };
}

/** Asks instances of these Castellans to step up. */
export const steppingUp =
  (castellans: () => Castellans) =>
  (who: Pick<SignedInUser, 'accessToken'>, input: object, instance = 0) =>
    castellans().ask<SteppedUp>(STEP_UP, { variables: { input }, token: who.accessToken, instance });
