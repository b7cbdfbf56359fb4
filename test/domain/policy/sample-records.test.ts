import { expect, test } from '@jest/globals';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { sampleRecords } from '../../../src/domain/policy/sample-records.ts';
import type { PopulationMember } from '../../../src/domain/store.ts';

const POLICY = `
subjects:
  Document:
    actions: [read, publish]
    attributes: { id: id, ownerId: id, status: string, tags: list(string), scope: scope }
  Invoice:
    actions: [read]
    attributes: { id: id }
roles:
  writer:
    allow:
      - { action: [read, publish], subject: Document, where: { ownerId: '\${principal.id}', status: draft } }
      - { action: read, subject: Document, where: { tags: public } }
`;

function member(id: string, scope: string | null): PopulationMember {
  const record = {
    __typename: 'User' as const,
    id,
    email: `${id}@example.com`,
    name: id,
    status: 'active' as const,
    roles: ['writer'],
    scope: null,
    scopes: [],
    suspended: false,
    createdAt: '2030-01-01T00:00:00.000Z',
    emailVerified: true,
    metadata: '{}',
  };
  return {
    record,
    grants: [{ roleId: 'role_1', role: 'writer', through: null, scope, expiresAt: null }],
    liveSessions: 0,
  };
}

const bundle = parseBundle([{ path: 'policies/documents.yaml', text: POLICY }]);
const samples = sampleRecords([bundle, bundle], new Set(['Document']), [member('alice', 'acme'), member('bob', null)]);

test('there is a record of their own for everybody whom a rule compares with', () => {
  expect(samples).toContainEqual(expect.objectContaining({ ownerId: 'alice', status: 'draft' }));
  expect(samples).toContainEqual(expect.objectContaining({ ownerId: 'bob', status: 'draft' }));
});

test('there is a record in each scope that somebody holds a role at', () => {
  expect(samples).toContainEqual(expect.objectContaining({ scope: 'acme', scopes: ['acme'] }));
});

test('a list that a rule looks into holds what it looks for', () => {
  expect(samples).toContainEqual(expect.objectContaining({ tags: ['public'] }));
});

test('each stands once, says what it is, and is of a wanted type', () => {
  const ids = samples.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual([
    'any Document',
    'a Document with scope acme',
    'a Document with ownerId alice and status draft',
    'a Document with ownerId alice and scope acme and status draft',
    'a Document with ownerId bob and status draft',
    'a Document with tags public',
    'a Document with scope acme and tags public',
  ]);
});
