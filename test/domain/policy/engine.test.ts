import { describe, expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';

const text = `
subjects:
  Doc:
    actions: [read, update, delete]
    attributes: { owner: id, email: string, title: string, count: number, tags: list(string), at: datetime, place: scope }
  Box: { actions: [read, open], attributes: { owner: id } }
roles:
  reader: { allow: [{ action: read, subject: [Doc, Box] }] }
  owner:
    allow:
      - { action: update, subject: Doc, fields: [title], where: { owner: '\${principal.id}' }, within: any }
      - { action: delete, subject: Doc, where: { email: '\${principal.email}' }, within: any, reason: It is yours. }
  held:
    deny:
      - { action: delete, subject: Doc, where: { email: { ne: '\${principal.email}' } }, reason: On hold. }
  base: { deny: [{ action: read, subject: Doc, where: { tags: secret }, within: any }] }
  middle: { inherits: [base] }
  editor: { inherits: [reader, middle] }
  everything: { allow: [{ action: manage, subject: all }] }
  counting:
    allow:
      - { action: read, subject: Doc, where: { count: { ne: 1 } } }
      - { action: update, subject: Doc, where: { count: { nin: [1, 2] } } }
      - { action: delete, subject: Doc, where: { count: null } }
`;
const bundle = parseBundle([{ path: 'policies/docs.yaml', text }]);
const engine = new Engine(bundle);

const holding = (...roles: string[]) =>
  engine.ability(
    { id: 'p1', email: 'p1@acme' },
    roles.map((role) => ({ role, scope: null })),
  );
const doc = (attributes: Record<string, unknown> = {}) => ({ __typename: 'Doc', id: 'd1', ...attributes });
const allowed = (
  ability: Parameters<Engine['decide']>[0],
  action: string,
  subject: Parameters<Engine['decide']>[2],
  field?: string,
) => engine.decide(ability, action, subject, field).allowed;

test('a decision names the rule, its place and the version', () => {
  expect(engine.decide(holding('owner'), 'delete', doc({ email: 'p1@acme' }))).toEqual({
    allowed: true,
    reason: 'It is yours.',
    rule: 'policies/docs.yaml:12',
    policyVersion: bundle.version,
  });
  expect(engine.decide(holding('reader'), 'delete', doc())).toEqual({
    allowed: false,
    reason: 'No rule allows delete on Doc.',
    rule: null,
    policyVersion: bundle.version,
  });
});

test('a deny wins, wherever it is inherited from', () => {
  expect(allowed(holding('reader'), 'read', doc({ tags: ['secret'] }))).toBe(true);
  expect(allowed(holding('editor'), 'read', doc({ tags: ['secret'] }))).toBe(false);
  expect(allowed(holding('everything', 'base'), 'read', doc({ tags: ['a', 'secret'] }))).toBe(false);
  expect(allowed(holding('editor'), 'read', doc({ tags: ['a'] }))).toBe(true);
});

test('no ability, no grants and grants of roles that are gone deny everything', () => {
  expect(allowed(null, 'read', doc())).toBe(false);
  expect(allowed(undefined, 'read', doc())).toBe(false);
  expect(allowed(holding(), 'read', doc())).toBe(false);
  expect(allowed(holding('gone', 'constructor', '__proto__'), 'read', doc())).toBe(false);
  expect(engine.packedRules(holding('gone'))).toEqual([]);
});

describe('words the policy does not know', () => {
  const all = holding('everything');

  test('are denied with a reason that helps', () => {
    expect(engine.decide(all, 'updaet', doc()).reason).toBe('Doc has no action "updaet". Did you mean "update"?');
    expect(engine.decide(all, 'read', { __typename: 'Dok', id: 'd' }).reason).toBe(
      'There is no subject "Dok". Did you mean "Doc"?',
    );
    expect(engine.decide(all, 'read', doc(), 'titel').reason).toBe('Doc has no field "titel". Did you mean "title"?');
  });

  test.each(['manage', 'all', '', '__proto__', 'constructor', 'toString', 'open'])(
    'the action %j is denied',
    (action) => {
      expect(allowed(all, action, doc())).toBe(false);
    },
  );

  test.each(['all', '', '__proto__', 'constructor', 'Object'])('the subject %j is denied', (type) => {
    expect(allowed(all, 'read', { __typename: type, id: 'd' })).toBe(false);
  });

  test.each(['', 'scopes', 'id', '__proto__', 'constructor', '*'])('the field %j is denied', (field) => {
    expect(allowed(all, 'read', doc(), field)).toBe(false);
  });

  test.each([null, undefined, 'Doc', 7, [], () => 'Doc', { __typename: 7 }, { __typename: Object }, {}])(
    'the record %p is denied and never throws',
    (subject) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a careless caller could pass.
      expect(allowed(all, 'read', subject as never)).toBe(false);
    },
  );

  test('are told apart for the door', () => {
    expect(engine.isKnown('read', 'Doc', 'title')).toBe(true);
    expect(engine.isKnown('open', 'Doc')).toBe(false);
    expect(engine.unknownWord('read', 'Doc', 'titel')?.argument).toBe('field');
    expect(engine.unknownWord('reed', 'Doc')?.argument).toBe('action');
    expect(engine.unknownWord('read', 'doc')?.argument).toBe('subject');
  });
});

