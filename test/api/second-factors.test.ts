import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hash } from 'node:crypto';
import { resealFactors } from '../../src/domain/authentication/reseal-factors.ts';
import { createStore } from '../../src/drivers/postgres/store.ts';
import { Keys, Secret } from '../../src/kit/secret.ts';
import {
  codesOf,
  createTestClock,
  PASSWORD,
  startCastellans,
  type Answer,
  type Castellans,
  type SignedInUser,
  type TestClock,
} from '../support/castellan.ts';
import { dataOf, DISABLE, REGENERATE, secondFactors, type Enrolled } from '../support/second-factors.ts';

const INSTANCES = [0, 1, 2];
const ME = '{ me { id mfaEnabled } }';
const REFRESH = `mutation ($token: String!) {
  refreshSession(refreshToken: $token) { accessToken session { id aal authenticatedAt } }
}`;
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

/** Everything of an answer that its receiver can see, apart from dates. */
const seen = ({ status, data, errors }: Answer<object>) => ({ status, data, errors });

const messagesOf = ({ errors }: Answer<object>) => errors.map(({ message }) => message);

async function sessionsOf(userId: string): Promise<number> {
  const [row] = await castellans.rows<{ count: number }>(
    'select count(*)::int as count from sessions where user_id = $1',
    userId,
  );
  return row?.count ?? -1;
}

