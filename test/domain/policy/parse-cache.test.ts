import { expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { ParseCache } from '../../../src/domain/policy/parse-cache.ts';
import { parseBundle, type PolicyFile } from '../../../src/domain/policy/parse.ts';

const declared = (attributes: string): PolicyFile => ({
  path: 'policies/a.yaml',
  text: `subjects: { Doc: { actions: [read, update], attributes: { ${attributes} } } }\n`,
});
const ruled = (path: string, rule: string): PolicyFile => ({
  path,
  text: `roles: { ${path.replaceAll(/[^a-z]/g, '')}: { allow: [{ ${rule} }] } }\n`,
});
const reading = ruled('policies/b.yaml', 'action: read, subject: Doc, where: { owner: x }');
const managing = ruled('policies/c.yaml', 'action: manage, subject: all');

test('a bundle read with a cache is the bundle read without one, after every change', () => {
  const cache = new ParseCache();
  const updating = ruled('policies/b.yaml', 'action: update, subject: Doc, where: { owner: y }');
  const fewer = {
    ...declared('owner: id'),
    text: 'subjects: { Doc: { actions: [read], attributes: { owner: id } } }\n',
  };
  for (const files of [
    [declared('owner: id'), reading],
    [declared('owner: id'), reading, managing],
    [declared('owner: id, title: string'), reading, managing],
    [declared('owner: id'), updating, managing],
    [declared('owner: string'), updating],
    [fewer, reading, managing],
    [declared('owner: id'), reading, managing],
    [managing, reading, declared('owner: id')],
  ]) {
    expect(parseBundle(files, cache)).toEqual(parseBundle(files));
  }
});

test('a rule that was right is refused once its words are gone, and every time', () => {
  const cache = new ParseCache();
  parseBundle([declared('owner: id'), reading], cache);
  for (let time = 0; time < 2; time += 1) {
    expect(() => parseBundle([declared('title: string'), reading], cache)).toThrow(/policies\/b\.yaml:1:\d+ .*"owner"/);
    expect(() => parseBundle([declared('owner: number'), reading], cache)).toThrow(/x is no number/);
  }
  expect(parseBundle([declared('owner: id'), reading], cache)).toEqual(parseBundle([declared('owner: id'), reading]));
});

test('a file that moved has moved', () => {
  const cache = new ParseCache();
  const record = { __typename: 'Doc', id: 'd1', owner: 'x' };
  const [was, is] = [reading, { ...reading, path: 'policies/moved.yaml' }].map((file) => {
    const engine = new Engine(parseBundle([declared('owner: id'), file], cache));
    const ability = engine.ability({ id: 'p1' }, [{ role: 'policiesbyaml', scope: null }]);
    return engine.decide(ability, 'read', record);
  });
  expect([was?.rule, is?.rule]).toEqual(['policies/b.yaml:1', 'policies/moved.yaml:1']);
  expect(was?.policyVersion).toBe(is?.policyVersion);
});

test('of a thousand roles with ten thousand rules, only the file that changed is read again', () => {
  const rule = (name: string) => `      - { action: read, subject: Doc, where: { owner: ${name} } }\n`;
  const file = (at: number, mark: string) => ({
    path: `policies/many-${at}.yaml`,
    text: `roles:\n${Array.from(
      { length: 50 },
      (_, role) =>
        `  r${at}-${role}:\n    allow:\n${Array.from({ length: 10 }, (_, index) => rule(`${mark}${role}-${index}`)).join('')}`,
    ).join('')}`,
  });
  const files = [declared('owner: id'), ...Array.from({ length: 20 }, (_, at) => file(at, 'o'))];
  const cost = (of: readonly PolicyFile[]) => {
    const start = process.cpuUsage();
    parseBundle(of, cache);
    return process.cpuUsage(start).user;
  };
  const cache = new ParseCache();
  const first = cost(files);
  const [second, third] = ['x', 'y'].map((mark) => cost(files.with(7, file(6, mark))));
  expect(Math.min(second ?? first, third ?? first)).toBeLessThan(first / 3);
});
