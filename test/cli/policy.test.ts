import { once } from 'node:events';
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { diffPolicy } from '../../src/cli/policy-diff.ts';
import { explainPolicy } from '../../src/cli/policy-explain.ts';
import { Misuse } from '../../src/cli/report.ts';
import { castellan, type Ended, makeFolder, node, ROOT, STARTS_MS } from './running.ts';

jest.setTimeout(STARTS_MS);

let folder: Awaited<ReturnType<typeof makeFolder>>;

const POLICY = `subjects:
  Document:
    actions: [read, update, delete]
    attributes: { ownerId: id, status: { enum: [draft, final] }, pages: number, tags: list(string), scope: scope }
roles:
  reader:
    allow:
      - { action: read, subject: Document }
  writer:
    inherits: reader
    allow:
      - { action: update, subject: Document, fields: [status, tags], where: { ownerId: '\${principal.id}' } }
    deny:
      - { action: update, subject: Document, where: { status: final }, reason: What is final stays as it is. }
`;
const CASES = `principals:
  bob: { id: user_bob, email: bob@example.com, grants: [{ role: writer, scope: acme }] }
  rita: { grants: [{ role: reader }] }
cases:
  - { principal: rita, action: read, subject: Document, expect: allow }
  - { principal: bob, action: read, subject: Document, object: { scope: globex }, expect: deny }
  - principal: bob
    action: update
    field: [status, tags]
    subject: Document
    object: { id: doc_1, ownerId: user_bob, status: draft, scope: acme/platform }
    expect: allow
  - principal: bob
    action: update
    field: status
    subject: Document
    object: { id: doc_1, ownerId: user_bob, status: final, scope: acme }
    expect: deny
`;

beforeAll(async () => {
  folder = await makeFolder();
  await policies('docs');
});

afterAll(() => folder.remove());

/** A folder of policies of its own: the one above, with texts replaced by others. */
async function policies(name: string, replaced: Readonly<Record<string, string>> = {}): Promise<string> {
  const path = join(folder.path, name);
  await mkdir(join(path, 'cases'), { recursive: true });
  let text = POLICY;
  for (const [from, to] of Object.entries(replaced)) {
    expect(text).toContain(from);
    text = text.replace(from, to);
  }
  await writeFile(join(path, 'documents.yaml'), text);
  await writeFile(join(path, 'cases/documents.yaml'), CASES);
  return path;
}

const at = (name: string): string => join(folder.path, name);

const policy = (...args: readonly string[]): Promise<Ended> => castellan(['policy', ...args], {}, folder.path);

function json({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** What is told to people fits a terminal. */
function lines({ stdout, stderr }: Ended): readonly string[] {
  const all = `${stdout}${stderr}`.trimEnd().split('\n');
  expect(all.filter((line) => line.length > 100)).toEqual([]);
  return all;
}

describe('policy check --watch', () => {
  test('checks again after every way of saving, and ends with 0 when interrupted', async () => {
    const path = await policies('watched');
    const file = join(path, 'documents.yaml');
    const watching = node([join(ROOT, 'bin/castellan.js'), 'policy', 'check', path, '--watch']);
    await watching.printed('1 file: ok, version ');

    await writeFile(file, POLICY.replace('action: read', 'action: raed'));
    expect(await watching.printed('1 file: 1 problem\n')).toContain(
      'watched/documents.yaml:8:19 Document has no action "raed" (did you mean "read"?)\n',
    );
    // As editors save: beside, and then renamed to the name; more than once.
    for (const [at, reason] of ['First.', 'Second.', 'Third.'].entries()) {
      await writeFile(`${file}.saved`, POLICY.replace('What is final stays as it is.', reason));
      await rename(`${file}.saved`, file);
      await runs(watching, 3 + at);
    }
    await mkdir(join(path, 'more'));
    await writeFile(join(path, 'more/a.yaml'), 'roles: { guest: {} }\n');
    await watching.printed('2 files: ok');
    await rm(join(path, 'more'), { recursive: true });
    await runs(watching, 7);

    const { code, stdout, stderr } = await watching.end('SIGINT');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n').slice(-1)).toEqual([
      expect.stringMatching(/^1 file: ok, version [0-9a-f]{12}$/),
    ]);
  });

  test('says so when its folder goes away', async () => {
    const path = await policies('leaving');
    const watching = node([join(ROOT, 'bin/castellan.js'), 'policy', 'check', path, '--watch', '--json']);
    expect(JSON.parse(await watching.printed('\n'))).toMatchObject({ ok: true, files: 1, problems: [] });
    await rm(path, { recursive: true });
    const { code, stdout } = await watching.ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toEqual({
      ok: false,
      message: `${path} is not there any more.`,
    });
  });

  /** Waits until this many runs have been told. */
  async function runs(watching: ReturnType<typeof node>, number: number): Promise<void> {
    const told = () => watching.stdout.match(/^\d+ files?: /gm)?.length ?? 0;
    while (told() < number) await once(watching.child.stdout as NodeJS.EventEmitter, 'data');
    expect(told()).toBe(number);
  }
});

