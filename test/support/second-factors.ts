import { stepOf, totpCode } from '../../src/domain/authentication/totp.ts';
import { until, type Answer, type Castellans, type SignedInUser, type TestClock } from './castellan.ts';

const BEGIN = 'mutation { beginTotpEnrollment { secret uri position } }';
export const CONFIRM = `mutation ($code: String!) {
  confirmTotpEnrollment(code: $code) {
    recoveryCodes accessToken refreshToken expiresAt session { id aal } receipt { enforced instances acknowledged } position
  }
}`;
const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) { __typename ... on MfaRequired { challengeToken methods expiresAt position } }
}`;
const VERIFY = `mutation ($input: VerifyMfaInput!) {
  verifyMfa(input: $input) {
    accessToken refreshToken expiresAt position session { id aal current authenticatedAt createdAt } user { id mfaEnabled }
  }
}`;

export const DISABLE = `mutation ($code: String!) {
  disableTotp(code: $code) { receipt { enforced instances acknowledged } position }
}`;
export const REGENERATE = `mutation ($code: String!) {
  regenerateRecoveryCodes(code: $code) { recoveryCodes receipt { enforced instances acknowledged } position }
}`;

export interface Enrolled extends SignedInUser {
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
}

/** What the session goes on with, and what its user keeps. */
export interface Confirmed {
  readonly recoveryCodes: readonly string[];
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly session: { readonly id: string; readonly aal: number };
  readonly receipt: object;
}

export interface Verified {
  readonly verifyMfa: {
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly session: { readonly id: string; readonly aal: number };
    readonly user: { readonly id: string };
  };
}

/** What tests do with authenticator apps: the phone, and the calls. */
export function secondFactors(castellans: Castellans, clock: TestClock, password: string) {
  const calls = {
    /** The code of this step, or of one so many steps from it. */
    code: (secret: string, steps = 0): string => totpCode(secret, stepOf(clock.now()) + steps),

    /** Lets time pass. Every lease has run out by that: resolves when all instances answer again. */
    async pass(ms: number): Promise<void> {
      clock.advance(ms);
      for (const instance of castellans.apps.keys()) {
        await until(async () => (await castellans.ask('{ me { id } }', { instance })).errors.length === 0);
      }
    },

    /** A code of a step that was not there before. */
    async nextCode(secret: string): Promise<string> {
      await calls.pass(30_000);
      return calls.code(secret);
    },

    /** A code that no step near this one has. */
    wrongCode(secret: string): string {
      const near = new Set([-3, -2, -1, 0, 1, 2, 3].map((steps) => calls.code(secret, steps)));
      for (let number = 0; ; number += 1) {
        const code = String(number).padStart(6, '0');
        if (!near.has(code)) return code;
      }
    },

    begin: (token: string, instance = 0) =>
      castellans.ask<{ beginTotpEnrollment: { secret: string; uri: string } }>(BEGIN, { token, instance }),

    confirm: (token: string, code: string, instance = 0) =>
      castellans.ask<{ confirmTotpEnrollment: Confirmed }>(CONFIRM, {
        variables: { code },
        token,
        instance,
      }),

    /** One of the changes that take a code. */
    change: <T = Record<string, unknown>>(query: string, code: string, token: string, instance = 0) =>
      castellans.ask<T>(query, { variables: { code }, token, instance }),

    /** A new user who signs in with an app from now on. The session is the one that was there before. */
    async enrolled(name: string): Promise<Enrolled> {
      const user = await castellans.signUp(name);
      const { secret } = dataOf(await calls.begin(user.accessToken)).beginTotpEnrollment;
      const { recoveryCodes, accessToken, refreshToken } = dataOf(
        await calls.confirm(user.accessToken, await calls.nextCode(secret)),
      ).confirmTotpEnrollment;
      return { ...user, accessToken, refreshToken, secret, recoveryCodes };
    },

    signIn: (email: string, instance = 0) =>
      castellans.ask<{
        signIn: { __typename: string; challengeToken: string; methods: readonly string[]; expiresAt: string };
      }>(SIGN_IN, { variables: { input: { email, password } }, instance }),

    /** The token of a challenge that waits for a code of this user. */
    async challengeOf(email: string, instance = 0): Promise<string> {
      return dataOf(await calls.signIn(email, instance)).signIn.challengeToken;
    },

    verify: (challengeToken: string, code: string, instance = 0) =>
      castellans.ask<Verified>(VERIFY, { variables: { input: { challengeToken, code } }, instance }),

    /** Signs in with both factors. */
    async signInWith({ email, secret }: Pick<Enrolled, 'email' | 'secret'>): Promise<Verified['verifyMfa']> {
      const token = await calls.challengeOf(email);
      return dataOf(await calls.verify(token, await calls.nextCode(secret))).verifyMfa;
    },
  };
  return calls;
}

export function dataOf<T>({ data, errors }: Answer<T>): T {
  if (data === null || errors.length > 0) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  return data;
}
