import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { readPolicyFiles } from '../../src/drivers/files/policies.ts';
import {
  type Answer,
  askOver,
  type Castellans,
  codesOf,
  collect,
  type SignedInUser,
  startCastellans,
} from '../support/castellan.ts';
import { watching } from '../support/rights-events.ts';

const POLICIES = join(import.meta.dirname, '../../policies');
const INSTANCES = [0, 1, 2];

interface File {
  readonly path: string;
  readonly text: string;
}
interface Applied {
  readonly version: string;
  readonly position: string;
  readonly receipt: { readonly enforced: boolean; readonly instances: number; readonly acknowledged: number };
}
interface Version {
  readonly version: string;
  readonly appliedAt: string;
  readonly appliedBy: string;
  readonly inForce: boolean;
}

const PAYLOAD = '{ version position receipt { enforced instances acknowledged } }';
const APPLY = `mutation ($files: [PolicyFileInput!]!, $cases: [PolicyFileInput!], $expectedVersion: String!) {
  applyPolicy(files: $files, cases: $cases, expectedVersion: $expectedVersion) ${PAYLOAD}
}`;
const RELOAD = `mutation { reloadPolicy ${PAYLOAD} }`;
const ROLLBACK = `mutation ($version: String!, $expectedVersion: String!) {
  rollbackPolicy(version: $version, expectedVersion: $expectedVersion) ${PAYLOAD}
}`;
const HISTORY = '{ policy { version history { version appliedAt appliedBy inForce } } }';
const MAY = `query ($id: ID) { viewerCan(action: "disable", subject: "User", id: $id) { allowed policyVersion } }`;
const CHANGED = `subscription {
  permissionsChanged { __typename ... on PermissionsChanged { rules policyVersion position } }
}`;

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;
let files: readonly File[];

beforeAll(async () => {
  files = await readPolicyFiles(POLICIES);
  castellans = await startCastellans(3);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  sam = await castellans.signUp('sam', ['support']);
});

afterAll(() => castellans.close());

/** The policies with one text in place of another, which must be there. */
function edited(from: string, to: string): readonly File[] {
  expect(files.some(({ text }) => text.includes(from))).toBe(true);
  return files.map(({ path, text }) => ({ path, text: text.replace(from, to) }));
}

const SUPPORT_MAY = '      - { action: [read, disable], subject: User }';
const withoutDisable = () => edited(SUPPORT_MAY, '      - { action: read, subject: User }');
/** Means something else for each text. */
const numbered = (n: number) => edited('reason: Administrators are', `reason: ${n}. Administrators are`);

async function history(instance = 0): Promise<{ readonly version: string; readonly history: readonly Version[] }> {
  const { data, errors } = await castellans.ask<{ policy: { version: string; history: readonly Version[] } }>(HISTORY, {
    token: alice.accessToken,
    instance,
  });
  if (data === null) throw new Error(`there is no history: ${JSON.stringify(errors)}`);
  return data.policy;
}

const inForce = async (instance = 0) => (await history(instance)).version;

interface Change {
  readonly files: readonly File[];
  readonly cases?: readonly File[];
  readonly expectedVersion?: string;
}

async function apply(change: Change, { by = alice, instance = 0 } = {}): Promise<Answer<{ applyPolicy: Applied }>> {
  const variables = { expectedVersion: change.expectedVersion ?? (await inForce()), ...change };
  return castellans.ask(APPLY, { variables, token: by.accessToken, instance });
}

/** What was put in force, once the receipt says that it is. */
async function applied(change: Change, instance = 0): Promise<Applied> {
  const { data, errors } = await apply(change, { instance });
  if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
  expect(data.applyPolicy.receipt.enforced).toBe(true);
  return data.applyPolicy;
}

async function may(user: SignedInUser, instance = 0) {
  const { data } = await castellans.ask<{ viewerCan: { allowed: boolean; policyVersion: string } }>(MAY, {
    variables: { id: bob.id },
    token: user.accessToken,
    instance,
  });
  return data?.viewerCan;
}

const onEveryInstance = <T>(ask: (instance: number) => Promise<T>): Promise<readonly T[]> =>
  Promise.all(INSTANCES.map(ask));