describe('policy schema', () => {
  test('prints what an editor needs, of policy files and of cases', async () => {
    const [files, cases] = await Promise.all([policy('schema'), policy('schema', '--cases')]);
    expect(json(files)).toMatchObject({ title: 'Castellan policy', properties: { subjects: {}, roles: {} } });
    expect(json(cases)).toMatchObject({ title: 'Castellan policy cases', required: ['cases'] });
    expect([files.code, cases.code]).toEqual([0, 0]);
  });
});

describe('policy test', () => {
  test('counts what was asked', async () => {
    const tested = await policy('test', 'docs');
    expect({ code: tested.code, lines: lines(tested) }).toEqual({
      code: 0,
      lines: ['1 file of cases: 5 asked, 0 answered otherwise, 0 rules decide no case.'],
    });
  });

  test('names the failing case and the untried rule by their places', async () => {
    const path = await policies('failing', { 'subject: Document }': 'subject: Document, within: any }' });
    await writeFile(join(path, 'more.yaml'), 'roles: { reader: { allow: [{ action: delete, subject: Document }] } }\n');
    const tested = await policy('test', path);
    expect(tested.code).toBe(1);
    const told = lines(tested).join('\n');
    expect(told).toMatch(/^failing\/cases\/documents\.yaml:6:5 user_bob is allowed read/m);
    expect(told).toMatch(/^failing\/more\.yaml:1:28 this rule of the role reader decides no case$/m);
    expect(told).toContain('5 asked, 1 answered otherwise, 1 rule decides no case.');
  });

  test('says where cases belong when there are none', async () => {
    const path = await policies('caseless');
    await rm(join(path, 'cases'), { recursive: true });
    const tested = await policy('test', 'caseless');
    expect(tested.code).toBe(1);
    expect(lines(tested)).toContain('There are no cases: write some into caseless/cases/*.yaml.');
  });
});

describe('policy diff --against', () => {
  test('asks for the principals of the cases, about the records of the cases', async () => {
    await policies('wider', { 'fields: [status, tags], ': '' });
    const diff = await policy('diff', 'wider', '--against', 'docs');
    expect(diff.code).toBe(0);
    expect(lines(diff).slice(3)).toEqual([
      'GAINS update Document (ownerId, pages, scope)',
      '  1 principal; roles: writer at acme; on 1 Document record',
      '    bob@example.com  user_bob  1 record',
      '',
      '1 gain and 0 lose something; asked for 2 principals of the cases.',
    ]);
    const facts = json(await policy('diff', 'wider', '--against', 'docs', '--json'));
    expect(facts).toMatchObject({
      ok: true,
      population: 'cases',
      groups: [{ effect: 'gains', action: 'update', subject: 'Document', principals: 1, roles: ['writer at acme'] }],
    });
  });

  test('as a gate, refuses what is gained, or what is lost', async () => {
    await policies('narrower', { 'fields: [status, tags]': 'fields: [tags]' });
    const gate = async (name: string, against: string, options: object) => {
      const { ok } = await diffPolicy(at(name), { against: at(against), ...options }, {});
      return ok;
    };
    expect(await gate('narrower', 'docs', { failOnGain: true })).toBe(true);
    expect(await gate('narrower', 'docs', { failOnLoss: true })).toBe(false);
    expect(await gate('docs', 'narrower', { failOnGain: true })).toBe(false);
    expect(await gate('docs', 'narrower', { failOnLoss: true })).toBe(true);
    expect(await gate('docs', 'docs', { failOnGain: true, failOnLoss: true })).toBe(true);
    expect((await policy('diff', 'narrower', '--against', 'docs', '--fail-on-loss')).code).toBe(1);
  });

  test('reports the problems of either folder', async () => {
    await policies('wrong', { 'subject: Document }': 'subject: Documnet }' });
    for (const [dir, against] of [
      ['wrong', 'docs'],
      ['docs', 'wrong'],
    ] as const) {
      const { ok, facts } = await diffPolicy(at(dir), { against: at(against) }, {});
      expect({ ok, facts }).toMatchObject({ ok: false, facts: { problems: [{ line: 8 }] } });
    }
  });
});