describe('a scope', () => {
  const at = (scope: string | null) => engine.ability({ id: 'p1' }, [{ role: 'reader', scope }]);

  test('holds for itself and everything below, by segment', () => {
    expect(allowed(at('acme'), 'read', doc({ scopes: ['acme'] }))).toBe(true);
    expect(allowed(at('acme'), 'read', doc({ scopes: ['acme', 'acme/platform'] }))).toBe(true);
    expect(allowed(at('acme/platform'), 'read', doc({ scopes: ['acme'] }))).toBe(false);
    expect(allowed(at('acme'), 'read', doc({ scopes: ['acme2', 'acme2/platform'] }))).toBe(false);
    expect(allowed(at('acme'), 'read', doc())).toBe(false);
    expect(allowed(at(null), 'read', doc())).toBe(true);
  });

  test('does not bind subjects without one, nor rules that say otherwise', () => {
    expect(allowed(at('acme'), 'read', { __typename: 'Box', id: 'b1' })).toBe(true);
    const owner = engine.ability({ id: 'p1' }, [{ role: 'owner', scope: 'acme' }]);
    expect(allowed(owner, 'update', doc({ owner: 'p1', scopes: ['globex'] }), 'title')).toBe(true);
  });

  test('that is neither a path nor null grants nothing', () => {
    for (const scope of [undefined, 7, {}, true]) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what a faulty row could hold.
      expect(allowed(at(scope as never), 'read', doc({ scopes: ['acme'] }))).toBe(false);
    }
  });

  test('of one grant is not mixed up with another grant of other scopes', () => {
    const both = engine.ability({ id: 'p1' }, [
      { role: 'reader', scope: 'acme' },
      { role: 'counting', scope: 'globex' },
    ]);
    expect(allowed(both, 'update', doc({ scopes: ['acme'] }))).toBe(false);
    expect(allowed(both, 'update', doc({ scopes: ['globex'] }))).toBe(true);
    expect(
      allowed(
        engine.ability({ id: 'p1' }, [{ role: 'reader', scope: 'acme","reader' }]),
        'read',
        doc({ scopes: ['acme'] }),
      ),
    ).toBe(false);
  });
});

describe('a template', () => {
  test('without a value makes an allow match nothing', () => {
    const nobody = engine.ability({ id: 'p1' }, [{ role: 'owner', scope: null }]);
    expect(allowed(nobody, 'delete', doc())).toBe(false);
    expect(allowed(nobody, 'delete', doc({ email: null }))).toBe(false);
    expect(allowed(nobody, 'delete', doc({ email: '${principal.email}' }))).toBe(false);
  });

  test('without a value makes a deny match everything', () => {
    const grants = ['everything', 'held'].map((role) => ({ role, scope: null }));
    expect(allowed(engine.ability({ id: 'p1', email: 'p1@acme' }, grants), 'delete', doc({ email: 'p1@acme' }))).toBe(
      true,
    );
    expect(allowed(engine.ability({ id: 'p1' }, grants), 'delete', doc({ email: 'p1@acme' }))).toBe(false);
    expect(engine.packedRules(engine.ability({ id: 'p1' }, grants)).at(-1)).toEqual([
      'delete',
      'Doc',
      0,
      1,
      0,
      'On hold.',
    ]);
  });

  test('without a value is reported', () => {
    const nobody = engine.ability(
      { id: 'p1' },
      ['owner', 'held'].map((role) => ({ role, scope: null })),
    );
    expect(engine.unboundTemplates(nobody)).toEqual([
      { rule: 'policies/docs.yaml:12', template: '${principal.email}', consequence: 'the allow matches nothing' },
      { rule: 'policies/docs.yaml:15', template: '${principal.email}', consequence: 'the deny matches everything' },
    ]);
    expect(engine.unboundTemplates(holding('owner'))).toEqual([]);
  });

  test.each([[''], [null], [{ $ne: null }], [['p1@acme']], [7]])('does not take %j for a value', (email) => {
    const ability = engine.ability({ id: 'p1', email }, [{ role: 'owner', scope: null }]);
    expect(allowed(ability, 'delete', doc({ email }))).toBe(false);
    expect(allowed(ability, 'delete', doc({ email: 'p1@acme' }))).toBe(false);
  });

  test('is bound to each principal though the rules are shared', () => {
    const grants = [{ role: 'owner', scope: null }];
    const [alice, bob] = ['alice', 'bob'].map((id) => engine.ability({ id }, grants));
    expect(alice?.roleSet).toBe(bob?.roleSet);
    for (const [ability, owner, expected] of [
      [alice, 'alice', true],
      [bob, 'alice', false],
      [alice, 'bob', false],
      [bob, 'bob', true],
    ] as const) {
      expect(allowed(ability, 'update', doc({ owner }), 'title')).toBe(expected);
      expect(engine.casl(ability).can('update', doc({ owner }), 'title')).toBe(expected);
    }
  });
});

