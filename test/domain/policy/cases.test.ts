import { expect, test } from '@jest/globals';
import { runCases } from '../../../src/domain/policy/cases.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { makeRecord } from '../../../src/domain/policy/record.ts';

const bundle = parseBundle([
  {
    path: 'policies/docs.yaml',
    text: `subjects:
  Doc: { actions: [read, update], attributes: { id: id, owner: id, count: number, place: scope } }
roles:
  reader:
    allow: [{ action: read, subject: Doc }, { action: update, subject: Doc, where: { owner: '\${principal.id}' } }]
`,
  },
]);
const run = (cases: string) =>
  runCases(bundle, [
    {
      path: 'policies/cases/docs.yaml',
      text: `principals:\n  rita: { grants: [{ role: reader, scope: acme }] }\ncases:\n${cases}`,
    },
  ]);

test('passes when every question is answered as written and every rule decided one', () => {
  const report = run(
    '  - { principal: rita, action: read, subject: Doc, object: { place: acme/platform }, expect: allow }\n' +
      '  - { principal: rita, action: update, subject: Doc, field: [count, owner], object: { place: acme, owner: rita }, expect: allow }\n' +
      '  - { principal: rita, action: [read, update], subject: Doc, object: { place: acme2, owner: rita }, expect: deny }\n',
  );
  expect(report).toEqual({ passed: true, asked: 5, failures: [], untried: [] });
});

test('names the place of a case that fails, and the rule that decided it', () => {
  const { passed, failures } = run(
    '  - { principal: rita, action: read, subject: Doc, object: { id: d1, place: acme }, expect: deny }\n',
  );
  expect(passed).toBe(false);
  expect(failures).toMatchObject([
    {
      file: 'policies/cases/docs.yaml',
      line: 4,
      message: 'rita is allowed read of d1, and should not be',
      hint: 'Allowed by the role reader. policies/docs.yaml:5',
    },
  ]);
});

test('tells two rules on one line apart, and names the one that decides no case', () => {
  const { passed, untried } = run(
    '  - { principal: rita, action: read, subject: Doc, object: { place: acme }, expect: allow }\n',
  );
  expect(passed).toBe(false);
  expect(untried).toMatchObject([
    { file: 'policies/docs.yaml', line: 5, message: 'this rule of the role reader decides no case' },
  ]);
  expect(untried[0]?.column).toBeGreaterThan(20);
});

test.each([
  [
    '  - { principal: rite, action: read, subject: Doc, expect: allow }',
    /4:\d+ there is no principal "rite" \(did you mean "rita"/,
  ],
  [
    '  - { principal: rita, action: reed, subject: Doc, expect: allow }',
    /Doc has no action "reed" \(did you mean "read"/,
  ],
  ['  - { principal: rita, action: read, subject: Dok, expect: allow }', /there is no subject "Dok"/],
  ['  - { principal: rita, action: read, subject: Doc, expect: maybe }', /expect is allow or deny/],
  ['  - { principal: rita, action: read, subject: Doc, expect: true }', /^\S+ expect is allow or deny$/],
  [
    '  - { principal: rita, action: read, subject: Doc, object: { unheard: 1 }, expect: deny }',
    /no attribute "unheard" \(there are id, owner, count, place\)/,
  ],
  ['  - { principal: rita, action: read, subject: Doc, object: { owner: [x] }, expect: deny }', /a list is no id$/],
  ['  - { principal: rita, action: read, subject: Doc }', /a case has no "expect"/],
  ['  - { principal: rita, action: read, subject: Doc, object: { conut: 1 }, expect: deny }', /did you mean "count"/],
  ['  - { principal: rita, action: read, subject: Doc, object: { count: many }, expect: deny }', /many is no number/],
  [
    '  - { principal: rita, action: read, subject: Doc, object: { scopes: [acme] }, expect: deny }',
    /no attribute "scopes" \(they follow from "place"\)/,
  ],
  [
    '  - { principal: rita, action: read, subject: Doc, field: nope, expect: deny }',
    /Doc has no field "nope" \(there are id, owner, count, place\)/,
  ],
  ['  - 7', /a case is a map/],
])('refuses %s', (text, message) => {
  expect(() => run(`${text}\n`)).toThrow(message);
});

test('a record made from outside has only declared attributes of the declared type, and scopes that follow from its scope', () => {
  const type = bundle.subjects.get('Doc');
  if (type === undefined) throw new Error('the policy has lost its subject');
  expect(makeRecord(type, 'd1', { count: 1, place: 'acme/platform' })).toEqual({
    record: { __typename: 'Doc', id: 'd1', count: 1, place: 'acme/platform', scopes: ['acme', 'acme/platform'] },
  });
  const hostile: unknown = JSON.parse(
    '{"__typename":"User","scopes":["acme"],"__proto__":{"owner":"x"},"count":{"valueOf":1}}',
  );
  const made = makeRecord(type, 'd1', { ...Object(hostile) });
  expect('refused' in made && made.refused.map(({ attribute }) => attribute)).toEqual([
    '__typename',
    'scopes',
    '__proto__',
    'count',
  ]);
});