describe('policy explain --role', () => {
  const ask = (...args: readonly string[]) =>
    policy('explain', 'docs', '--action', 'update', '--subject', 'Document', ...args);

  test('shows the rule, its place, how it was inherited, and each condition', async () => {
    const question = ['--role', 'writer@acme', '--action', 'read', '--subject', 'Document'];
    const explained = await policy('explain', 'docs', ...question, '--attribute', 'scope=acme/platform');
    expect({ code: explained.code, lines: lines(explained) }).toEqual({
      code: 0,
      lines: [
        'ALLOWED: somebody (writer@acme) may read Document.',
        '  Allowed by the role reader.',
        '',
        'Decided by docs/documents.yaml:8: an allow of the role reader, inherited: writer → reader',
        '  holds  scopes in ["acme"]; it is ["acme","acme/platform"] (the scope of the grant)',
        '',
        expect.stringMatching(/^Policy version [0-9a-f]{12}\.$/),
      ],
    });
  });

  test('says what would have to be different', async () => {
    const described = ['--role', 'writer', '--principal', 'user_bob', '--attribute', 'ownerId=user_eve', '--id', 'd1'];
    const missed = lines(await ask(...described, '--attribute', 'status=draft', '--field', 'tags'));
    expect(missed[0]).toBe('DENIED: user_bob (writer) may not update tags of Document d1.');
    expect(missed).toContain('Nearest miss: docs/documents.yaml:12: an allow of the role writer');
    expect(missed).toContain('  fails  ownerId eq "user_bob"; it is "user_eve"');
    expect(missed).toContain('  ownerId would have to be "user_bob"');

    const denied = await ask(...described, '--attribute', 'status=final', '--field', 'tags', '--json');
    expect(json(denied)).toMatchObject({
      ok: true,
      allowed: false,
      reason: 'What is final stays as it is.',
      rule: { rule: 'docs/documents.yaml:14', effect: 'deny', role: 'writer', inheritance: ['writer'] },
      needs: expect.arrayContaining(['ownerId would have to be "user_bob"']),
    });
  });

  test('reads attributes by their types', async () => {
    const question = { action: 'update', subject: 'Document', role: ['reader'] };
    const explained = (attribute: string) =>
      explainPolicy(at('docs'), { ...question, attribute: [attribute] }, {}).then(
        ({ ok }) => ok,
        (error: unknown) => (error instanceof Misuse ? error.message : error),
      );
    for (const sound of ['pages=12', 'tags=a,b', 'tags=', 'status=null']) expect(await explained(sound)).toBe(true);
    expect(await explained('pages=twelve')).toBe('twelve is no number (leave the quotes away)');
    expect(await explained('status=fnal')).toBe('"fnal" is no value of enum(draft, final) (did you mean "final"?)');
    expect(await explained('owner=x')).toMatch(/^Document has no attribute "owner"/);
    expect(await explained('pages')).toBe('--attribute is name=value, not pages');
  });
});

test('what is asked in a way it cannot be asked is misuse, and told what to do next', async () => {
  const explain = ['explain', '--action', 'read', '--subject', 'Document'];
  const told: readonly (readonly [readonly string[], string])[] = [
    [['diff', 'docs'], 'give --database (or DATABASE_URL), --endpoint or --against'],
    [['diff', 'docs', '--endpoint', 'http://127.0.0.1:1'], 'CASTELLAN_TOKEN must hold an access token'],
    [['diff', 'docs', '--endpoint', 'http://castellan.example.com'], '--endpoint must start with https://, unless'],
    [['diff', 'docs', '--database', 'mysql://x'], 'must be a URL that starts with postgres://'],
    [['check', 'nowhere', '--watch'], 'there is no folder'],
    [[...explain, '--principal', 'bob@example.com'], 'or --role to ask the files'],
    [[...explain, 'docs', '--role', 'raeder'], 'there is no role "raeder" (did you mean "reader"?)'],
    [['explain', 'docs', '--role', 'reader', '--action', 'raed', '--subject', 'Document'], 'Did you mean "read"?'],
    [['explain', '--role', 'reader'], "required option '--action <name>'"],
  ];
  await Promise.all(
    told.map(async ([args, text]) => {
      const ended = await policy(...args);
      expect({ args, code: ended.code, stdout: ended.stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(lines(ended).join(' ')).toContain(text);
    }),
  );
});

test('the starter policies are a policy that is tried whole', async () => {
  await cp(join(ROOT, 'policies'), join(folder.path, 'starter'), { recursive: true });
  expect(await readFile(join(folder.path, 'starter/users.yaml'), 'utf8')).toContain('support:');
  expect((await policy('test', 'starter')).code).toBe(0);
});
