import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { codesOf, startCastellans, type Castellans, type SignedInUser } from '../support/castellan.ts';
import { addGrant } from '../support/people.ts';

let castellans: Castellans;
let alice: SignedInUser;
let bob: SignedInUser;
let sam: SignedInUser;

beforeAll(async () => {
  castellans = await startCastellans(1);
  alice = await castellans.signUp('alice', ['administrator']);
  bob = await castellans.signUp('bob');
  sam = await castellans.signUp('sam', ['support']);
});

afterAll(() => castellans.close());

const POLICY = '{ policy { version roles subjects files { path text } } }';

const EXPLAIN = `query ($principalId: ID!, $action: String!, $subject: String!, $id: ID, $field: String) {
  explain(principalId: $principalId, action: $action, subject: $subject, id: $id, field: $field) {
    allowed reason policyVersion roles
    rule { rule file line effect role inheritance matches conditions { attribute operator expected actual holds note } }
    nearestMiss { rule role inheritance conditions { attribute expected actual holds } }
    needs { kind text attribute value role scope rule }
  }
}`;

const PREVIEW = `query ($files: [PolicyFileInput!]!) {
  previewPolicy(files: $files) {
    before after affected { id roles liveSessions }
    changes { effect subject action fields principals records except { principal record } pairs { principal record } }
  }
}`;

interface File {
  path: string;
  text: string;
}

async function filesInForce(): Promise<readonly File[]> {
  const { data } = await castellans.ask<{ policy: { files: readonly File[] } }>(POLICY, { token: alice.accessToken });
  return data?.policy.files ?? [];
}

describe('the policy in force', () => {
  test('shows its version, words and files to those who may read it', async () => {
    const { data } = await castellans.ask<{ policy: { version: string; roles: string[]; subjects: string[] } }>(
      POLICY,
      {
        token: alice.accessToken,
      },
    );
    expect(data?.policy.version).toMatch(/^[0-9a-f]{64}$/);
    expect(data?.policy.roles).toEqual(expect.arrayContaining(['administrator', 'member', 'support']));
    expect(data?.policy.subjects).toEqual(expect.arrayContaining(['User', 'Session', 'Role', 'Policy']));
  });

  test('is forbidden to others, and to nobody in particular', async () => {
    expect(codesOf(await castellans.ask(POLICY, { token: bob.accessToken }))).toEqual(['FORBIDDEN']);
    expect(codesOf(await castellans.ask(POLICY))).toEqual(['UNAUTHENTICATED']);
  });
});

describe('an explanation', () => {
  test('names the rule, how its role was come to, and every condition with what was expected and found', async () => {
    const variables = { principalId: sam.id, action: 'read', subject: 'User', id: sam.id };
    const { data } = await castellans.ask(EXPLAIN, { variables, token: alice.accessToken });
    expect(data).toMatchObject({ explain: { allowed: true, rule: { effect: 'allow', matches: true } } });

    const own = { principalId: bob.id, action: 'update', subject: 'User', id: bob.id, field: 'name' };
    const { data: member } = await castellans.ask(EXPLAIN, { variables: own, token: bob.accessToken });
    expect(member).toMatchObject({
      explain: {
        allowed: true,
        rule: {
          file: 'policies/users.yaml',
          role: 'member',
          inheritance: ['member'],
          conditions: [
            { attribute: 'id', operator: 'eq', expected: bob.id, actual: bob.id, holds: true },
            { attribute: 'field', operator: 'in', expected: ['name'], actual: 'name', holds: true },
          ],
        },
      },
    });
  });

  test('of a denial says what would have to be different', async () => {
    const variables = { principalId: bob.id, action: 'disable', subject: 'User', id: bob.id };
    const { data } = await castellans.ask<{ explain: { allowed: boolean; needs: { kind: string; role: string }[] } }>(
      EXPLAIN,
      { variables, token: bob.accessToken },
    );
    expect(data?.explain.allowed).toBe(false);
    expect(data?.explain.needs).toEqual([expect.objectContaining({ kind: 'grant' })]);
  });

  test('names the deny that an inherited allow does not overcome', async () => {
    const variables = { principalId: sam.id, action: 'disable', subject: 'User', id: alice.id };
    const { data } = await castellans.ask(EXPLAIN, { variables, token: alice.accessToken });
    expect(data).toMatchObject({
      explain: {
        allowed: false,
        reason: 'Administrators are disabled by administrators only.',
        rule: { effect: 'deny', role: 'support' },
      },
    });
  });

  test('AC-91: about somebody else is given only to who may read the policy, and about nobody to no one', async () => {
    const question = { action: 'read', subject: 'User', id: bob.id };
    const asked = (principalId: string, { accessToken }: SignedInUser) =>
      castellans.ask(EXPLAIN, { variables: { principalId, ...question }, token: accessToken });
    expect(codesOf(await asked(alice.id, bob))).toEqual(['FORBIDDEN']);
    expect(codesOf(await asked('user_00000000000000000000000000', bob))).toEqual(['FORBIDDEN']);
    expect(codesOf(await asked('user_00000000000000000000000000', alice))).toEqual(['NOT_FOUND']);
  });

  test('about a record one may not read is the same as about none', async () => {
    const ask = (id: string) =>
      castellans.ask(EXPLAIN, {
        variables: { principalId: bob.id, action: 'read', subject: 'User', id },
        token: bob.accessToken,
      });
    const [hidden, missing] = [await ask(alice.id), await ask('user_00000000000000000000000000')];
    expect(codesOf(hidden)).toEqual(['NOT_FOUND']);
    expect(hidden.errors[0]?.message).toBe(missing.errors[0]?.message);
    expect(hidden.status).toBe(missing.status);
  });
});

