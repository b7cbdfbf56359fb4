import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Answer,
  type Castellans,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, DISABLE, REGENERATE, secondFactors } from '../support/second-factors.ts';

const INSTANCES = [0, 1, 2];
const IN_FORCE = { enforced: true, instances: 3, acknowledged: 3 };

let clock: TestClock;
let castellans: Castellans;
let phone: ReturnType<typeof secondFactors>;

beforeAll(async () => {
  clock = createTestClock();
  castellans = await startCastellans(3, { clock });
  phone = secondFactors(castellans, clock, PASSWORD);
});

afterAll(() => castellans.close());

/** What the answers were: `ok`, or the code of the refusal, and how many of each. */
function tally(answers: readonly Answer<object>[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const answer of answers) {
    const what = answer.errors.length === 0 ? 'ok' : codesOf(answer).join(' ');
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
}

async function failuresOf(userId: string): Promise<number> {
  const [row] = await castellans.rows<{ failures: number }>(
    'select failures from totp_factors where user_id = $1',
    userId,
  );
  return row?.failures ?? -1;
}

describe('guessing', () => {
  test('AC-42: of five who show one code at once on three instances one gets in, twenty times over', async () => {
    const bob = await phone.enrolled('bob');
    for (let round = 0; round < 20; round += 1) {
      const tokens = await Promise.all(Array.from({ length: 5 }, (_, n) => phone.challengeOf(bob.email, n % 3)));
      const code = await phone.nextCode(bob.secret);
      const answers = await Promise.all(tokens.map((token, n) => phone.verify(token, code, n % 3)));
      expect(tally(answers)).toEqual({ ok: 1, UNAUTHENTICATED: 4 });
      // Later in its step it is no better.
      const late = await phone.verify(await phone.challengeOf(bob.email), code);
      expect(late.data).toBeNull();
      await castellans.rows('update totp_factors set failures = 0, retry_at = null where user_id = $1', bob.id);
    }
  });

  test('AC-42: the code that confirmed the app signs nobody in, and one that signed in disables nothing', async () => {
    const bob = await castellans.signUp('bob');
    const { secret } = dataOf(await phone.begin(bob.accessToken)).beginTotpEnrollment;
    const code = phone.code(secret);
    const { accessToken } = dataOf(await phone.confirm(bob.accessToken, code)).confirmTotpEnrollment;
    expect(codesOf(await phone.verify(await phone.challengeOf(bob.email), code))).toEqual(['UNAUTHENTICATED']);
    const next = await phone.nextCode(secret);
    dataOf(await phone.verify(await phone.challengeOf(bob.email), next));
    for (const query of [DISABLE, REGENERATE]) {
      expect(codesOf(await phone.change(query, next, accessToken))).toEqual(['UNAUTHENTICATED']);
    }
  });

  test('one challenge is good once, though two right codes for it are shown at once', async () => {
    const bob = await phone.enrolled('bob');
    await phone.pass(60_000);
    const token = await phone.challengeOf(bob.email);
    const codes = [phone.code(bob.secret, -1), phone.code(bob.secret), phone.code(bob.secret, 1)];
    const answers = await Promise.all(codes.map((code, n) => phone.verify(token, code, n)));
    expect(tally(answers)).toEqual({ ok: 1, UNAUTHENTICATED: 2 });
  });

  test('AC-41: of 200 guesses at once on three instances as many are checked as the limit allows, and no more', async () => {
    const bob = await phone.enrolled('bob');
    // Many challenges, so that no guess waits for another at the door of its own.
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, n) => phone.challengeOf(bob.email, n % 3)));
    const [token = ''] = tokens;
    const wrong = phone.wrongCode(bob.secret);
    const guess = (n: number) => phone.verify(tokens[n % tokens.length] ?? '', wrong, n % 3);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => guess(n)));
    // Where so many queue up at once, some may be told to come back; nothing of theirs was checked.
    const { UNAUTHENTICATED: checked, RATE_LIMITED: limited = 0, AUTHORITY_UNAVAILABLE: away = 0 } = tally(answers);
    expect([checked, limited + away]).toEqual([5, 195]);
    expect(await failuresOf(bob.id)).toBe(5);
    const refused = await castellans.rows(
      `select id from audit_entries where subject_id = $1 and outcome = 'done' and action = 'totp.refuse'`,
      bob.id,
    );
    expect(refused).toHaveLength(5);

    // The right one is not looked at either, wherever it is shown.
    const early = await phone.verify(token, phone.code(bob.secret, 1));
    expect(codesOf(early)).toEqual(['RATE_LIMITED']);
    expect(early.errors[0]?.extensions['retryAfterSeconds']).toBeGreaterThan(0);
    expect(codesOf(await phone.change(DISABLE, phone.code(bob.secret, 1), bob.accessToken, 1))).toEqual([
      'RATE_LIMITED',
    ]);
    expect(codesOf(await phone.change(REGENERATE, phone.code(bob.secret, 1), bob.accessToken))).toEqual([
      'RATE_LIMITED',
    ]);
    dataOf(await phone.verify(token, await phone.nextCode(bob.secret)));
    expect(await failuresOf(bob.id)).toBe(0);
  });

  test('AC-43: failures count over challenges and ways to show a code; a new challenge starts no new count', async () => {
    const bob = await phone.enrolled('bob');
    const wrong = phone.wrongCode(bob.secret);
    for (let n = 1; n <= 4; n += 1) {
      const answer =
        n === 3
          ? await phone.change(DISABLE, wrong, bob.accessToken)
          : await phone.verify(await phone.challengeOf(bob.email, n % 3), wrong, n % 3);
      expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
      expect(await failuresOf(bob.id)).toBe(n);
    }
    await phone.verify(await phone.challengeOf(bob.email), wrong);
    for (const instance of INSTANCES) {
      const again = await phone.verify(await phone.challengeOf(bob.email, instance), wrong, instance);
      expect(codesOf(again)).toEqual(['RATE_LIMITED']);
    }
    expect(await failuresOf(bob.id)).toBe(5);
  });

  test('AC-43: a code of one user is none for the challenge of another', async () => {
    const [bob, carol] = [await phone.enrolled('bob'), await phone.enrolled('carol')];
    const [ofBob, ofCarol] = [await phone.challengeOf(bob.email), await phone.challengeOf(carol.email)];
    const code = await phone.nextCode(bob.secret);
    expect(codesOf(await phone.verify(ofCarol, code))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await phone.verify(ofCarol, bob.recoveryCodes[0] ?? ''))).toEqual(['UNAUTHENTICATED']);
    dataOf(await phone.verify(ofBob, code));
    dataOf(await phone.verify(await phone.challengeOf(bob.email), bob.recoveryCodes[0] ?? ''));
  });

  test('ends at the hundredth failure, for the app: a recovery code gets in and clears the count', async () => {
    const bob = await phone.enrolled('bob');
    await castellans.rows('update totp_factors set failures = 99, retry_at = null where user_id = $1', bob.id);
    const token = await phone.challengeOf(bob.email);
    expect(codesOf(await phone.verify(token, phone.wrongCode(bob.secret)))).toEqual(['UNAUTHENTICATED']);
    await phone.pass(900_000);
    for (const instance of INSTANCES) {
      const fresh = await phone.challengeOf(bob.email, instance);
      expect(codesOf(await phone.verify(fresh, phone.code(bob.secret), instance))).toEqual(['ACCOUNT_LOCKED']);
    }
    expect(await failuresOf(bob.id)).toBe(100);
    dataOf(await phone.verify(await phone.challengeOf(bob.email), bob.recoveryCodes[3] ?? ''));
    expect(await failuresOf(bob.id)).toBe(0);
    await phone.signInWith(bob);
  });
});

