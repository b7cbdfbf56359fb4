import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { casesSchema, policySchema } from '../../../src/domain/policy/json-schema.ts';
import { malformedForms } from './malformed-forms.ts';
import { malformedStepUps } from './malformed-step-ups.ts';
import { malformedValues } from './malformed-values.ts';
import { malformedWords } from './malformed-words.ts';
import { mismatch } from './schema-check.ts';

const root = join(import.meta.dirname, '../../..');
const filesIn = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.yaml'))
    .map((name): [string, unknown] => [name, parse(readFileSync(join(root, folder, name), 'utf8'))]);

const readable = (text: string): boolean => {
  try {
    parse(text, { logLevel: 'silent' });
    return true;
  } catch {
    return false;
  }
};

test.each(filesIn('policies'))('an editor finds nothing wrong with policies/%s', (_name, value) => {
  expect(mismatch(policySchema, value)).toBeNull();
});

test.each(filesIn('policies/cases'))('an editor finds nothing wrong with policies/cases/%s', (_name, value) => {
  expect(mismatch(casesSchema, value)).toBeNull();
});

test('everything the language has passes', () => {
  const text = `
subjects:
  Doc:
    actions: [read, update]
    stepUp: { update: { level: 2, within: 15m } }
    attributes: { id: id, state: { enum: [a, b] }, tags: list(string), kinds: { list: { enum: [x] } }, kind: 'list(enum(x, y))', at: datetime, place: scope }
roles:
  reader:
    inherits: other
    mfa: required
    allow:
      - { action: manage, subject: all }
      - { action: read, subject: [Doc, Box], fields: name, within: any, reason: Because. }
      - action: read
        subject: Doc
        where:
          id: '\${principal.id}'
          state: null
          tags: { all: [a], size: 2, elemMatch: { in: [a, '\${principal.email}'], ne: b } }
          scopes: { elemMatch: { eq: acme } }
          count: { gt: 1, gte: 1.5, lt: 2, lte: 2, ne: null, nin: [7], exists: true }
    deny: []
  other: {}
`;
  expect(mismatch(policySchema, parse(text))).toBeNull();
});

test('most of what is malformed and still YAML is marked in an editor', () => {
  // Which words are declared, and of which type, a schema cannot know.
  const forms = malformedForms.filter(([, text]) => readable(text));
  const others = [...malformedWords, ...malformedValues, ...malformedStepUps].filter(([, text]) => readable(text));
  const marked = (corpus: typeof forms) =>
    corpus.filter(([, text]) => mismatch(policySchema, parse(text, { logLevel: 'silent' })) !== null);
  expect(marked(forms).length / forms.length).toBeGreaterThan(0.7);
  expect(marked(others).length / others.length).toBeGreaterThan(0.4);
});

test.each([
  ['cases: []\nprincipal: {}'],
  ['principals: {}'],
  ['cases: [{ principal: a, action: read, subject: Doc }]'],
  ['cases: [{ principal: a, action: read, subject: Doc, expect: maybe }]'],
  ['cases: [{ principal: a, action: [], subject: Doc, expect: allow }]'],
  ['cases: [{ principal: a, action: read, subject: Doc, object: { a: { b: c } }, expect: allow }]'],
  ['principals: { a: { grants: [{ scope: acme }] } }\ncases: []'],
  ['principals: { a: { grants: [{ role: r, scope: /acme }] } }\ncases: []'],
  ['principals: { a: { name: x } }\ncases: []'],
])('an editor marks %j among cases', (text) => {
  expect(mismatch(casesSchema, parse(text))).not.toBeNull();
});

test('both schemas are JSON, and say which', () => {
  for (const schema of [policySchema, casesSchema]) {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
  }
});
