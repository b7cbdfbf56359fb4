import type { GraphQLSchema } from 'graphql';
import type { AuthenticationKind } from '../../domain/analytics/authentication-analytics.ts';
import { Refusal } from '../../domain/refusals.ts';
import type { OperationContext } from './context.ts';

/** By what somebody is known, or is so no more. */
const KINDS: Readonly<Record<string, AuthenticationKind>> = {
  signIn: 'sign_in',
  verifyMfa: 'second_factor',
  refreshSession: 'refresh',
  stepUp: 'step_up',
  signOut: 'sign_out',
  signUp: 'sign_up',
  changePassword: 'password_change',
  resetPassword: 'password_reset',
};

/** Counts how each of them went, whatever it is called in a document, and through whichever door. */
export function countAuthentications(schema: GraphQLSchema): void {
  const fields = schema.getMutationType()?.getFields() ?? {};
  for (const [name, kind] of Object.entries(KINDS)) {
    const field = fields[name];
    const resolve = field?.resolve;
    if (field === undefined || resolve === undefined) continue;
    field.resolve = async (source, args, context: OperationContext, info) => {
      const count = (code: string | null): void =>
        context.services.authenticationAnalytics.count(kind, code, context.protocol);
      try {
        const result: unknown = await resolve(source, args, context, info);
        const { __typename } = Object(result) as { readonly __typename?: unknown };
        count(__typename === 'MfaRequired' ? 'MFA_REQUIRED' : null);
        return result;
      } catch (error) {
        count(error instanceof Refusal ? error.code : 'INTERNAL');
        throw error;
      }
    };
  }
}
