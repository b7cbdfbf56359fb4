import { expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';

const rules = Array.from({ length: 150 }, (_, at) => [
  `      - { action: read, subject: Doc, where: { owner: o${at}, team: t${at % 20} } }`,
  `      - { action: read, subject: Doc, where: { tags: { in: [g${at}, g${at + 1}] }, count: { gt: ${at % 3} } } }`,
  `      - { action: read, subject: Doc, where: { owner: '\${principal.id}', team: t${at} }, within: any }`,
]).flat();
const denies = Array.from({ length: 40 }, (_, at) => [
  `      - { action: read, subject: Doc, where: { owner: o${at * 10}, size: 7 }, fields: [team] }`,
  `      - { action: read, subject: Doc, where: { team: t${at}, email: '\${principal.email}' }, reason: Held. }`,
]).flat();
const engine = new Engine(
  parseBundle([
    {
      path: 'policies/many.yaml',
      text: `subjects:
  Doc: { actions: [read], attributes: { owner: id, team: id, email: string, tags: list(string), count: number, size: number, place: scope } }
roles:
  reader:
    allow:
${rules.join('\n')}
  held:
    deny:
${denies.join('\n')}
`,
    },
  ]),
);
const facts = { id: 'p1', email: 'p1@acme' };
const reader = engine.ability(facts, [{ role: 'reader', scope: null }]);
const held = engine.ability(
  facts,
  ['reader', 'held'].map((role) => ({ role, scope: null })),
);
const heldWithoutEmail = engine.ability(
  { id: 'p1' },
  ['reader', 'held'].map((role) => ({ role, scope: 'acme' })),
);

type Ability = typeof reader;
const doc = (attributes: Record<string, unknown>) => ({ __typename: 'Doc', id: 'd1', scopes: ['acme'], ...attributes });

/** The same rules, asked one after the other and by CASL. */
function scanned(ability: Ability, subject: ReturnType<typeof doc>, field?: string): string | null {
  try {
    const group = ability.roleSet.group('Doc', 'read');
    return group?.rules.find((rule) => rule.appliesInCasl(subject, ability, field))?.decision.rule ?? null;
  } catch {
    return 'unreadable';
  }
}

function found(ability: Ability, subject: ReturnType<typeof doc>, field?: string): string | null {
  const { rule, reason } = engine.decide(ability, 'read', subject, field);
  return reason === 'The record cannot be compared with the rules.' ? 'unreadable' : rule;
}

const own = Object.assign(Object.create({ owner: 'o7', team: 't7' }), doc({ count: 1 }));
const listLike = Object.assign([{ owner: 'o7', team: 't7' }], { __typename: 'Doc', id: 'd1' });
const throwing: ReturnType<typeof doc> = Object.defineProperty(doc({ owner: 'o7', team: 't7' }), 'count', {
  get() {
    throw new Error('not now');
  },
});

test.each([
  ['an owner', { owner: 'o7', team: 't7' }],
  ['an owner of another team', { owner: 'o7', team: 't8' }],
  ['an owner in a list', { owner: ['x', 'o7'], team: ['t7'] }],
  ['several owners in a list', { owner: ['o9', 'o7', 'o8'], team: ['t7', 't8', 't9'] }],
  ['an owner in a list in a list', { owner: [['o7']], team: 't7' }],
  ['the same owner twice', { owner: ['o7', 'o7'], team: 't7' }],
  ['an empty list', { owner: [], team: 't7' }],
  ['a list with a hole', { owner: [undefined, 'o7'], team: 't7' }],
  ['null', { owner: null, team: 't7' }],
  ['undefined', { owner: undefined, team: 't7' }],
  ['nothing', {}],
  ['a number', { owner: 7, team: 7 }],
  ['a text that looks like a number', { tags: ['g3'], count: '2' }],
  ['a number in a list of texts', { tags: [3, 'g3'], count: 2 }],
  ['not a number', { tags: 'g3', count: NaN }],
  ['minus zero', { owner: 'o0', team: 't0', size: -0 }],
  ['a name of the prototype', { owner: 'constructor', team: '__proto__' }],
  ['names of the prototype in a list', { owner: ['toString', 'o7'], team: ['valueOf', 't7'] }],
  ["the principal's own", { owner: 'p1', team: 't149' }],
  ["the principal's own in a list", { owner: ['p2', 'p1'], team: ['t149'] }],
  ["what a deny and the principal's own share", { owner: 'p1', team: 't3', email: 'p1@acme' }],
  ['a deny of a field', { owner: 'o10', team: 't10', size: 7 }],
  ['another scope', { owner: 'p1', team: 't3', scopes: ['globex'] }],
  ['no scopes', { owner: 'p1', team: 't3', scopes: null }],
  ['a date', { owner: new Date(0), team: 't7' }],
  ['an object that becomes the owner', { owner: { toJSON: () => 'o7' }, team: 't7' }],
  ['an object that becomes the owner in a list', { owner: [{ toJSON: () => 'o7' }], team: 't7' }],
  ['a regular expression', { owner: /^o7$/, team: 't7' }],
  ['a symbol', { owner: Symbol('o7'), team: 't7' }],
  ['what cannot be compared', { owner: 'o7', team: 't7', count: Object.create(null), tags: ['g1'] }],
  ['a function', { owner: () => 'o7', team: 't7' }],
  ['a large integer', { owner: 7n, team: 't7', count: 2n, tags: ['g3'] }],
])('a record with %s is decided by the rule a scan finds', (_name, attributes) => {
  for (const ability of [reader, held, heldWithoutEmail]) {
    for (const field of [undefined, 'team', 'owner']) {
      expect([field, found(ability, doc(attributes), field)]).toEqual([
        field,
        scanned(ability, doc(attributes), field),
      ]);
    }
  }
});

test.each([
  ['inherits its attributes', own],
  ['is a list', listLike],
])('a record that %s is decided by the rule a scan finds', (_name, subject) => {
  for (const ability of [reader, held, heldWithoutEmail]) {
    expect(found(ability, subject)).toEqual(scanned(ability, subject));
  }
});

test('a record that throws when it is read is denied', () => {
  for (const ability of [reader, held, heldWithoutEmail])
    expect(engine.decide(ability, 'read', throwing).allowed).toBe(false);
});

test('the first of several rules that match decides, whichever attribute it was found by', () => {
  const both = doc({ owner: ['o5', 'p1'], team: ['t5', 't2'], tags: ['g1'], count: 9 });
  expect(found(reader, both)).toBe('policies/many.yaml:7');
  expect(found(reader, both)).toBe(scanned(reader, both));
});

test('a deny that lacks its template denies whatever it reaches, though it would be found by something else', () => {
  const mine = doc({ owner: 'p1', team: 't120' });
  expect(engine.decide(held, 'read', mine).allowed).toBe(true);
  expect(engine.decide(heldWithoutEmail, 'read', mine)).toMatchObject({ allowed: false, reason: 'Held.' });
  expect(engine.decide(heldWithoutEmail, 'read', doc({ owner: 'p1', team: 't120', scopes: ['globex'] })).allowed).toBe(
    true,
  );
});

test('ten thousand rules cost hardly more than ten', () => {
  const nanosPerDecision = (count: number): number => {
    const body = Array.from(
      { length: count },
      (_, at) => `      - { action: read, subject: Doc, where: { owner: o${at} } }\n`,
    );
    const files = Array.from({ length: Math.ceil(count / 1000) }, (_, file) => ({
      path: `policies/${file}.yaml`,
      text: `roles:\n  reader:\n    allow:\n${body.slice(file * 1000, file * 1000 + 1000).join('')}`,
    }));
    const declared = {
      path: 'policies/a.yaml',
      text: 'subjects: { Doc: { actions: [read], attributes: { owner: id } } }\n',
    };
    const many = new Engine(parseBundle([declared, ...files]));
    const ability = many.ability({ id: 'p1' }, [{ role: 'reader', scope: null }]);
    const records = Array.from({ length: 100 }, (_, at) => doc({ owner: `o${(at * 97) % count}` }));
    const round = () => {
      const start = process.cpuUsage();
      for (let times = 0; times < 500; times += 1) {
        for (const record of records) if (!many.decide(ability, 'read', record).allowed) throw new Error('denied');
      }
      return (process.cpuUsage(start).user * 1000) / 50_000;
    };
    return Math.min(round(), round(), round(), round());
  };
  // A scan takes a hundred times as long as either.
  expect(nanosPerDecision(10_000)).toBeLessThan(Math.max(20 * nanosPerDecision(10), 5_000));
});
