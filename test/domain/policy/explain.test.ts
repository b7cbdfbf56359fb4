import { expect, test } from '@jest/globals';
import { Engine, type SubjectRecord } from '../../../src/domain/policy/engine.ts';
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