/** What a refused change leaves as it was. */
async function unchanged(work: () => Promise<void>): Promise<void> {
  const before = await history();
  const rows = async () => ({
    bundles: await castellans.rows('select version from policy_bundles order by version'),
    audit: await castellans.rows(
      `select count(*) from audit_entries where action like 'policy.%' and outcome = 'done'`,
    ),
    log: await castellans.rows(`select count(*) from authority_log where target = 'policy'`),
  });
  const stored = await rows();
  await work();
  expect(await history()).toEqual(before);
  expect(await rows()).toEqual(stored);
}

describe('a policy that is applied', () => {
  test('AC-02: is in force on every instance and in every open subscription once the receipt is there', async () => {
    await applied({ files: numbered(1) });
    const streams = await onEveryInstance(async (instance) => {
      const client = castellans.connect({ token: sam.accessToken, instance });
      const events = await watching<{ permissionsChanged: { policyVersion: string; rules: unknown } }>(castellans, {
        client,
        instance,
        query: CHANGED,
      });
      return { ...events, client };
    });
    expect(await onEveryInstance((instance) => may(sam, instance))).toMatchObject(
      INSTANCES.map(() => ({ allowed: true })),
    );

    const { version, receipt, position } = await applied({ files: withoutDisable() }, 1);
    expect(receipt).toMatchObject({ instances: 3, acknowledged: 3 });
    expect(position).toMatch(/^[0-9a-f]{8}-\d+$/);

    const decisions = await onEveryInstance((instance) => may(sam, instance));
    expect(decisions).toEqual(INSTANCES.map(() => ({ allowed: false, policyVersion: version })));
    for (const { client } of streams) {
      const variables = { id: bob.id };
      const { data } = await askOver<{ viewerCan: { allowed: boolean } }>(client, MAY, { variables });
      expect(data?.viewerCan.allowed).toBe(false);
    }
    for (const events of streams) {
      const event = await events.next();
      expect(event?.permissionsChanged).toMatchObject({ __typename: 'PermissionsChanged', policyVersion: version });
      await events.stop();
    }
  });

  test('says what is in force already when it means the same, and changes nothing', async () => {
    const version = await inForce();
    await unchanged(async () => {
      const policy = withoutDisable().map(({ path, text }) => ({ path, text: `# Reviewed.\n${text}` }));
      expect(await applied({ files: policy, expectedVersion: version })).toMatchObject({ version });
    });
  });

  test('is audited with what was before and after, by whom', async () => {
    const before = await inForce();
    const { version } = await applied({ files: numbered(2) });
    const rows = await castellans.rows(
      `select by, session_id, action, before, after from audit_entries where subject_id = $1 and outcome = 'done' order by id desc limit 1`,
      version,
    );
    expect(rows).toEqual([
      {
        by: alice.id,
        session_id: alice.sessionId,
        action: 'policy.apply',
        before: { version: before },
        after: { version },
      },
    ]);
  });

  test('brings its new roles, and what it has no more adds nothing to whom it was granted', async () => {
    const guest = { path: 'policies/guests.yaml', text: 'roles: { guest: { inherits: [support] } }' };
    await applied({ files: [...files, guest] });
    const role = `{ role(name: "guest") { name managed } }`;
    const { data } = await castellans.ask(role, { token: alice.accessToken, instance: 2 });
    expect(data).toEqual({ role: { name: 'guest', managed: true } });
    const gus = await castellans.signUp('gus', ['guest']);
    expect(await may(gus, 1)).toMatchObject({ allowed: true });

    await applied({ files });
    expect(await may(gus, 1)).toMatchObject({ allowed: false });
    expect(await castellans.rows('select 1 from grants where principal_id = $1', gus.id)).toHaveLength(1);
    await applied({ files: [...files, guest] });
    expect(await may(gus, 2)).toMatchObject({ allowed: true });
  });

  test('raced from three instances: one wins, the others get CONFLICT, and every instance ends on the same', async () => {
    for (const round of [10, 20, 30]) {
      const expectedVersion = await inForce();
      const answers = await onEveryInstance((instance) =>
        apply({ files: numbered(round + instance), expectedVersion }, { instance }),
      );
      const codes = answers.flatMap(codesOf);
      expect(codes).toEqual(['CONFLICT', 'CONFLICT']);
      const [won] = answers.flatMap(({ data }) => data?.applyPolicy ?? []);
      expect(won?.receipt.enforced).toBe(true);
      expect(new Set(await onEveryInstance(inForce))).toEqual(new Set([won?.version]));
      const decided = await onEveryInstance((instance) => may(sam, instance));
      expect(decided.map((decision) => decision?.policyVersion)).toEqual(INSTANCES.map(() => won?.version));
      // Who lost is told by which.
      const told = answers.flatMap(({ errors }) => errors.map(({ extensions }) => extensions['version']));
      expect(told).toEqual([won?.version, won?.version]);
    }
  });

  test('changes while others keep writing, and nobody is turned away', async () => {
    const create = 'mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }';
    const writes = Array.from({ length: 12 }, (_, n) => {
      const input = { email: `b${n}@changes.example.com`, name: 'B' };
      return castellans.ask(create, { variables: { input }, token: alice.accessToken, instance: n % 3 });
    });
    const { version } = await applied({ files: numbered(40) });
    expect((await Promise.all(writes)).flatMap(codesOf)).toEqual([]);
    expect(await inForce(2)).toBe(version);
  });
});

