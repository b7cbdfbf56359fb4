import { GraphQLError } from 'graphql';
import type { SignedIn } from '../../domain/authentication/signed-in.ts';
import type { FreshTokens } from '../../domain/authentication/session-proofs.ts';
import { mustEnroll, secondFactorMissing } from '../../domain/principals/enrollment.ts';
import { ANONYMOUS } from '../../domain/principals/principal.ts';
import { badInput, Refusal, REFUSALS } from '../../domain/refusals.ts';
import { noCsrfToken } from '../../domain/tokens/csrf-tokens.ts';
import type { OperationContext } from './context.ts';

/** What the answer tells of a session that starts or goes on. The tokens are in it only where no cookies keep them. */
export interface SignedInAnswer extends Omit<SignedIn, 'accessToken' | 'refreshToken'> {
  readonly accessToken: string | null;
  readonly refreshToken: string | null;
  readonly csrfToken: string | null;
}

/** Who signs in goes on as who they are, and gets the tokens: in cookies, out of reach of scripts, where those were asked for. */
export async function handOut(context: OperationContext, signedIn: SignedIn): Promise<SignedInAnswer> {
  const { cookies, services, from } = context;
  const by = await services.identification.identify({ kind: 'accessToken', token: signedIn.accessToken });
  // A role has asked for it since they began. No door has looked at what else is in the operation, so it is not theirs.
  if (mustEnroll(by)) throw secondFactorMissing();
  context.become(by);
  services.travels.seen(signedIn.user.id, signedIn.session.id, from.address);
  if (cookies === null || !cookies.keeping) return { ...signedIn, csrfToken: null };
  cookies.keep(signedIn);
  const csrfToken = services.csrfTokens.make(signedIn.session.id);
  return { ...signedIn, accessToken: null, refreshToken: null, deviceToken: null, csrfToken };
}

/** The same for a session that goes on with other tokens: they go where the ones before them were. */
export async function handOn(
  context: OperationContext,
  tokens: FreshTokens,
): Promise<Omit<FreshTokens, 'accessToken' | 'refreshToken'> & Pick<SignedInAnswer, 'accessToken' | 'refreshToken'>> {
  const { cookies, services, unproven } = context;
  const by = await services.identification.identify({ kind: 'accessToken', token: tokens.accessToken });
  // The same; but what they had is dead by now, so they get what takes its place.
  context.become(unproven === null && mustEnroll(by) ? ANONYMOUS : by);
  if (cookies === null || !cookies.holding) return tokens;
  cookies.keep(tokens);
  return { ...tokens, accessToken: null, refreshToken: null };
}

/** Refuses, before anything is done, what would leave the cookies of a page with tokens that are dead. */
export function demandTokensCanGo({ cookiesElsewhere }: OperationContext): void {
  if (!cookiesElsewhere) return;
  const message = 'Cookies keep the tokens of this session. Ask over HTTP, where the answer can set them.';
  throw new Refusal('FORBIDDEN', message, { reason: 'cookies' });
}

/** The one refresh token of the request: its argument, or the cookie of a page that shows it has the CSRF token as well. */
export function refreshTokenOf({ cookies, services }: OperationContext, given: string | null | undefined): string {
  const cookie = cookies?.refreshToken ?? null;
  if (typeof given === 'string') {
    if (cookie !== null) throw badInput('refreshToken', 'Send one refresh token: as an argument or in a cookie.');
    return given;
  }
  if (cookies === null || cookie === null || !cookies.keeping) {
    throw badInput('refreshToken', 'Send the refresh token, or X-Castellan-Cookies: 1 with the cookie that has it.');
  }
  const { sessionId } = services.refreshTokens.parse(cookie);
  if (!services.csrfTokens.holds(sessionId, cookies.csrfToken)) throw withStatus(noCsrfToken());
  return cookie;
}

/** Refuses the whole request, not only a field of it. */
function withStatus(refusal: Refusal): GraphQLError {
  const { status } = REFUSALS[refusal.code];
  return new GraphQLError(refusal.message, { originalError: refusal, extensions: { http: { status } } });
}