describe('enrolling', () => {
  test('makes a secret that any app takes, and which counts once a code confirms it', async () => {
    const bob = await castellans.signUp('bob');
    const begun = dataOf(await phone.begin(bob.accessToken)).beginTotpEnrollment;
    expect(begun.uri).toContain(`otpauth://totp/localhost%3A${encodeURIComponent(bob.email)}?secret=${begun.secret}&`);
    expect((await castellans.ask(ME, { token: bob.accessToken })).data).toEqual({
      me: { id: bob.id, mfaEnabled: false },
    });
    expect(dataOf(await phone.signIn(bob.email)).signIn.__typename).toBe('SignedIn');

    const { data } = await phone.confirm(bob.accessToken, phone.code(begun.secret), 1);
    expect(data?.confirmTotpEnrollment.receipt).toEqual(IN_FORCE);
    expect(new Set(data?.confirmTotpEnrollment.recoveryCodes).size).toBe(10);
    for (const code of data?.confirmTotpEnrollment.recoveryCodes ?? []) {
      expect(code).toMatch(/^([0-9a-hjkmnp-tv-z]{7}-){3}[0-9a-hjkmnp-tv-z]{7}$/);
    }
    for (const instance of INSTANCES) {
      const token = data?.confirmTotpEnrollment.accessToken ?? '';
      expect((await castellans.ask(ME, { token, instance })).data).toEqual({
        me: { id: bob.id, mfaEnabled: true },
      });
      expect(dataOf(await phone.signIn(bob.email, instance)).signIn).toMatchObject({
        __typename: 'MfaRequired',
        methods: ['totp', 'recoveryCode'],
      });
    }
  });

  test('begins anew as often as one likes until it is confirmed, and only the last secret counts', async () => {
    const bob = await castellans.signUp('bob');
    const first = dataOf(await phone.begin(bob.accessToken)).beginTotpEnrollment.secret;
    const second = dataOf(await phone.begin(bob.accessToken, 1)).beginTotpEnrollment.secret;
    expect(codesOf(await phone.confirm(bob.accessToken, phone.code(first)))).toEqual(['UNAUTHENTICATED']);
    const { accessToken } = dataOf(await phone.confirm(bob.accessToken, phone.code(second), 2)).confirmTotpEnrollment;
    expect(codesOf(await phone.begin(accessToken))).toEqual(['CONFLICT']);
    expect(codesOf(await phone.confirm(accessToken, await phone.nextCode(second)))).toEqual(['CONFLICT']);
  });

  test('is for whoever is signed in, and what was not begun is not confirmed', async () => {
    const bob = await castellans.signUp('bob');
    for (const query of [DISABLE, REGENERATE]) {
      expect(codesOf(await castellans.ask(query, { variables: { code: '123456' } }))).toEqual(['UNAUTHENTICATED']);
      expect(codesOf(await phone.change(query, '123456', bob.accessToken))).toEqual(['CONFLICT']);
    }
    expect(codesOf(await castellans.ask('mutation { beginTotpEnrollment { secret } }'))).toEqual(['UNAUTHENTICATED']);
    expect(codesOf(await phone.confirm(bob.accessToken, '123456'))).toEqual(['CONFLICT']);
  });

  test('and disabling again end all other sessions on every instance', async () => {
    const bob = await castellans.signUp('bob');
    const other = await castellans.signIn(bob.email, 1);
    const { secret } = dataOf(await phone.begin(bob.accessToken)).beginTotpEnrollment;
    const { accessToken } = dataOf(await phone.confirm(bob.accessToken, phone.code(secret))).confirmTotpEnrollment;
    await revokedEverywhere(other.accessToken);

    const second = await phone.signInWith({ email: bob.email, secret });
    const disabled = await phone.change(DISABLE, await phone.nextCode(secret), accessToken, 2);
    expect(disabled.data).toMatchObject({ disableTotp: { receipt: IN_FORCE } });
    await revokedEverywhere(second.accessToken);
    for (const instance of INSTANCES) {
      expect((await castellans.ask(ME, { token: accessToken, instance })).data).toEqual({
        me: { id: bob.id, mfaEnabled: false },
      });
    }
    expect(dataOf(await phone.signIn(bob.email)).signIn.__typename).toBe('SignedIn');
    const reasons = await castellans.rows(
      `select distinct reason from authority_log where user_id = $1 and kind = 'revoked'`,
      bob.id,
    );
    expect(reasons).toEqual([{ reason: 'mfa_changed' }]);
  });

  test('is told to the user and to whoever may read their status', async () => {
    const bob = await phone.enrolled('bob');
    const [alice, mallory] = [await castellans.signUp('alice', ['administrator']), await castellans.signUp('mallory')];
    const read = async ({ accessToken: token }: SignedInUser) =>
      (
        await castellans.ask('query ($id: ID!) { user(id: $id) { mfaEnabled } }', {
          variables: { id: bob.id },
          token,
        })
      ).data;
    expect(await read(bob)).toEqual({ user: { mfaEnabled: true } });
    expect(await read(alice)).toEqual({ user: { mfaEnabled: true } });
    expect(await read(mallory)).toEqual({ user: null });
  });

  async function revokedEverywhere(token: string): Promise<void> {
    for (const instance of INSTANCES) {
      expect(codesOf(await castellans.ask(ME, { token, instance }))).toEqual(['SESSION_REVOKED']);
    }
  }
});

