import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import type { PolicyFile } from '../../src/domain/policy/parse.ts';

/** The policies as they are, and with a role whose holders must have a second factor. */
export async function policiesRequiring(role: string): Promise<{
  readonly without: readonly PolicyFile[];
  readonly required: readonly PolicyFile[];
}> {
  const without = await readPolicyFiles('policies');
  return { without, required: [...without, { path: 'mfa.yaml', text: `roles: { ${role}: { mfa: required } }` }] };
}

const ENROLLED = `recoveryCodes accessToken refreshToken csrfToken deviceToken expiresAt position
  session { id aal current } user { id mfaEnabled } receipt { enforced instances acknowledged }`;
export const BEGIN_BY =
  'mutation ($token: String!) { beginTotpEnrollment(challengeToken: $token) { secret uri position } }';
export const CONFIRM_BY = `mutation ($token: String!, $code: String!) {
  confirmTotpEnrollment(code: $code, challengeToken: $token) { ${ENROLLED} }
}`;

export interface EnrolledBy {
  readonly confirmTotpEnrollment: {
    readonly recoveryCodes: readonly string[];
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly deviceToken: string;
    readonly session: { readonly id: string; readonly aal: number };
    readonly user: { readonly id: string; readonly mfaEnabled: boolean };
    readonly receipt: object;
  };
}