test('null and missing are matched by ne, nin and null', () => {
  const counting = holding('counting');
  for (const record of [doc(), doc({ count: null })]) {
    expect(allowed(counting, 'read', record)).toBe(true);
    expect(allowed(counting, 'update', record)).toBe(true);
    expect(allowed(counting, 'delete', record)).toBe(true);
  }
  expect(allowed(counting, 'read', doc({ count: 1 }))).toBe(false);
  expect(allowed(counting, 'delete', doc({ count: 0 }))).toBe(false);
});

test('a record does not choose its own type', () => {
  const reader = holding('reader');
  expect(allowed(reader, 'open', { ...doc({ __caslSubjectType__: 'Doc' }), __typename: 'Box' })).toBe(false);
  expect(allowed(reader, 'update', doc({ __caslSubjectType__: 'Box' }))).toBe(false);
  expect(allowed(reader, 'read', doc({ __caslSubjectType__: 'Nothing' }))).toBe(true);
  expect(engine.casl(reader).can('read', doc({ __caslSubjectType__: 'Nothing' }))).toBe(true);
});

test('a record cannot pollute prototypes, nor be helped by them', () => {
  const hostile: unknown = JSON.parse(
    '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}},"tags":["a"]}',
  );
  expect(allowed(holding('editor'), 'read', doc({ ...Object(hostile) }))).toBe(true);
  expect(Object.hasOwn(Object.prototype, 'isAdmin')).toBe(false);
  const facts: unknown = JSON.parse('{"id":"p1","__proto__":{"email":"p1@acme"}}');
  const inherited = engine.ability(Object.assign({ id: 'p1' }, facts), [{ role: 'owner', scope: null }]);
  expect(allowed(inherited, 'delete', doc({ email: 'p1@acme' }))).toBe(false);
});

test('a record that cannot be compared is denied and never throws', () => {
  const unordered = new Engine(
    parseBundle([
      {
        path: 'policies/n.yaml',
        text: 'subjects: { Doc: { actions: [read], attributes: { count: number } } }\nroles: { r: { allow: [{ action: read, subject: Doc, where: { count: { gt: 1 } } }] } }\n',
      },
    ]),
  );
  const ability = unordered.ability({ id: 'p1' }, [{ role: 'r', scope: null }]);
  for (const count of [Object.create(null), { valueOf: 1, toString: 1 }, Symbol('x')]) {
    expect(unordered.decide(ability, 'read', doc({ count }))).toMatchObject({ allowed: false, rule: null });
    expect(unordered.explain(ability, 'read', doc({ count })).decision.allowed).toBe(false);
  }
});

test('an ability made under another policy is decided by the one that is asked', () => {
  const stricter = new Engine(
    parseBundle([{ path: 'policies/docs.yaml', text: text.replace('reader: { allow', 'reader: { deny') }]),
  );
  const reader = holding('reader');
  expect(allowed(reader, 'read', doc())).toBe(true);
  expect(stricter.decide(reader, 'read', doc())).toMatchObject({ allowed: false, policyVersion: stricter.version });
  expect(stricter.version).not.toBe(engine.version);
});

test('what stands for everything is written out, so that no unknown word passes', () => {
  const packed = engine.packedRules(holding('everything'));
  expect(packed).toEqual([
    ['read,update,delete', 'Doc'],
    ['read,open', 'Box'],
  ]);
  expect(JSON.stringify(packed)).not.toMatch(/manage|all/);
});

test('the denies of packed rules come last', () => {
  const inverted = engine.plainRules(holding('editor', 'held', 'owner')).map((rule) => rule.inverted === true);
  expect(inverted).toEqual(inverted.toSorted((a, b) => Number(a) - Number(b)));
  expect(inverted).toContain(true);
});
