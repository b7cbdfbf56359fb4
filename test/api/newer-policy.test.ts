import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createApp } from '../../src/app.ts';
import { bundleOfOthers } from '../../src/cli/policy-in-force.ts';
import { parseBundle } from '../../src/domain/policy/parse.ts';
import { createLog } from '../../src/kit/log.ts';
import { apiKeysOn } from '../support/api-keys.ts';
import { INSTANCES } from '../support/asking.ts';
import { type Castellans, codesOf, PASSWORD, type SignedInUser, startCastellans, until } from '../support/castellan.ts';
import { recordedLog } from '../support/recorded-log.ts';
import { watching } from '../support/rights-events.ts';

/**
 * A policy that a newer version of Castellan puts in force while instances of this one serve: in words that these do not know, or
 * in the same words, which have come to mean something else.
 */

interface File {
  readonly path: string;
  readonly text: string;
}

const MAY = '{ viewerCan(action: "read", subject: "Policy") { allowed } }';
const CHANGED = 'subscription { permissionsChanged { __typename ... on AccessEnded { code } } }';
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) { __typename } }`;
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { __typename } }';
const ROLLBACK = `mutation ($version: String!, $expectedVersion: String!) {
  rollbackPolicy(version: $version, expectedVersion: $expectedVersion) { version }
}`;

const { logger, lines } = recordedLog();
let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let inForce: { readonly version: string; readonly files: readonly File[] };
let key: string;

beforeAll(async () => {
  castellans = await startCastellans(3, { logger });
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  const { createKey } = apiKeysOn(
    () => castellans,
    () => alice,
  );
  ({ secret: key } = await createKey(alice));
  const { data } = await castellans.ask<{ policy: typeof inForce }>('{ policy { version files { path text } } }', {
    token: alice.accessToken,
  });
  inForce = data?.policy ?? inForce;
}, 40_000);

afterAll(() => castellans?.close());

/** What a version of Castellan does that knows more. */
async function putInForce(version: string, files: readonly File[]): Promise<void> {
  await castellans.rows(
    `with bundle as (
       insert into policy_bundles (version, files, put_by, put_at) values ($1, $2, 'system', clock_timestamp())
       on conflict (version) do update set put_at = excluded.put_at),
     head as (update policy_head set version = $1 where id = 1)
     insert into authority_log (target, kind, reason) values ('policy', 'changed', 'policy_applied')`,
    version,
    JSON.stringify(files),
  );
}

async function readiness(instance: number): Promise<{ readonly status: number; readonly reasons?: object }> {
  const response = await fetch(`${castellans.apps[instance]?.url}/health/ready`);
  const { reasons } = (await response.json()) as { reasons?: object };
  return { status: response.status, ...(reasons !== undefined && { reasons }) };
}

/** What whoever may do everything is answered at an instance, by every credential. */
async function answersAt(instance: number): Promise<readonly (readonly unknown[])[]> {
  const input = { email: alice.email, password: PASSWORD };
  const answers = await Promise.all([
    castellans.ask(MAY, { instance, token: alice.accessToken }),
    castellans.ask(MAY, { instance, headers: { 'x-api-key': key } }),
    castellans.ask(SIGN_IN, { instance, variables: { input } }),
  ]);
  return answers.map((answer) => (answer.errors.length === 0 ? ['answered'] : codesOf(answer)));
}

const ANSWERED = Array.from({ length: 3 }, () => ['answered']);
const REFUSED = Array.from({ length: 3 }, () => ['AUTHORITY_UNAVAILABLE']);

const UNKNOWN_WORD = ['it does not know', 'a', '    unless: [somebody]\n'] as const;
const OTHER_MEANING = ['it understands otherwise', 'b', ''] as const;

test.each([UNKNOWN_WORD, OTHER_MEANING])(
  'under a policy that %s an instance decides nothing, says so at once, and goes on as before when it is taken back',
  async (_, letter, more) => {
    const files = inForce.files.map(({ path, text }) => ({
      path,
      text: text.replace('  member:\n', `  member:\n${more}`),
    }));
    const version = letter.repeat(64);
    const client = castellans.connect({ token: bob.accessToken, instance: 1 });
    const events = await watching<{ permissionsChanged: object }>(castellans, { client, instance: 1, query: CHANGED });
    for (const instance of INSTANCES) expect(await answersAt(instance)).toEqual(ANSWERED);
    const { refreshToken: token } = await castellans.signIn(bob.email);
    const refresh = async () => castellans.ask(REFRESH, { instance: 2, variables: { token } });
    const known = lines().length;

    await putInForce(version, files);
    for (const instance of INSTANCES) await until(async () => (await readiness(instance)).status === 503);
    for (const instance of INSTANCES) {
      expect((await readiness(instance)).reasons).toEqual({
        policy: 'The policy in force cannot be loaded by this version of Castellan.',
      });
      expect(await answersAt(instance)).toEqual(REFUSED);
    }
    const ended = { __typename: 'AccessEnded', code: 'AUTHORITY_UNAVAILABLE' };
    expect(await events.next()).toEqual({ permissionsChanged: ended });
    expect(codesOf(await refresh())).toEqual(['AUTHORITY_UNAVAILABLE']);
    // Once by each instance, however many ask.
    const told = lines()
      .slice(known)
      .filter((line) => line.startsWith('{"level":50'));
    expect(told.map((line) => JSON.parse(line) as object)).toEqual(
      INSTANCES.map(() => expect.objectContaining({ version, msg: expect.stringContaining('cannot be loaded') })),
    );

    await putInForce(inForce.version, inForce.files);
    for (const instance of INSTANCES) await until(async () => (await readiness(instance)).status === 200);
    for (const instance of INSTANCES) expect(await answersAt(instance)).toEqual(ANSWERED);
    expect(codesOf(await refresh())).toEqual([]);
    await client.dispose();
  },
);

test('an instance does not start under such a policy, and says what to do', async () => {
  await putInForce('b'.repeat(64), inForce.files);
  await expect(createApp(castellans.config, { logger: createLog('silent'), poolMax: 3 })).rejects.toThrow(
    'The policy in force, bbbbbbbbbbbb, cannot be loaded by this version of Castellan. ' +
      'Start the version that put it in force, and take it back there: castellan policy rollback.',
  );
  await putInForce(inForce.version, inForce.files);
  for (const instance of INSTANCES) await until(async () => (await readiness(instance)).status === 200);
});

test('a policy that this version understands otherwise is not rolled back to under its name', async () => {
  const variables = { version: 'b'.repeat(64), expectedVersion: inForce.version };
  const { errors } = await castellans.ask(ROLLBACK, { variables, token: alice.accessToken });
  expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'version' });
  expect(await answersAt(0)).toEqual(ANSWERED);
});

test('the command line does not tell what it cannot load of a policy in force as problems of the files at hand', () => {
  const { version, files } = inForce;
  expect(bundleOfOthers(version, files).version).toBe(parseBundle(files).version);
  const told =
    /^This version of Castellan cannot load the policy in force, \w{12}: use the version that put it in force\.$/;
  expect(() => bundleOfOthers('b'.repeat(64), files)).toThrow(told);
  expect(() => bundleOfOthers(version, [{ path: 'a.yaml', text: 'rolls: {}' }])).toThrow(told);
});