describe('signing in with a second factor', () => {
  test('AC-18: before the code there is no session, and what waits for it can do nothing but finish', async () => {
    const bob = await phone.enrolled('bob');
    const before = await sessionsOf(bob.id);
    const token = await phone.challengeOf(bob.email);
    // What this instance knows of the user must not make up for the session that is missing.
    for (const instance of INSTANCES) await castellans.ask(ME, { token: bob.accessToken, instance });
    const operations = [
      ME,
      '{ users(first: 1) { edges { node { id } } } }',
      '{ sessions(first: 1) { edges { node { id } } } }',
      '{ viewerAbility { rules } }',
      '{ _entities(representations: []) { __typename } }',
      'mutation { signOut { position } }',
      'mutation { revokeOtherSessions { position } }',
      'mutation { beginTotpEnrollment { secret } }',
      'mutation { confirmTotpEnrollment(code: "123456") { position } }',
      'mutation { disableTotp(code: "123456") { position } }',
      'mutation { regenerateRecoveryCodes(code: "123456") { position } }',
      'mutation { rotateSigningKey { position } }',
      `mutation { verifyMfa(input: { challengeToken: "${token}", code: "123456" }) { position } }`,
    ];
    for (const instance of INSTANCES) {
      for (const operation of operations) {
        const answer = await castellans.ask(operation, { token, instance });
        expect({ status: answer.status, codes: codesOf(answer), data: answer.data }).toEqual({
          status: 401,
          codes: ['UNAUTHENTICATED'],
          data: null,
        });
      }
    }
    expect(await sessionsOf(bob.id)).toBe(before);

    const { session } = dataOf(await phone.verify(token, await phone.nextCode(bob.secret), 2)).verifyMfa;
    expect(session.id).not.toBe(bob.sessionId);
    expect(await sessionsOf(bob.id)).toBe(before + 1);
  });

  test('AC-18: over a socket neither', async () => {
    const bob = await phone.enrolled('bob');
    const closed = Promise.withResolvers<number>();
    const token = await phone.challengeOf(bob.email);
    const client = castellans.connect({ token, instance: 1, onClosed: closed.resolve });
    const events = client.iterate({ query: 'subscription { sessionEvents { __typename } }' });
    await expect(events.next()).rejects.toBeDefined();
    expect(await closed.promise).not.toBe(1_000);
  });

  test('starts a session that says so, and goes on saying so when it is refreshed', async () => {
    const bob = await phone.enrolled('bob');
    const token = await phone.challengeOf(bob.email, 1);
    const { verifyMfa } = dataOf(await phone.verify(token, await phone.nextCode(bob.secret), 2));
    expect(verifyMfa).toMatchObject({
      session: { aal: 2, current: true },
      user: { id: bob.id, mfaEnabled: true },
    });
    const { session } = verifyMfa as unknown as { session: { authenticatedAt: string; createdAt: string } };
    expect(session.authenticatedAt).toBe(session.createdAt);
    await phone.pass(60_000);
    const refreshed = await castellans.ask(REFRESH, { variables: { token: verifyMfa.refreshToken } });
    expect(refreshed.data).toMatchObject({
      refreshSession: { session: { id: verifyMfa.session.id, aal: 2, authenticatedAt: session.authenticatedAt } },
    });
  });

  test('by the password alone is level 1, before and after a refresh', async () => {
    const carol = await castellans.signUp('carol');
    const { data } = await castellans.ask(REFRESH, { variables: { token: carol.refreshToken } });
    expect(data).toMatchObject({ refreshSession: { session: { id: carol.sessionId, aal: 1 } } });
  });

  test('takes a code one step early or late, with space in it, and none further off', async () => {
    const bob = await phone.enrolled('bob');
    for (const steps of [2, 3]) {
      await phone.pass(60_000);
      const challenge = await phone.challengeOf(bob.email);
      expect(codesOf(await phone.verify(challenge, phone.code(bob.secret, steps)))).toEqual(['UNAUTHENTICATED']);
      expect(codesOf(await phone.verify(challenge, phone.code(bob.secret, -steps)))).toEqual(['UNAUTHENTICATED']);
    }
    dataOf(await phone.verify(await phone.challengeOf(bob.email), phone.code(bob.secret, -1)));
    const spaced = phone.code(bob.secret, 1).replace(/^(...)/, ' $1 ');
    dataOf(await phone.verify(await phone.challengeOf(bob.email), spaced));
  });

  test('with TOTP_SKEW 0 a code is good within its own 30 seconds', async () => {
    const own = createTestClock();
    const house = await startCastellans(1, { clock: own, settings: { totpSkew: 0 } });
    try {
      const strict = secondFactors(house, own, PASSWORD);
      const bob = await strict.enrolled('bob');
      // A second into a step that is new: the work below takes no half minute.
      await strict.pass(31_000 - (own.now() % 30_000));
      const challenge = await strict.challengeOf(bob.email);
      for (const steps of [-1, 1]) {
        expect(codesOf(await strict.verify(challenge, strict.code(bob.secret, steps)))).toEqual(['UNAUTHENTICATED']);
      }
      dataOf(await strict.verify(challenge, strict.code(bob.secret)));
    } finally {
      await house.close();
    }
  });

  test('answers a challenge that is wrong, used, expired, or of a user who is shut out identically', async () => {
    const bob = await phone.enrolled('bob');
    const carol = await phone.enrolled('carol');
    const dave = await phone.enrolled('dave');
    const erin = await phone.enrolled('erin');
    const admin = await castellans.signUp('alice', ['administrator']);
    const wrong = await phone.verify('mfa.nothing', phone.code(bob.secret));
    expect(codesOf(wrong)).toEqual(['UNAUTHENTICATED']);
    // Each with the right code of its user, so that nothing else can be what is refused.
    const refused = async (token: string, { secret }: Enrolled) => {
      await phone.pass(30_000);
      for (const instance of INSTANCES) {
        for (const code of [phone.code(secret), phone.wrongCode(secret)]) {
          expect(seen(await phone.verify(token, code, instance))).toEqual(seen(wrong));
        }
      }
    };
    const [ofBob, ofCarol, ofDave, ofErin] = [
      await phone.challengeOf(bob.email),
      await phone.challengeOf(carol.email),
      await phone.challengeOf(dave.email),
      await phone.challengeOf(erin.email),
    ];
    dataOf(await phone.verify(ofBob, await phone.nextCode(bob.secret)));
    await refused(ofBob, bob);
    await castellans.ask('mutation ($id: ID!) { disableUser(id: $id) { position } }', {
      variables: { id: carol.id },
      token: admin.accessToken,
    });
    await refused(ofCarol, carol);
    await suspendHomeOf(dave.id);
    await refused(ofDave, dave);
    dataOf(await phone.change(DISABLE, erin.recoveryCodes[0] ?? '', erin.accessToken));
    await refused(ofErin, erin);

    const expired = await phone.challengeOf(bob.email);
    await phone.pass(570_000);
    await refused(expired, bob);
    const fresh = await phone.challengeOf(bob.email);
    const forged = `${fresh.slice(0, -1)}${fresh.endsWith('A') ? 'B' : 'A'}`;
    for (const token of ['', '\u0000', forged, `${fresh} `, fresh.replace(bob.id, dave.id)]) await refused(token, bob);
    await refused(expired, bob);
    dataOf(await phone.verify(fresh, phone.code(bob.secret)));
  });

  test('waits for its code for as long as it says, which is ten minutes at most', async () => {
    const bob = await phone.enrolled('bob');
    const { challengeToken, expiresAt } = dataOf(await phone.signIn(bob.email)).signIn;
    expect(Date.parse(expiresAt) - clock.now()).toBeLessThanOrEqual(600_000);
    await phone.pass(Date.parse(expiresAt) - clock.now() - 20_000);
    dataOf(await phone.verify(challengeToken, phone.code(bob.secret)));
  });

  test('a challenge does not come back with its user', async () => {
    const bob = await phone.enrolled('bob');
    const admin = await castellans.signUp('alice', ['administrator']);
    const token = await phone.challengeOf(bob.email);
    await castellans.ask('mutation ($id: ID!) { disableUser(id: $id) { position } }', {
      variables: { id: bob.id },
      token: admin.accessToken,
    });
    await castellans.rows(`update users set status = 'active' where id = $1`, bob.id);
    expect(codesOf(await phone.verify(token, await phone.nextCode(bob.secret)))).toEqual(['UNAUTHENTICATED']);
  });

  test('a wrong code has an answer of its own, and does not use the challenge up', async () => {
    const bob = await phone.enrolled('bob');
    const token = await phone.challengeOf(bob.email);
    for (const code of [phone.wrongCode(bob.secret), '', '0'.repeat(20), 'aaaaa-aaaaa-aaaaa-aaaaa', '\u0000']) {
      const answer = await phone.verify(token, code);
      expect(codesOf(answer)).toEqual(['UNAUTHENTICATED']);
      expect(messagesOf(answer)).toEqual(['This code is wrong, or was used before.']);
    }
    dataOf(await phone.verify(token, await phone.nextCode(bob.secret)));
  });

  test('AC-25: each kind of token is good for its own purpose alone', async () => {
    const bob = await phone.enrolled('bob');
    const { accessToken, refreshToken } = await phone.signInWith(bob);
    const challenge = await phone.challengeOf(bob.email);
    const code = await phone.nextCode(bob.secret);
    const tokens = { access: accessToken, refresh: refreshToken, challenge };
    const uses: Readonly<Record<keyof typeof tokens, (token: string, instance: number) => Promise<Answer<object>>>> = {
      access: (token, instance) => castellans.ask(ME, { token, instance }),
      refresh: (token, instance) => castellans.ask(REFRESH, { variables: { token }, instance }),
      challenge: (token, instance) => phone.verify(token, code, instance),
    };
    const before = await castellans.recorded();
    for (const [kind, use] of Object.entries(uses)) {
      for (const [other, token] of Object.entries(tokens)) {
        if (kind === other) continue;
        for (const instance of INSTANCES) {
          const answer = await use(token, instance);
          expect({ as: kind, other, codes: codesOf(answer) }).toEqual({ as: kind, other, codes: ['UNAUTHENTICATED'] });
        }
      }
    }
    const revocation = await fetch(`${castellans.apps[0]?.url}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: challenge }),
    });
    expect(revocation.status).toBe(200);
    expect(await castellans.recorded()).toEqual(before);
    for (const [kind, token] of Object.entries(tokens)) {
      expect((await uses[kind as keyof typeof tokens](token, 1)).errors).toEqual([]);
    }
  });
});

describe('what is kept', () => {
  test('is recorded without any code: who did what, with how many failures', async () => {
    const bob = await phone.enrolled('bob');
    const token = await phone.challengeOf(bob.email);
    await phone.verify(token, phone.wrongCode(bob.secret));
    await phone.verify(token, 'not a recovery code');
    dataOf(await phone.verify(token, bob.recoveryCodes[0] ?? ''));
    await phone.change(REGENERATE, await phone.nextCode(bob.secret), bob.accessToken);
    await phone.change(DISABLE, await phone.nextCode(bob.secret), bob.accessToken);
    const entries = await castellans.rows<{ action: string; by: string; after: object | null }>(
      `select action, by, after from audit_entries where subject_id = $1 and action not in ('user.create', 'user.sign_in_failed') order by id`,
      bob.id,
    );
    expect(entries.map(({ action, after }) => (after === null ? action : [action, after]))).toEqual([
      'totp.begin',
      'totp.use',
      'totp.confirm',
      'mfa.require',
      ['totp.refuse', { failures: 1 }],
      'recovery_code.refuse',
      ['recovery_code.use', { unused: 9 }],
      'totp.use',
      'recovery_code.regenerate',
      'totp.use',
      'totp.disable',
    ]);
    expect(new Set(entries.map(({ by }) => by))).toEqual(new Set([bob.id]));
  });

  test('is nothing that anybody could use: no secret, code, hash of a code or token stands in any table', async () => {
    const bob = await phone.enrolled('bob');
    const challenge = await phone.challengeOf(bob.email);
    const used = await phone.challengeOf(bob.email);
    const code = await phone.nextCode(bob.secret);
    const { accessToken, refreshToken } = dataOf(await phone.verify(used, code)).verifyMfa;
    dataOf(await phone.verify(await phone.challengeOf(bob.email), bob.recoveryCodes[0] ?? ''));

    const everything = await everythingStored();
    expect(everything).toContain(bob.email);
    expect(everything).toContain(refreshToken.split('.')[2]);
    const forms = (text: string): readonly string[] => {
      const bare = text.replaceAll('-', '');
      return [text, bare, bare.toUpperCase()].flatMap((each) => [
        each,
        ...(['hex', 'base64', 'base64url'] as const).map((encoding) =>
          Buffer.from(each).toString(encoding).replace(/=+$/, ''),
        ),
        ...(['hex', 'base64', 'base64url'] as const).map((encoding) =>
          hash('sha256', each, encoding).replace(/=+$/, ''),
        ),
      ]);
    };
    const macOf = (token: string) => token.split('.').at(-1) ?? '';
    const secrets = [bob.secret, ...bob.recoveryCodes, challenge, used, accessToken, macOf(challenge), macOf(used)];
    for (const secret of [...secrets, refreshToken.split('.')[3] ?? '']) {
      for (const form of forms(secret)) expect(everything.includes(form)).toBe(false);
    }
    const seed = bytesOf(bob.secret);
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      expect(everything.includes(seed.toString(encoding).replace(/=+$/, ''))).toBe(false);
    }
    expect(everything).not.toMatch(new RegExp(String.raw`\b${code}\b`));
  });

  test('is sealed anew when the secret is replaced, and the previous one is needed no more', async () => {
    const bob = await phone.enrolled('bob');
    const [old] = castellans.config.keyEncryptionKeys ?? [];
    const next = new Secret('the secret that comes after the one for tests');
    if (old === undefined) throw new TypeError('the tests have a secret');
    const { database } = castellans.apps[0] ?? {};
    if (database === undefined) throw new TypeError('the tests have an instance');
    expect(await resealFactors(createStore(database), new Keys([next, old]))).toBeGreaterThan(0);

    const rows = await castellans.rows<{ sealed_secret: string }>(
      'select sealed_secret from totp_factors where user_id = $1',
      bob.id,
    );
    const sealed = rows[0]?.sealed_secret ?? '';
    expect(new Keys([next]).open('totp-secrets', sealed, bob.id)).toBe(bob.secret);
    expect(new Keys([old]).open('totp-secrets', sealed, bob.id)).toBeNull();
    expect(new Keys([next]).open('totp-secrets', sealed, 'user_other')).toBeNull();
    await expect(resealFactors(createStore(database), new Keys([old]))).rejects.toMatchObject({ code: 'CONFLICT' });

    await resealFactors(createStore(database), new Keys([old, next]));
    await phone.signInWith(bob);
    dataOf(await phone.verify(await phone.challengeOf(bob.email), bob.recoveryCodes[5] ?? ''));
  });

  async function everythingStored(): Promise<string> {
    const tables = await castellans.rows<{ name: string }>(
      `select tablename as name from pg_tables where schemaname = 'public' order by tablename`,
    );
    expect(tables.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['challenges', 'recovery_codes', 'totp_factors', 'audit_entries']),
    );
    const texts = await Promise.all(
      tables.map(({ name }) =>
        castellans.rows<{ text: string | null }>(`select string_agg(t::text, e'\\n') as text from "${name}" t`),
      ),
    );
    return texts.flat().reduce((all, { text }) => `${all}\n${text ?? ''}`, '');
  }
});

async function suspendHomeOf(userId: string): Promise<void> {
  await castellans.addScopes('acme');
  await castellans.rows(
    `update users set scope_id = (select id from scopes where path = 'acme') where id = $1`,
    userId,
  );
  await castellans.rows(`update scopes set status = 'suspended' where path = 'acme'`);
}

/** What a secret in base32 stands for. */
function bytesOf(secret: string): Buffer {
  const bits = Array.from(secret, (symbol) =>
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(symbol).toString(2).padStart(5, '0'),
  );
  return Buffer.from((bits.join('').match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
