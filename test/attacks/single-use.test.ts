import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Client } from 'graphql-ws';
import { ChallengeTokens } from '../../src/domain/authentication/challenges.ts';
import { RecoveryCodes } from '../../src/domain/authentication/recovery-codes.ts';
import { newTotpSecret } from '../../src/domain/authentication/totp.ts';
import { AccountTokens, type AccountTokenKind } from '../../src/domain/users/account-tokens.ts';
import { newId } from '../../src/kit/ids.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import { INSTANCES } from '../support/asking.ts';
import { accountsOn, tally } from '../support/accounts.ts';
import {
  askOver,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
} from '../support/castellan.ts';
import { CONFIRM_BY } from '../support/required-factors.ts';
import { CONFIRM, secondFactors } from '../support/second-factors.ts';
import { STEP_UP } from '../support/step-ups.ts';

/** What is good once, shown five times at once over three instances: a thousand races, and nothing is spent twice. */

const USERS = 10;
const CALLERS = 5;

const clock = createTestClock();
const keys = new Keys([new Secret('a secret of this test that seals what is single use')]);
const recoveryCodes = new RecoveryCodes(keys);
const challengeTokens = new ChallengeTokens(keys);
const accountTokens = new AccountTokens(keys);
const secret = newTotpSecret();
const callers = Array.from({ length: CALLERS }, (_, n) => n);
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;
let accounts: ReturnType<typeof accountsOn>;
let users: readonly SignedInUser[];
/** One on each instance of each user: other tokens than the last are good for nothing but on sockets that they had opened. */
let sockets: ReadonlyMap<string, readonly Client[]>;

beforeAll(async () => {
  const keyEncryptionKeys = [new Secret('a secret of this test that seals what is single use')];
  castellans = await startCastellans(3, { clock, settings: { keyEncryptionKeys } });
  phone = secondFactors(castellans, clock, PASSWORD);
  accounts = accountsOn(() => castellans);
  users = await Promise.all(Array.from({ length: USERS }, (_, n) => castellans.signUp(`bob${n}`)));
  sockets = new Map(
    users.map(({ id, accessToken: token }) => [
      id,
      INSTANCES.map((instance) => castellans.connect({ token, instance })),
    ]),
  );
  await Promise.all([...sockets.values()].flat().map((socket) => askOver(socket, '{ me { id } }')));
  for (const { id } of users) {
    await castellans.rows(
      `insert into totp_factors (user_id, sealed_secret, created_at, confirmed_at) values ($1, $2, $3, $3)`,
      id,
      keys.seal('totp-secrets', secret, id),
      new Date(clock.now()),
    );
  }
}, 60_000);

afterAll(() => castellans.close());

/** Ten fresh codes of the user. */
async function codesFor(userId: string): Promise<readonly string[]> {
  const { codes, sealed } = recoveryCodes.make(userId);
  await castellans.rows('delete from recovery_codes where user_id = $1', userId);
  await castellans.rows('insert into recovery_codes select $1, unnest($2::text[])', userId, sealed);
  return codes;
}

async function challengeFor(userId: string): Promise<string> {
  const id = newId('challenge');
  await castellans.rows(
    'insert into challenges (id, user_id, created_at, expires_at) values ($1, $2, $3, $4)',
    id,
    userId,
    new Date(clock.now()),
    new Date(clock.now() + 600_000),
  );
  return challengeTokens.make({ id, userId });
}

async function mailed(userId: string, kind: AccountTokenKind): Promise<string> {
  const { token, hash } = accountTokens.make(userId, kind);
  await castellans.rows(
    'insert into account_tokens (hash, user_id, kind, created_at, expires_at) values ($1, $2, $3, $4, $5)',
    hash,
    userId,
    kind,
    new Date(clock.now()),
    new Date(clock.now() + 600_000),
  );
  return token;
}

/** As if the app had been begun and not confirmed, and no code of it been shown yet. */
async function unconfirmed(userId: string): Promise<void> {
  const fresh = 'confirmed_at = null, last_step = null, failures = 0';
  await castellans.rows(`update totp_factors set ${fresh} where user_id = $1`, userId);
}

/** One race: what the caller of that number sends to an instance. */
type Race = (caller: number, instance: number) => Promise<Pick<Answer<object>, 'data' | 'errors'>>;

function over(userId: string, instance: number, query: string, variables: Record<string, unknown>) {
  const socket = sockets.get(userId)?.[instance] ?? fail('everybody has sockets');
  return askOver<object>(socket, query, { variables });
}

