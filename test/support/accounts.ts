import { Client } from 'pg';
import { hashing } from '../../src/domain/users/hashing.ts';
import { until, type Answer, type Castellans } from './castellan.ts';

const SIGN_IN = `mutation ($input: SignInInput!) {
  signIn(input: $input) {
    __typename ... on SignedIn { accessToken refreshToken deviceToken session { id } }
    ... on MfaRequired { challengeToken }
  }
}`;
const SIGN_UP = 'mutation ($input: SignUpInput!) { signUp(input: $input) { position } }';
const VERIFY = 'mutation ($token: String!) { verifyEmail(token: $token) { receipt { enforced } position } }';
const REQUEST = 'mutation ($email: String!) { requestPasswordReset(email: $email) { position } }';
const RESET = `mutation ($token: String!, $newPassword: String!) {
  resetPassword(token: $token, newPassword: $newPassword) { receipt { enforced instances acknowledged } position }
}`;
const CHANGE = `mutation ($currentPassword: String!, $newPassword: String!) {
  changePassword(currentPassword: $currentPassword, newPassword: $newPassword) {
    sessions { id revokedReason } receipt { enforced instances acknowledged } position
  }
}`;

export interface SignIn {
  readonly signIn: {
    readonly __typename: string;
    readonly accessToken: string;
    readonly refreshToken: string;
    readonly deviceToken: string;
    readonly challengeToken: string;
    readonly session: { readonly id: string };
  };
}

/** How tests sign in, sign up and read mails. */
export function accountsOn(castellans: () => Castellans) {
  const calls = {
    signIn: (
      input: { email: string; password: string; deviceToken?: string },
      { instance = 0, from }: { instance?: number; from?: string } = {},
    ) =>
      castellans().ask<SignIn>(SIGN_IN, {
        variables: { input },
        instance,
        ...(from !== undefined && { headers: { 'x-forwarded-for': from } }),
      }),

    signUp: (input: { email: string; name: string; password: string }, instance = 0) =>
      castellans().ask(SIGN_UP, { variables: { input }, instance }),
    verify: (token: string, instance = 0) => castellans().ask(VERIFY, { variables: { token }, instance }),
    requestReset: (email: string, instance = 0) => castellans().ask(REQUEST, { variables: { email }, instance }),
    reset: (token: string, newPassword: string, instance = 0) =>
      castellans().ask(RESET, { variables: { token, newPassword }, instance }),
    change: (token: string, currentPassword: string, newPassword: string, instance = 0) =>
      castellans().ask<{ changePassword: { sessions: { id: string; revokedReason: string }[] } }>(CHANGE, {
        variables: { currentPassword, newPassword },
        token,
        instance,
      }),

    /** The subjects of all mails to this address, in order. */
    subjectsTo: (email: string): readonly string[] =>
      castellans()
        .mails.filter(({ to }) => to === email)
        .map(({ subject }) => subject),

    /** Resolves when nothing is left to be done after a commit. */
    errandsDone: () =>
      until(async () => (await castellans().rows('select id from errands where attempts < 100')).length === 0),

    /** The token in the last mail to this address that has one. */
    tokenFor: async (email: string): Promise<string> => {
      await calls.errandsDone();
      const mail = castellans().mails.findLast(({ to, text }) => to === email && TOKEN.test(text));
      const [token] = TOKEN.exec(mail?.text ?? '') ?? [];
      if (token === undefined) throw new Error(`no mail to ${email} has a token`);
      return token;
    },
  };
  return calls;
}

const TOKEN = /^(ev|pr)\.\S+$/m;

/** What the answers were: `ok`, or the code of the refusal, and how many of each. */
export function tally(answers: readonly Pick<Answer, 'errors'>[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { errors } of answers) {
    const what = errors.length === 0 ? 'ok' : errors.map(({ extensions }) => String(extensions['code'])).join(' ');
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

/** What `work` costs: the statements it sends, in order, without what happens in the background, and the passwords it hashes. */
export async function costOf(work: () => Promise<unknown>): Promise<{ statements: readonly string[]; hashes: number }> {
  const statements: string[] = [];
  const hashesBefore = hashesBegun();
  const query: unknown = Reflect.get(Client.prototype, 'query');
  Client.prototype.query = function counted(this: Client, ...args: unknown[]) {
    const text = typeof args[0] === 'string' ? args[0] : String((args[0] as { text?: unknown }).text);
    if (!BACKGROUND.test(text)) statements.push(text);
    return Reflect.apply(query as () => unknown, this, args);
  };
  try {
    await work();
  } finally {
    Object.assign(Client.prototype, { query });
  }
  return { statements, hashes: hashesBegun() - hashesBefore };
}

function hashesBegun(): number {
  return hashing.figures.running + hashing.figures.done;
}

/** The tail, what is written behind, and the brackets around it; and what an hour's first wrong password leaves in the audit. */
const BACKGROUND =
  /^(begin|commit)$|instances|user_activity|last_sign_ins|audit_entries|audit_batches|as removed|as seconds|authority_head h|rollup|session_activity|errands|outbox|ended_at|session_levels|seen.protocols|successor|security_signals|security_events|advisory/;