describe('policyChanged', () => {
  const EVENTS = `subscription ($after: String) {
    policyChanged(after: $after) {
      __typename
      ... on PolicyChanged { version position }
      ... on AccessEnded { code reason }
    }
  }`;
  type Event = Readonly<Record<'__typename' | 'version' | 'position' | 'code', string>>;

  const listening = ({ accessToken: token }: SignedInUser, instance: number, after?: string) =>
    watching<{ policyChanged: Event }>(castellans, {
      client: castellans.connect({ token, instance }),
      instance,
      query: EVENTS,
      after,
    });

  test('tells whoever may read the policy, on every instance, and again what was missed', async () => {
    const ann = await castellans.signUp('ann', ['auditor']);
    const streams = await onEveryInstance((instance) => listening(ann, instance));
    const before = await applied({ files: numbered(80) });
    const event = { __typename: 'PolicyChanged', version: before.version };
    for (const events of streams) {
      expect((await events.next())?.policyChanged).toMatchObject(event);
      await events.stop();
    }
    await applied({ files: numbered(81) });
    const { version } = await applied({ files: numbered(82) });
    const late = await listening(ann, 1, before.position);
    expect((await late.next())?.policyChanged).toMatchObject({ __typename: 'PolicyChanged', version });
    await late.stop();
    const lost = await listening(ann, 2, `events-${before.position}`);
    expect((await lost.next())?.policyChanged.__typename).toBe('Resync');
    expect((await lost.next())?.policyChanged).toMatchObject({ __typename: 'PolicyChanged', version });
    await lost.stop();
  });

  test('ends for who may not read it any more, and is refused to who never might', async () => {
    await applied({ files: numbered(83) });
    const ann = await castellans.signUp('ann', ['auditor']);
    const stream = await listening(ann, 2);
    await applied({ files: edited('{ action: read, subject: all }', '{ action: read, subject: User }') });
    expect((await stream.next())?.policyChanged).toMatchObject({ __typename: 'AccessEnded', code: 'FORBIDDEN' });
    expect(await stream.next()).toBeNull();
    const refused = collect(castellans.connect({ token: bob.accessToken }), EVENTS);
    await expect(refused.next()).rejects.toThrow('FORBIDDEN');
  });
});