describe('recovery codes', () => {
  test('AC-44: of ten who show one at once on three instances one gets in, and it is gone', async () => {
    const bob = await phone.enrolled('bob');
    const [code = ''] = bob.recoveryCodes;
    const tokens = await Promise.all(Array.from({ length: 10 }, (_, n) => phone.challengeOf(bob.email, n % 3)));
    const answers = await Promise.all(tokens.map((token, n) => phone.verify(token, code, n % 3)));
    expect(tally(answers)).toEqual({ ok: 1, UNAUTHENTICATED: 9 });
    expect(codesOf(await phone.verify(await phone.challengeOf(bob.email), code))).toEqual(['UNAUTHENTICATED']);
    const left = await castellans.rows('select user_id from recovery_codes where user_id = $1', bob.id);
    expect(left).toHaveLength(9);
  });

  test('AC-44: who uses an old one while new ones are made gets in before them or not at all', async () => {
    const bob = await phone.enrolled('bob');
    let codes = bob.recoveryCodes;
    for (const n of INSTANCES) {
      const { accessToken } = await phone.signInWith(bob);
      const token = await phone.challengeOf(bob.email);
      const code = await phone.nextCode(bob.secret);
      const [made, used] = await Promise.all([
        phone.change<{ regenerateRecoveryCodes: { recoveryCodes: readonly string[] } }>(
          REGENERATE,
          code,
          accessToken,
          n,
        ),
        phone.verify(token, codes[0] ?? '', (n + 1) % 3),
      ]);
      const { recoveryCodes } = dataOf(made).regenerateRecoveryCodes;
      expect(recoveryCodes).toHaveLength(10);
      expect(['ok', 'UNAUTHENTICATED']).toContain(Object.keys(tally([used]))[0]);
      const left = await castellans.rows('select user_id from recovery_codes where user_id = $1', bob.id);
      expect(left).toHaveLength(10);
      for (const each of codes) {
        expect(codesOf(await phone.verify(await phone.challengeOf(bob.email), each))).toEqual(['UNAUTHENTICATED']);
      }
      dataOf(await phone.verify(await phone.challengeOf(bob.email), recoveryCodes[9] ?? ''));
      codes = recoveryCodes;
    }
  });

  test('are read however they were typed', async () => {
    const bob = await phone.enrolled('bob');
    const [first = '', second = ''] = bob.recoveryCodes;
    const sloppy = first.toUpperCase().replaceAll('-', ' ').replaceAll('0', 'O').replaceAll('1', 'l');
    dataOf(await phone.verify(await phone.challengeOf(bob.email), ` ${sloppy} `));
    dataOf(await phone.verify(await phone.challengeOf(bob.email), second.replaceAll('-', '')));
  });

  test('are told to be there as long as there is one', async () => {
    const bob = await phone.enrolled('bob');
    await castellans.rows('delete from recovery_codes where user_id = $1', bob.id);
    expect(dataOf(await phone.signIn(bob.email)).signIn.methods).toEqual(['totp']);
  });

  test('disable the app, but make no new ones and confirm none', async () => {
    const bob = await phone.enrolled('bob');
    const [code = ''] = bob.recoveryCodes;
    expect(codesOf(await phone.change(REGENERATE, code, bob.accessToken))).toEqual(['BAD_USER_INPUT']);
    expect((await phone.change(DISABLE, code, bob.accessToken)).data).toMatchObject({
      disableTotp: { receipt: IN_FORCE },
    });
    dataOf(await phone.begin(bob.accessToken));
    expect(codesOf(await phone.confirm(bob.accessToken, bob.recoveryCodes[1] ?? ''))).toEqual(['BAD_USER_INPUT']);
  });
});