/** May look at policies, and knows everybody by name. */
const REVIEWER = `roles:
  reviewer:
    allow:
      - { action: read, subject: Policy }
      - { action: read, subject: User, fields: [id, name] }
`;

describe('a preview', () => {
  test('of the policy in force changes nothing', async () => {
    const { data, errors } = await castellans.ask<{ previewPolicy: { before: string; after: string; changes: [] } }>(
      PREVIEW,
      { variables: { files: await filesInForce() }, token: alice.accessToken },
    );
    expect(errors).toEqual([]);
    expect(data?.previewPolicy.changes).toEqual([]);
    expect(data?.previewPolicy.after).toBe(data?.previewPolicy.before);
  });

  test('says who loses what before anything is applied', async () => {
    const files = (await filesInForce()).map(({ path, text }) => ({
      path,
      text: text.replace('{ action: [read, disable], subject: User }', '{ action: [read], subject: User }'),
    }));
    const { data } = await castellans.ask<{
      previewPolicy: {
        affected: object[];
        changes: { effect: string; subject: string; action: string; principals: string[] }[];
      };
    }>(PREVIEW, { variables: { files }, token: alice.accessToken });
    expect(data?.previewPolicy.changes.map(({ effect, subject, action }) => [effect, subject, action])).toEqual([
      ['loses', 'User', 'disable'],
    ]);
    expect(data?.previewPolicy.changes[0]?.principals).toEqual([sam.id]);
    expect(data?.previewPolicy.affected).toEqual([{ id: sam.id, roles: ['support'], liveSessions: 1 }]);
    const still = { action: 'disable', subject: 'User', id: bob.id };
    const query = `query ($action: String!, $subject: String!, $id: ID) {
      viewerCan(action: $action, subject: $subject, id: $id) { allowed }
    }`;
    const { data: after } = await castellans.ask(query, { variables: still, token: sam.accessToken });
    expect(after).toEqual({ viewerCan: { allowed: true } });
  });

  test('says which actions take another step-up', async () => {
    const files = [
      ...(await filesInForce()),
      {
        path: 'records.yaml',
        text: 'subjects: { Chart: { actions: [read, open], stepUp: { open: { level: 2, within: 15m } } } }\n',
      },
    ];
    const query = `query ($files: [PolicyFileInput!]!) { previewPolicy(files: $files) {
      stepUps { subject action before { level } after { level withinSeconds } }
    } }`;
    const { data } = await castellans.ask(query, { variables: { files }, token: alice.accessToken });
    const after = { level: 2, withinSeconds: 900 };
    expect(data).toEqual({ previewPolicy: { stepUps: [{ subject: 'Chart', action: 'open', before: null, after }] } });
  });

  test('names service accounts that lose or gain something, with the roles they hold', async () => {
    const [app] = castellans.apps;
    const { value: account } = (await app?.services.serviceAccounts.create(SYSTEM, { name: 'gateway' })) ?? {};
    const id = account?.id ?? '';
    if (app !== undefined) await addGrant(app, { principalId: id, role: 'service' });
    const own = "{ action: read, subject: ServiceAccount, where: { id: '${principal.id}' } }";
    const files = (await filesInForce()).map(({ path, text }) => ({
      path,
      text: text.replace(`      - ${own}\n`, `      - ${own.replace('read', 'disable')}\n`),
    }));
    const { data } = await castellans.ask<{
      previewPolicy: {
        affected: object[];
        changes: { effect: string; subject: string; action: string; pairs: { principal: string; record: string }[] }[];
      };
    }>(PREVIEW, { variables: { files }, token: alice.accessToken });
    expect(data?.previewPolicy.affected).toEqual([{ id, roles: ['service'], liveSessions: 0 }]);
    expect(
      data?.previewPolicy.changes.map(({ effect, subject, action, pairs }) => [effect, action, subject, pairs]),
    ).toEqual([
      ['gains', 'disable', 'ServiceAccount', [{ principal: id, record: id }]],
      ['loses', 'read', 'ServiceAccount', [{ principal: id, record: id }]],
    ]);
    const explained = await castellans.ask<{ explain: { allowed: boolean } }>(EXPLAIN, {
      variables: { principalId: id, action: 'read', subject: 'ServiceAccount', id },
      token: alice.accessToken,
    });
    expect(explained.data?.explain.allowed).toBe(true);
  });

  test('speaks of records that other subgraphs keep, of everybody who has one of their own', async () => {
    const documents = (action: string) => `subjects:
  Document:
    actions: [read, publish]
    attributes: { id: id, ownerId: id }
roles:
  member:
    allow:
      - { action: ${action}, subject: Document, where: { ownerId: '\${principal.id}' } }
`;
    const files = [...(await filesInForce()), { path: 'policies/documents.yaml', text: documents('publish') }];
    const { data } = await castellans.ask<{
      previewPolicy: { changes: { subject: string; action: string; pairs: { principal: string; record: string }[] }[] };
    }>(PREVIEW, { variables: { files }, token: alice.accessToken });
    const publish = data?.previewPolicy.changes.filter(
      ({ subject, action }) => subject === 'Document' && action === 'publish',
    );
    expect(publish?.flatMap(({ pairs }) => pairs)).toContainEqual({
      principal: bob.id,
      record: `a Document with ownerId ${bob.id}`,
    });
  });

  test('tells of nobody what whoever asks may not read of them, by whatever files', async () => {
    const rules = (where: string) => `roles:
  member:
    allow:
      - { action: disable, subject: User, where: ${where} }
`;
    const before = await filesInForce();
    const reviewer = { path: 'policies/reviewer.yaml', text: REVIEWER };
    const apply = async (files: readonly object[]) => {
      const query = `mutation ($files: [PolicyFileInput!]!, $version: String!) {
        applyPolicy(files: $files, expectedVersion: $version) { version }
      }`;
      const { data } = await castellans.ask<{ policy: { version: string } }>('{ policy { version } }', {
        token: alice.accessToken,
      });
      const variables = { files, version: data?.policy.version };
      expect((await castellans.ask(query, { variables, token: alice.accessToken })).errors).toEqual([]);
    };
    await apply([...before, reviewer]);
    const rita = await castellans.signUp('rita', ['reviewer']);
    const told = async (token: string, where: string) => {
      const files = [...before, reviewer, { path: 'policies/guess.yaml', text: rules(where) }];
      const { data, errors } = await castellans.ask<{
        previewPolicy: { affected: { id: string }[]; changes: { records: string[]; pairs: { record: string }[] }[] };
      }>(PREVIEW, { variables: { files }, token });
      expect(errors).toEqual([]);
      return JSON.stringify(data?.previewPolicy);
    };
    const guesses = [`{ email: ${bob.email} }`, '{ status: active }', "{ name: '${principal.email}' }", '{ id: x }'];
    for (const guess of guesses) {
      expect(await told(rita.accessToken, guess)).not.toContain(bob.id);
      expect(await told(rita.accessToken, guess)).not.toContain('@');
    }
    expect(await told(alice.accessToken, guesses[0] ?? '')).toContain(bob.id);
    const question = { principalId: sam.id, action: 'disable', subject: 'User', id: bob.id };
    const explained = await castellans.ask(EXPLAIN, { variables: question, token: rita.accessToken });
    expect(explained).toMatchObject({ data: null, errors: [{ extensions: { code: 'FORBIDDEN', id: sam.id } }] });
    const own = { ...question, principalId: rita.id };
    expect((await castellans.ask(EXPLAIN, { variables: own, token: rita.accessToken })).errors).toEqual([]);
    await apply(before);
  });

  test('counts the live sessions of those alone whose sessions whoever asks may read', async () => {
    const [app] = castellans.apps;
    if (app === undefined) throw new TypeError('three were started');
    const before = await filesInForce();
    const overseer = `roles:
  overseer:
    allow:
      - { action: read, subject: [Policy, User], within: any }
      - { action: read, subject: Session }
`;
    const rule = '{ action: [read, disable], subject: User }';
    const files = [...before, { path: 'policies/overseer.yaml', text: overseer }];
    const apply = `mutation ($files: [PolicyFileInput!]!, $version: String!) {
      applyPolicy(files: $files, expectedVersion: $version) { version }
    }`;
    const { version } = Object((await app.services.policies.inForce(SYSTEM)) as object) as { readonly version: string };
    const applied = await castellans.ask<{ applyPolicy: { version: string } }>(apply, {
      variables: { files, version },
      token: alice.accessToken,
    });
    expect(applied.errors).toEqual([]);
    const [olga, otto] = [await castellans.signUp('olga'), await castellans.signUp('otto')];
    await addGrant(app, { principalId: olga.id, role: 'overseer' });
    await addGrant(app, { principalId: otto.id, role: 'overseer', scope: 'acme' });
    const proposed = files.map(({ path, text }) => ({ path, text: text.replace(rule, rule.replace(', disable', '')) }));
    const told = async (token: string) =>
      (
        await castellans.ask<{ previewPolicy: { affected: readonly object[] } }>(PREVIEW, {
          variables: { files: proposed },
          token,
        })
      ).data?.previewPolicy.affected;
    for (const { accessToken } of [alice, olga]) {
      expect(await told(accessToken)).toEqual([{ id: sam.id, roles: ['support'], liveSessions: 1 }]);
    }
    expect(await told(otto.accessToken)).toEqual([{ id: sam.id, roles: ['support'], liveSessions: null }]);
    await castellans.ask(apply, {
      variables: { files: before, version: applied.data?.applyPolicy.version },
      token: alice.accessToken,
    });
  });

  test('of many rules keeps nobody waiting who asks something else', async () => {
    const rules = Array.from(
      { length: 300 },
      (_, n) => `      - { action: read, subject: Paper, where: { ownerId: '\${principal.id}', kind: k${n} } }`,
    );
    const text = `subjects:
  Paper: { actions: [read], attributes: { id: id, ownerId: id, kind: string } }
roles:
  member:
    allow:
${rules.join('\n')}
`;
    const files = [...(await filesInForce()), { path: 'policies/papers.yaml', text }];
    let answered = false;
    const preview = castellans
      .ask<{ previewPolicy: { changes: object[] } }>(PREVIEW, { variables: { files }, token: alice.accessToken })
      .finally(() => (answered = true));
    for (let n = 0; n < 20; n += 1) {
      const { data } = await castellans.ask('{ me { id } }', { token: bob.accessToken });
      expect(data).toEqual({ me: { id: bob.id } });
    }
    expect(answered).toBe(false);
    expect((await preview).data?.previewPolicy.changes.length).toBeGreaterThan(0);
  });

  test('of a broken policy answers with every problem and its place', async () => {
    const files = [{ path: 'policies/users.yaml', text: 'subjects:\n  User:\n    actoins: [read]\n' }];
    const answer = await castellans.ask(PREVIEW, { variables: { files }, token: alice.accessToken });
    expect(codesOf(answer)).toEqual(['BAD_USER_INPUT']);
    expect(answer.errors[0]?.extensions).toMatchObject({
      field: 'files',
      problems: expect.arrayContaining([expect.objectContaining({ file: 'policies/users.yaml', line: 3 })]),
    });
  });

  test('is forbidden to who may not read the policy', async () => {
    const answer = await castellans.ask(PREVIEW, { variables: { files: [] }, token: bob.accessToken });
    expect(codesOf(answer)).toEqual(['FORBIDDEN']);
  });
});
