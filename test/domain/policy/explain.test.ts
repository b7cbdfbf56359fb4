import { describe, expect, test } from '@jest/globals';
import { Engine, type SubjectRecord } from '../../../src/domain/policy/engine.ts';
import { describeNeed } from '../../../src/domain/policy/needs.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';

const text = `subjects:
  Doc: { actions: [read, update, publish], attributes: { owner: id, email: string, state: 'enum(draft, done)', place: scope } }
roles:
  author:
    allow:
      - { action: update, subject: Doc, where: { owner: '\${principal.id}', state: draft } }
      - { action: update, subject: Doc, where: { owner: { in: [nobody] }, state: done, email: x } }
      - { action: read, subject: Doc, where: { email: '\${principal.email}', state: draft } }
    deny:
      - { action: update, subject: Doc, where: { state: done }, reason: What is done is done. }
  editor: { inherits: [author] }
  chief: { inherits: [editor] }
  publisher: { allow: [{ action: publish, subject: Doc, fields: [state] }] }
`;
const engine = new Engine(parseBundle([{ path: 'policies/docs.yaml', text }]));
const chief = engine.ability({ id: 'p1' }, [{ role: 'chief', scope: 'acme' }]);
const doc: SubjectRecord & Record<string, unknown> = {
  __typename: 'Doc',
  id: 'd1',
  owner: 'p1',
  state: 'draft',
  scopes: ['acme'],
};
const changed = (attributes: Record<string, unknown>) => ({ ...doc, ...attributes });

test('names the deciding rule, where it stands and how it was inherited', () => {
  const { decision, rule, nearestMiss } = engine.explain(chief, 'update', doc);
  expect(decision.allowed).toBe(true);
  expect(rule).toMatchObject({
    rule: 'policies/docs.yaml:6',
    file: 'policies/docs.yaml',
    line: 6,
    effect: 'allow',
    role: 'author',
    inheritance: ['chief', 'editor', 'author'],
  });
  expect(rule?.conditions).toEqual([
    { attribute: 'owner', operator: 'eq', expected: 'p1', actual: 'p1', holds: true },
    { attribute: 'state', operator: 'eq', expected: 'draft', actual: 'draft', holds: true },
    {
      attribute: 'scopes',
      operator: 'in',
      expected: ['acme'],
      actual: ['acme'],
      holds: true,
      note: 'the scope of the grant',
    },
  ]);
  expect(nearestMiss).toBeNull();
});

test('names the deny that won, with its reason', () => {
  const { decision, rule } = engine.explain(chief, 'update', changed({ state: 'done' }));
  expect(decision).toMatchObject({ allowed: false, reason: 'What is done is done.' });
  expect(rule).toMatchObject({ effect: 'deny', line: 10, reason: 'What is done is done.' });
});

test('names the nearest miss of a denial, with expected and actual', () => {
  const { decision, rule, nearestMiss } = engine.explain(chief, 'update', changed({ owner: 'p2' }));
  expect(decision).toMatchObject({ allowed: false, rule: null });
  expect(rule).toBeNull();
  expect(nearestMiss?.line).toBe(6);
  expect(nearestMiss?.conditions.filter(({ holds }) => !holds)).toEqual([
    { attribute: 'owner', operator: 'eq', expected: 'p1', actual: 'p2', holds: false },
  ]);
});

test('says that the record is outside the scope of the grant', () => {
  const { nearestMiss } = engine.explain(chief, 'update', changed({ scopes: ['globex'] }));
  expect(nearestMiss?.conditions.filter(({ holds }) => !holds)).toMatchObject([
    { attribute: 'scopes', expected: ['acme'], actual: ['globex'] },
  ]);
});

test('says which template has no value', () => {
  const { nearestMiss } = engine.explain(chief, 'read', doc);
  expect(nearestMiss?.conditions[0]).toMatchObject({
    expected: '${principal.email}',
    holds: false,
    note: 'the principal has no email: the allow matches nothing',
  });
});

