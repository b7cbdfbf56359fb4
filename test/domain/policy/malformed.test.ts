import { expect, test } from '@jest/globals';
import { type Bundle } from '../../../src/domain/policy/bundle.ts';
import { ParseCache } from '../../../src/domain/policy/parse-cache.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { PolicyError, type PolicyProblem } from '../../../src/domain/policy/problems.ts';
import { malformedForms } from './malformed-forms.ts';
import { malformedStepUps } from './malformed-step-ups.ts';
import { malformedSyntax } from './malformed-syntax.ts';
import { malformedValues } from './malformed-values.ts';
import { malformedWords, withRule } from './malformed-words.ts';

const corpus = [...malformedForms, ...malformedSyntax, ...malformedWords, ...malformedValues, ...malformedStepUps];

function refusal(text: string): readonly PolicyProblem[] {
  let bundle: Bundle;
  try {
    bundle = parseBundle([{ path: 'policies/bad.yaml', text }]);
  } catch (error) {
    if (error instanceof PolicyError) return error.problems;
    throw error;
  }
  throw new Error(`this was loaded as ${bundle.version}`);
}

test.each(corpus)('refuses %s, and says where', (_name, text, message) => {
  const problems = refusal(text);
  const told = problems.map(
    (problem) => `${problem.line}:${problem.column} ${problem.message} (${problem.hint ?? ''})`,
  );
  expect(told.join('\n')).toMatch(message);
  for (const { file, line, column } of problems) {
    expect(file).toBe('policies/bad.yaml');
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(text.split('\n').length);
    expect(column).toBeGreaterThanOrEqual(1);
  }
  expect(Object.hasOwn(Object.prototype, 'allow')).toBe(false);
});

test('the corpus of malformed policies has 200 texts, all different', () => {
  expect(new Set(corpus.map(([, text]) => text)).size).toBe(corpus.length);
  expect(corpus.length).toBeGreaterThanOrEqual(200);
});

test('one bad file keeps all others from loading, and leaves nothing behind', () => {
  const good = {
    path: 'policies/good.yaml',
    text: 'subjects: { Pad: { actions: [read] } }\nroles: { padder: { allow: [] } }\n',
  };
  const cache = new ParseCache();
  const { version } = parseBundle([good], cache);
  const loaded = corpus.filter(([, text]) => {
    try {
      return parseBundle([good, { path: 'policies/bad.yaml', text }], cache).version !== '';
    } catch (error) {
      return !(error instanceof PolicyError);
    }
  });
  // Beside another file it is a good one.
  expect(loaded.map(([name]) => name)).toEqual(['a file without roles']);
  expect(parseBundle([good], cache)).toMatchObject({ version, warnings: [] });
});

test('of a file that is no YAML only that is told, and nothing of what others name in it', () => {
  const files = [
    { path: 'policies/docs.yaml', text: `${withRule('{ action: read subject: Doc }')}\n` },
    { path: 'policies/more.yaml', text: 'roles: { heir: { inherits: reader } }\n' },
  ];
  expect(() => parseBundle(files)).toThrow(/^policies\/docs\.yaml:16:23 a comma is missing here[^\n]*$/);
});

test('lists every problem of every file at once, in order', () => {
  const files = [
    { path: 'policies/b.yaml', text: withRule('{ action: fly, subject: Doc, fields: [wing] }') },
    { path: 'policies/a.yaml', text: 'roles:\n  x: { inherits: [y], allow: [7] }\n' },
  ];
  try {
    parseBundle(files);
    throw new Error('this was loaded');
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    expect(error instanceof PolicyError && error.problems.map(({ file, line }) => `${file}:${line}`)).toEqual([
      'policies/a.yaml:2',
      'policies/a.yaml:2',
      'policies/b.yaml:16',
      'policies/b.yaml:16',
    ]);
    expect(String(error)).toMatch(/policies\/a\.yaml:2:\d+ there is no role "y"/);
  }
});

test('answers hostile files without burning the processor', () => {
  const hostile = ['['.repeat(130_000), '{a: '.repeat(32_000), '"'.repeat(130_000)];
  const before = process.cpuUsage();
  for (const text of hostile) expect(refusal(text).length).toBeLessThanOrEqual(50);
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(10);
});
