import { afterAll, expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { checks, proposed } from '../../../src/domain/policy/proposed.ts';
import { readPolicyFiles } from '../../../src/drivers/files/policies.ts';
import { Refusal } from '../../../src/domain/refusals.ts';

/** Files that somebody proposes are read on another thread, and come to the same as here. */

const TEMPLATES = `
subjects:
  Doc:
    actions: [read, update]
    stepUp: { update: { within: 5m } }
    attributes: { owner: id, tags: 'list(id)', kind: 'enum(user, other)', count: number, place: scope }
roles:
  reader:
    mfa: required
    allow:
      - { action: read, subject: Doc, where: { owner: '\${principal.id}', kind: '\${principal.kind}' } }
      - { action: read, subject: Doc, where: { owner: { in: [a, '\${principal.id}'] }, count: { gte: 1, lt: 9 } } }
      - { action: read, subject: Doc, where: { tags: { elemMatch: { in: ['\${principal.id}', b], ne: c } } }, within: any }
    deny:
      - { action: read, subject: Doc, where: { tags: { all: ['\${principal.id}'] }, owner: null }, reason: No. }
`;

afterAll(() => checks.ofChanges.rest());

const refusalOf = async (
  files: readonly (readonly [string, string])[],
  cases: readonly (readonly [string, string])[],
) => {
  const toFile = ([path, text]: readonly [string, string]) => ({ path, text });
  const proposal = { files: files.map(toFile), cases: cases.map(toFile) };
  const refused: unknown = await proposed('files', proposal, checks.ofChanges).catch((error: unknown) => error);
  return refused instanceof Refusal ? refused : null;
};

test('the shipped policies, and every way to write a template, come back as they are read here', async () => {
  const files = [...(await readPolicyFiles('policies')), { path: 'policies/templates.yaml', text: TEMPLATES }];
  const bundle = await proposed('files', { files, cases: [] }, checks.ofChanges);
  expect(bundle).toStrictEqual(parseBundle(files));
  const engine = new Engine(bundle);
  const doc = { __typename: 'Doc', id: 'd', owner: 'p', kind: 'user', tags: [], count: 1, scopes: [] };
  const reader = (id: string) => engine.ability({ id, kind: 'user' }, [{ role: 'reader', scope: null }]);
  expect([engine.decide(reader('p'), 'read', doc).allowed, engine.decide(reader('q'), 'read', doc).allowed]).toEqual([
    true,
    false,
  ]);
});

test('problems come with their places, those of the files before those of the decision tables', async () => {
  const good = ['policies/a.yaml', TEMPLATES] as const;
  const bad = ['policies/b.yaml', 'roles: { x: { allow: [{ action: fly, subject: Doc }] } }'] as const;
  const table = [
    'cases/a.yaml',
    'principals: { p: { grants: [] } }\ncases:\n  - { principal: p, action: read, subject: Doc, expect: allow }',
  ] as const;
  const [files, tables] = [await refusalOf([good, bad], [table]), await refusalOf([good], [table])];
  expect([files?.code, files?.data]).toEqual([
    'BAD_USER_INPUT',
    { field: 'files', problems: [expect.objectContaining({ file: 'policies/b.yaml', line: 1 })] },
  ]);
  expect(files?.message).toMatch(/^policies\/b\.yaml:1:/);
  expect(tables?.data).toEqual({
    field: 'cases',
    problems: [expect.objectContaining({ file: 'cases/a.yaml', line: 3 })],
  });
});

test('more than 200 files or tables are not read at all', async () => {
  const many = Array.from({ length: 201 }, (_, n) => [`policies/${n}.yaml`, 'x'] as const);
  expect((await refusalOf(many, []))?.data).toEqual({ field: 'files' });
  expect((await refusalOf([], many))?.data).toEqual({ field: 'cases' });
});