test('says which fields a rule is about', () => {
  const publisher = engine.ability({ id: 'p1' }, [{ role: 'publisher', scope: null }]);
  const { nearestMiss } = engine.explain(publisher, 'publish', doc, 'owner');
  expect(nearestMiss?.conditions).toEqual([
    { attribute: 'field', operator: 'in', expected: ['state'], actual: 'owner', holds: false },
  ]);
});

test('names the roles that could allow what no held role speaks of', () => {
  expect(engine.explain(chief, 'publish', doc)).toMatchObject({ rule: null, nearestMiss: null, roles: ['publisher'] });
});

test('explains questions that make no sense without throwing', () => {
  expect(engine.explain(null, 'read', doc).decision.allowed).toBe(false);
  expect(engine.explain(chief, 'fly', doc)).toMatchObject({ rule: null, nearestMiss: null });
});

describe('what a denial needs', () => {
  const needs = (...question: [string, typeof doc, string?]) => engine.explain(chief, ...question).needs;

  test('is nothing where it is allowed', () => {
    expect(needs('update', doc)).toBeNull();
  });

  test('is a value', () => {
    expect(needs('update', changed({ owner: 'p2' }))).toEqual([{ kind: 'attribute', attribute: 'owner', value: 'p1' }]);
  });

  test('is a value that keeps a deny from matching', () => {
    expect(needs('update', changed({ state: 'done' }))).toEqual([
      { kind: 'attribute', attribute: 'state', value: 'draft' },
    ]);
  });

  test('is the role, granted where the record is', () => {
    expect(needs('update', changed({ scopes: ['globex', 'globex/labs'] }))).toEqual([
      { kind: 'grant', role: 'chief', scope: 'globex/labs' },
    ]);
    expect(needs('publish', doc, 'state')).toEqual([{ kind: 'grant', role: 'publisher', scope: 'acme' }]);
  });

  test('is what is known of the principal', () => {
    expect(needs('read', changed({ email: 'p1@acme' }))).toEqual([
      { kind: 'principal', name: 'email', value: 'p1@acme' },
    ]);
  });

  test('is another field', () => {
    const publisher = engine.ability({ id: 'p1' }, [{ role: 'publisher', scope: null }]);
    expect(engine.explain(publisher, 'publish', doc, 'owner').needs).toEqual([{ kind: 'field', field: 'state' }]);
  });

  test('is another policy, where a deny has no condition to miss', () => {
    const never = new Engine(
      parseBundle([
        {
          path: 'policies/never.yaml',
          text: 'subjects: { Box: { actions: [open] } }\nroles:\n  r:\n    allow: [{ action: open, subject: Box }]\n    deny:\n      - { action: open, subject: Box, reason: Never. }\n',
        },
      ]),
    );
    const ability = never.ability({ id: 'p1' }, [{ role: 'r', scope: null }]);
    const explained = never.explain(ability, 'open', { __typename: 'Box', id: 'b1' });
    expect(explained.needs).toEqual([{ kind: 'deny', rule: 'policies/never.yaml:6', role: 'r', reason: 'Never.' }]);
    expect(explained.needs?.map(describeNeed)).toEqual(['denied by r at policies/never.yaml:6: Never.']);
  });

  test('is nothing that would help, where no word of the question is known or no role allows it', () => {
    expect(needs('fly', doc)).toBeNull();
    expect(needs('update', doc, 'nothing')).toBeNull();
    expect(needs('update', { ...doc, __typename: 'Dok' })).toBeNull();
    expect(engine.explain(chief, 'update', Object(null)).needs).toBeNull();
  });

  test('is said in words', () => {
    const said = [
      { kind: 'attribute', attribute: 'owner', value: 'p1' },
      { kind: 'absent', attribute: 'owner' },
      { kind: 'grant', role: 'chief', scope: 'acme' },
      { kind: 'grant', role: 'chief', scope: null },
      { kind: 'principal', name: 'email', value: 'x' },
      { kind: 'field', field: 'state' },
    ] as const;
    expect(said.map(describeNeed)).toEqual([
      'owner would have to be "p1"',
      'owner would have to be missing',
      'the role chief would have to be granted at acme',
      'the role chief would have to be granted everywhere',
      'the principal would have to have the email "x"',
      'the question would have to be about the field state',
    ]);
  });
});
