import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { mfaChanges, mfaRoles, powerfulWithoutMfa } from '../../../src/domain/policy/second-factors.ts';
import { policySchema } from '../../../src/domain/policy/json-schema.ts';
import { diffLines } from '../../../src/cli/policy-diff-text.ts';
import { mismatch } from './schema-check.ts';

const bundleOf = (...roles: readonly string[]) =>
  parseBundle([
    { path: 'docs.yaml', text: 'subjects: { Doc: { actions: [read], attributes: { id: id } } }' },
    ...roles.map((text, n) => ({ path: `roles-${n}.yaml`, text: `roles: { ${text} }` })),
  ]);

const RULE = 'allow: [{ action: read, subject: Doc }]';
const writer = (mfa = '') => `writer: { ${mfa} ${RULE} }`;
const OTHERS = `editor: { inherits: writer }, reader: { ${RULE} }`;

describe('a second factor', () => {
  test('is required of those who hold a role that says so, or one that inherits from it, at any scope', () => {
    const bundle = bundleOf(writer('mfa: required,'), OTHERS);
    expect([...mfaRoles(bundle)].toSorted()).toEqual(['editor', 'writer']);
    const engine = new Engine(bundle);
    const asks = (...roles: string[]) => engine.requiresMfa(roles.map((role) => ({ role, scope: 'acme' })));
    expect([asks(), asks('reader'), asks('gone'), asks('reader', 'editor'), asks('writer')]).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });

  test('is required where one of the files that a role is spread over says so', () => {
    expect(mfaRoles(bundleOf(writer(), `writer: { mfa: required }`)).has('writer')).toBe(true);
  });

  test('changes nothing about what is allowed, and is part of the version', () => {
    const [without, required] = [bundleOf(writer(), OTHERS), bundleOf(writer('mfa: required,'), OTHERS)];
    const [before, after] = [without, required].map((bundle) => {
      const engine = new Engine(bundle);
      return engine.packedRules(engine.ability({ id: 'bob' }, [{ role: 'editor', scope: null }]));
    });
    expect(after).toEqual(before);
    expect(required.version).not.toBe(without.version);
    expect(bundleOf(writer(), 'writer: { mfa: required }', OTHERS).version).toBe(required.version);
  });

  test('that is required of others than before is told by the diff of two policies, though nobody gains or loses anything', () => {
    const before = bundleOf(writer(), OTHERS, 'old: { mfa: required }');
    const after = bundleOf(writer('mfa: required,'), OTHERS);
    expect(mfaChanges(before, before)).toEqual([]);
    expect(mfaChanges(before, after)).toEqual([
      { role: 'editor', required: true },
      { role: 'old', required: false },
      { role: 'writer', required: true },
    ]);
    const compared = { against: 'old', population: 'cases', asked: 1, people: new Map(), changes: [] } as const;
    const lines = diffLines({ bundles: [before, after], ...compared }, 'new', [], false).join('\n');
    expect(lines).toContain('SECOND FACTOR editor\n  required from now on');
    expect(lines).toContain('SECOND FACTOR old\n  not required any more');
  });

  test.each(['mfa: optional', 'mfa: [required]', 'mfa: true', 'mfa: ', 'mfa: { required: true }'])(
    'is not %s, neither to an editor',
    (mfa) => {
      expect(() => bundleOf(writer(`${mfa},`))).toThrow(/1:\d+ mfa is "required", or not there$/);
      expect(mismatch(policySchema, parse(`roles: { ${writer(`${mfa},`)} }`))).not.toBeNull();
    },
  );
});

describe('roles that give others their rights and ask for no second factor', () => {
  const SUBJECTS = `subjects:
  User: { actions: [read, create, disable], attributes: { id: id } }
  Role: { actions: [read, grant], attributes: { id: id } }
`;
  const found = (roles: string) =>
    powerfulWithoutMfa(parseBundle([{ path: 'all.yaml', text: `${SUBJECTS}roles: ${roles}` }]));

  test.each([
    ['everything', '{ action: manage, subject: all }', ['it']],
    ['creating users', '{ action: create, subject: User }', ['it']],
    ['granting roles, among others', '{ action: [read, grant], subject: Role }', ['it']],
    ['reading', '{ action: read, subject: all }', []],
    ['taking away', '{ action: disable, subject: User }', []],
    ['what is one’s own', "{ action: create, subject: User, where: { id: '${principal.id}' } }", []],
  ])('are found by %s', (_, rule, expected) => {
    expect(found(`{ it: { allow: [${rule}] } }`)).toEqual(expected);
  });

  test('are those that inherit it as well, and none that asks for one, by itself or by what it inherits', () => {
    const power = 'allow: [{ action: grant, subject: Role }]';
    expect(
      found(`{ a: { ${power} }, b: { inherits: a }, c: { mfa: required, ${power} }, d: { inherits: c } }`),
    ).toEqual(['a', 'b']);
  });
});