describe('a policy that is refused changes nothing', () => {
  test('AC-92: with problems, which it names with their places', async () => {
    await unchanged(async () => {
      const { errors } = await apply({ files: edited(SUPPORT_MAY, SUPPORT_MAY.replace('disable', 'disabel')) });
      expect(errors).toMatchObject([
        {
          extensions: {
            code: 'BAD_USER_INPUT',
            field: 'files',
            problems: [{ file: 'policies/users.yaml', line: expect.any(Number), column: expect.any(Number) }],
          },
        },
      ]);
      expect(errors[0]?.message).toContain('did you mean "disable"?');
    });
  });

  test('AC-92: that answers one of the cases otherwise', async () => {
    const text = await readFile(join(POLICIES, 'cases/users.yaml'), 'utf8');
    const cases = [{ path: 'policies/cases/users.yaml', text }];
    await unchanged(async () => {
      const { errors } = await apply({ files: withoutDisable(), cases });
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'cases' });
      expect(errors[0]?.extensions['problems']).toContainEqual({
        file: 'policies/cases/users.yaml',
        line: expect.any(Number),
        column: expect.any(Number),
        message: expect.stringContaining('is denied disable'),
        hint: expect.any(String),
      });

      const broken = [{ path: 'policies/cases/users.yaml', text: 'cases: [{ principal: nobody }]' }];
      expect(codesOf(await apply({ files, cases: broken }))).toEqual(['BAD_USER_INPUT']);
    });
    await applied({ files: numbered(50), cases });
  });

  test('when another one is in force than was expected', async () => {
    const version = await inForce();
    await unchanged(async () => {
      const { errors } = await apply({ files: withoutDisable(), expectedVersion: 'f'.repeat(64) });
      expect(errors[0]?.extensions).toMatchObject({ code: 'CONFLICT', field: 'expectedVersion', version });
    });
  });

  test.each([
    ['has no administrator', 'administrator:', 'boss:'],
    ['does not let them', '{ action: manage, subject: all }', '{ action: manage, subject: User }'],
    ['does not know what it is', 'actions: [read, apply]', 'actions: [read]'],
    [
      'forbids it',
      '{ action: manage, subject: all }',
      '{ action: manage, subject: all }\n    deny: [{ action: apply, subject: Policy }]',
    ],
  ])('under which nobody could apply another, because it %s', async (_, from, to) => {
    await unchanged(async () => {
      const { errors } = await apply({ files: edited(from, to) });
      expect(errors[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', reason: 'locks_everybody_out' });
    });
  });

  test('of a member, of an administrator of one scope, and of nobody in particular', async () => {
    const scoped = await castellans.signUp('ada');
    const { roles, grants } = castellans.apps[0]?.services ?? {};
    const administrator = await roles?.findByName(SYSTEM, 'administrator');
    await castellans.addScopes('acme');
    await grants?.grant(SYSTEM, { principalId: scoped.id, roleId: administrator?.id ?? '', scope: 'acme' });
    const auditor = await castellans.signUp('ann', ['auditor']);
    const { version } = await history();
    await unchanged(async () => {
      for (const document of [APPLY, RELOAD, ROLLBACK]) {
        const variables = { files: withoutDisable(), version, expectedVersion: version };
        for (const { accessToken: token } of [bob, sam, scoped, auditor]) {
          expect(codesOf(await castellans.ask(document, { variables, token }))).toEqual(['FORBIDDEN']);
        }
        expect(codesOf(await castellans.ask(document, { variables }))).toEqual(['UNAUTHENTICATED']);
      }
      expect(codesOf(await castellans.ask(HISTORY, { token: bob.accessToken }))).toEqual(['FORBIDDEN']);
    });
  });
});

describe('the history', () => {
  test('tells which versions were in force, when and by whom, the last one first', async () => {
    const first = await applied({ files: numbered(60) });
    const second = await applied({ files: numbered(61) }, 1);
    const { version, history: versions } = await history(2);
    expect(version).toBe(second.version);
    expect(versions.slice(0, 2)).toEqual([
      { version: second.version, appliedAt: expect.any(String), appliedBy: alice.id, inForce: true },
      { version: first.version, appliedAt: expect.any(String), appliedBy: alice.id, inForce: false },
    ]);
    const times = versions.map(({ appliedAt }) => appliedAt);
    expect(times).toEqual(times.toSorted().toReversed());
    expect(versions.filter((each) => each.inForce)).toHaveLength(1);
  });

  test('brings an earlier version back on every instance, with a receipt', async () => {
    const first = await applied({ files: numbered(70) });
    const second = await applied({ files: withoutDisable() });
    expect(await may(sam, 1)).toMatchObject({ allowed: false });
    const rollback = (version: string, expectedVersion: string) =>
      castellans.ask<{ rollbackPolicy: Applied }>(ROLLBACK, {
        variables: { version, expectedVersion },
        token: alice.accessToken,
        instance: 2,
      });

    expect(codesOf(await rollback(first.version, first.version))).toEqual(['CONFLICT']);
    expect(codesOf(await rollback('0'.repeat(64), second.version))).toEqual(['NOT_FOUND']);

    const { data } = await rollback(first.version, second.version);
    expect(data?.rollbackPolicy).toMatchObject({ version: first.version, receipt: { enforced: true } });
    for (const decision of await onEveryInstance((instance) => may(sam, instance))) {
      expect(decision).toEqual({ allowed: true, policyVersion: first.version });
    }
    expect((await history()).history.slice(0, 2)).toMatchObject([
      { version: first.version, inForce: true },
      { version: second.version, inForce: false },
    ]);
  });
});