const KINDS: Readonly<
  Record<string, { rounds: number; spent: string; refused?: string; prepare: (user: SignedInUser) => Promise<Race> }>
> = {
  'a recovery code': {
    rounds: 25,
    spent: `select count(*)::int as count from audit_entries where action = 'recovery_code.use'`,
    async prepare({ id }) {
      const [code = ''] = await codesFor(id);
      const challenges = await Promise.all(callers.map(() => challengeFor(id)));
      return (caller, instance) => phone.verify(challenges[caller] ?? '', code, instance);
    },
  },
  'a code of an app': {
    rounds: 25,
    spent: `select count(*)::int as count from audit_entries where action = 'totp.use'`,
    async prepare({ id }) {
      await castellans.rows('update totp_factors set last_step = null, failures = 0 where user_id = $1', id);
      const challenges = await Promise.all(callers.map(() => challengeFor(id)));
      return (caller, instance) => phone.verify(challenges[caller] ?? '', phone.code(secret), instance);
    },
  },
  'a challenge, with five codes that are right,': {
    rounds: 25,
    spent: `select count(*)::int as count from audit_entries where action = 'recovery_code.use'`,
    async prepare({ id }) {
      const codes = await codesFor(id);
      const challenge = await challengeFor(id);
      return (caller, instance) => phone.verify(challenge, codes[caller] ?? '', instance);
    },
  },
  'a recovery code that steps up a session': {
    rounds: 5,
    spent: `select count(*)::int as count from audit_entries where action = 'session.step_up'`,
    async prepare({ id }) {
      const [code = ''] = await codesFor(id);
      return (_, instance) => over(id, instance, STEP_UP, { input: { code } });
    },
  },
  'a code of an app that steps up a session': {
    rounds: 5,
    spent: `select count(*)::int as count from audit_entries where action = 'session.step_up'`,
    async prepare({ id }) {
      await castellans.rows('update totp_factors set last_step = null, failures = 0 where user_id = $1', id);
      return (_, instance) => over(id, instance, STEP_UP, { input: { code: phone.code(secret) } });
    },
  },
  'an enrollment in a session': {
    rounds: 5,
    spent: `select count(*)::int as count from audit_entries where action = 'totp.confirm'`,
    refused: 'CONFLICT',
    async prepare({ id }) {
      await unconfirmed(id);
      return (_, instance) => over(id, instance, CONFIRM, { code: phone.code(secret) });
    },
  },
  'a challenge that becomes a session by an enrollment': {
    rounds: 5,
    spent: `select count(*)::int as count from audit_entries where action = 'session.start'`,
    async prepare({ id }) {
      await unconfirmed(id);
      const token = await challengeFor(id);
      const variables = { token, code: phone.code(secret) };
      return (_, instance) => castellans.ask(CONFIRM_BY, { variables, instance });
    },
  },
  'a token that verifies an address': {
    rounds: 20,
    spent: `select count(*)::int as count from audit_entries where action = 'user.verify_email'`,
    async prepare({ id }) {
      await castellans.rows('update users set email_verified = false where id = $1', id);
      const token = await mailed(id, 'verification');
      return (_, instance) => accounts.verify(token, instance);
    },
  },
  'a token that resets a password': {
    rounds: 5,
    spent: `select count(*)::int as count from audit_entries where action = 'user.reset_password'`,
    async prepare({ id }) {
      const token = await mailed(id, 'reset');
      return (caller, instance) => accounts.reset(token, `the password of caller ${caller} is long`, instance);
    },
  },
};

test.each(Object.entries(KINDS))(
  '%s is good for one of five who show it at once',
  async (_, { rounds, spent, refused = 'UNAUTHENTICATED', prepare }) => {
    const count = async () =>
      (await castellans.rows<{ count: number }>(spent))[0]?.count ?? fail('nothing was counted');
    const before = await count();
    for (let round = 0; round < rounds; round += 1) {
      const races = await Promise.all(users.map(prepare));
      const raced = await Promise.all(
        races.map((race) => Promise.all(callers.map((caller) => race(caller, (caller + round) % 3)))),
      );
      expect(raced.map(tally)).toEqual(races.map(() => ({ ok: 1, [refused]: CALLERS - 1 })));
    }
    expect((await count()) - before).toBe(USERS * rounds);
  },
  60_000,
);

function fail(message: string): never {
  throw new Error(message);
}
