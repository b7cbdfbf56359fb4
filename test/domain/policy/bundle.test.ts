import { expect, test } from '@jest/globals';
import { inheritancePath, roleClosure } from '../../../src/domain/policy/bundle.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';

const subjects =
  'subjects: { Doc: { actions: [read, update], attributes: { owner: id, tags: list(string), at: datetime, place: scope } } }\n';
const rules = (body: string) => parseBundle([{ path: 'a.yaml', text: `${subjects}roles:\n${body}` }]);
const reader = (rule: string) => rules(`  reader: { allow: [${rule}] }\n`).version;
const roles = (body: string) => rules(body.trimStart().replaceAll(/^ */gm, '  '));

test('a version is a SHA-256 in hexadecimal', () => {
  expect(reader('{ action: read, subject: Doc }')).toMatch(/^[0-9a-f]{64}$/);
});

test('formatting, comments, order and division into files leave the version alone', () => {
  const one = rules(
    '  a: { allow: [{ action: [read, update], subject: Doc, where: { owner: x } }] }\n  b: { inherits: [a] }\n',
  );
  const two = parseBundle([
    {
      path: 'z.yaml',
      text: 'roles:\n  b: { inherits: [a] } # the second\n  a:\n    allow:\n      - subject: Doc\n        action: update\n        where: { owner: { eq: "x" } }\n',
    },
    { path: 'y.yaml', text: `roles: { a: { allow: [{ where: { owner: x }, subject: [Doc], action: [read] }] } }\n` },
    { path: 'x.yaml', text: subjects },
  ]);
  expect(two.version).toBe(one.version);
});

test.each([
  '{ action: update, subject: Doc }',
  '{ action: [read, update], subject: Doc }',
  '{ action: read, subject: Doc, within: any }',
  '{ action: read, subject: Doc, fields: [owner] }',
  '{ action: read, subject: Doc, reason: why }',
  '{ action: read, subject: Doc, where: { owner: id } }',
  "{ action: read, subject: Doc, where: { owner: '${principal.id}' } }",
  '{ action: read, subject: Doc, where: { owner: { ne: id } } }',
])('the version tells %s from a plain read', (rule) => {
  expect(reader(rule)).not.toBe(reader('{ action: read, subject: Doc }'));
});

test('the version tells an allow from a deny, and who inherits from whom', () => {
  const versions = [
    '  a: { allow: [{ action: read, subject: Doc }] }\n  b: {}\n',
    '  a: { deny: [{ action: read, subject: Doc }] }\n  b: {}\n',
    '  a: { allow: [{ action: read, subject: Doc }] }\n  b: { inherits: [a] }\n',
  ].map((body) => rules(body).version);
  expect(new Set(versions).size).toBe(3);
});

test('roles that inherit in a circle are refused with the path', () => {
  expect(() => roles('a: { inherits: [b] }\nb: { inherits: [d, c] }\nc: { inherits: [a] }\nd: {}\n')).toThrow(
    /a\.yaml:5:\d+ roles inherit in a circle: a → b → c → a/,
  );
});

test('every circle is reported', () => {
  expect(() => roles('a: { inherits: [a] }\nb: { inherits: [c] }\nc: { inherits: [b] }\n')).toThrow(
    /a → a[^]*b → c → b/,
  );
});

test('a closure holds every inherited role once, with the shortest way to it', () => {
  const bundle = roles(
    'top: { inherits: [left, right] }\nleft: { inherits: [far] }\nright: { inherits: [base] }\nfar: { inherits: [base] }\nbase: {}\n',
  );
  const closure = roleClosure(bundle, ['top', 'nothing']);
  expect([...closure.keys()]).toEqual(['top', 'left', 'right', 'far', 'base']);
  expect(inheritancePath(closure, 'far')).toEqual(['top', 'left', 'far']);
  expect(inheritancePath(closure, 'base')).toEqual(['top', 'right', 'base']);
  expect([...roleClosure(bundle, ['__proto__', 'constructor']).keys()]).toEqual([]);
});

test('a chain of ten thousand roles neither overflows nor dawdles', () => {
  const files = Array.from({ length: 20 }, (_, part) => ({
    path: `${part}.yaml`,
    text: `roles:\n${Array.from({ length: 500 }, (_, index) => part * 500 + index)
      .map((index) => `  r${index}: ${index === 0 ? '{}' : `{ inherits: [r${index - 1}] }`}`)
      .join('\n')}\n`,
  }));
  const bundle = parseBundle(files);
  expect(roleClosure(bundle, ['r9999']).size).toBe(10_000);
});

test('a role may be spread over several files', () => {
  const bundle = parseBundle([
    {
      path: 'a.yaml',
      text: `${subjects}roles: { x: {}, r: { inherits: [x], allow: [{ action: read, subject: Doc }] } }\n`,
    },
    { path: 'b.yaml', text: 'roles: { y: {}, r: { inherits: [x, y], deny: [{ action: update, subject: Doc }] } }\n' },
  ]);
  const role = bundle.roles.get('r');
  expect(role?.inherits).toEqual(['x', 'y']);
  expect(role?.rules.map(({ effect, place }) => [effect, place.file])).toEqual([
    ['allow', 'a.yaml'],
    ['deny', 'b.yaml'],
  ]);
});

test('a subject is declared once, and a path given once', () => {
  const file = { path: 'a.yaml', text: `${subjects}roles: { r: {} }\n` };
  expect(() => parseBundle([file, { ...file, path: 'b.yaml' }])).toThrow(
    /b\.yaml:1:\d+ the subject "Doc" is declared twice \(the first is at a\.yaml:1\)/,
  );
  expect(() => parseBundle([file, file])).toThrow(/two files of this path/);
});

test('no files are no policy', () => {
  expect(() => parseBundle([])).toThrow(/no file declares a role/);
});

test('an allow that also matches what has no date is warned of, unless it says so', () => {
  const old = "at: { lt: '2026-01-01T00:00:00.000Z'";
  const warn = (where: string) =>
    rules(`  r: { allow: [{ action: read, subject: Doc, where: { ${where} } } ] }\n`).warnings;
  expect(warn(`${old} }`)).toMatchObject([
    { file: 'a.yaml', line: 3, message: 'lt also matches a record without "at"' },
  ]);
  expect(warn(`${old}, ne: null }`)).toEqual([]);
});

test.each([
  ["owner: '{{principal.id}}'", /^"\{\{principal\.id\}\}" is compared as it stands \(a template is written/],
  ['owner: $principal.id', /^"\$principal\.id" is compared as it stands \(a template is written/],
  ['owner: { in: [x, principal.id] }', /^"principal\.id" is compared as it stands \(a template is written/],
  ["owner: { ne: 'user_*' }", /^"user_\*" is compared as it stands \(there are no patterns\)$/],
  ['owner: /^user_/', /^"\/\^user_\/" is compared as it stands \(there are no patterns\)$/],
])('a text that looks like a template or a pattern and is none is warned of, in %s', (where, told) => {
  const { warnings } = rules(`  r: { deny: [{ action: read, subject: Doc, where: { ${where} } }] }\n`);
  const [message] = warnings.map((warning) => `${warning.message} (${warning.hint})`);
  expect(warnings).toHaveLength(1);
  expect(message).toMatch(told);
});

test('texts that only have signs in them are no patterns, and templates are none to be warned of', () => {
  const where = "owner: { nin: ['${principal.id}', 'a/b', 'what?', '5 $', 'a^b'] }";
  expect(rules(`  r: { deny: [{ action: read, subject: Doc, where: { ${where} } }] }\n`).warnings).toEqual([]);
});
