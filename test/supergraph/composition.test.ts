import { expect, test } from '@jest/globals';
import { composeServices as composeWithApollo } from '@apollo/composition';
import { composeServices as composeWithGuild } from '@theguild/federation-composition';
import { parse } from 'graphql';
import { readSchemaText } from '../../src/api/graphql/sdl.ts';
import { DOCUMENTS_SDL } from './documents.ts';

const OURS = { name: 'castellan', url: 'http://localhost:4001/graphql', typeDefs: parse(readSchemaText()) };
const DOCUMENTS = { name: 'documents', url: 'http://localhost:4002/', typeDefs: parse(DOCUMENTS_SDL) };

/** The two composers accept different things, and every gateway uses one of them. */
const COMPOSERS = [
  ['Apollo', composeWithApollo],
  ['the Guild', composeWithGuild],
] as const;

interface Composed {
  readonly errors?: readonly { readonly message: string }[] | undefined;
  readonly supergraphSdl?: string | undefined;
  readonly hints?: readonly { readonly definition?: { readonly level: { readonly name: string } } }[] | undefined;
}

test('the schema links to federation 2.9, newer than which the Guild composes nothing', () => {
  expect(readSchemaText().match(/https:\/\/specs\.apollo\.dev\/federation\/v[\d.]+/g)).toEqual([
    'https://specs.apollo.dev/federation/v2.9',
  ]);
});

test.each(COMPOSERS)('the schema composes alone under the composer of %s', (_, compose) => {
  expect(problemsOf(compose([OURS]))).toEqual([]);
});

test.each(COMPOSERS)('the schema composes with another subgraph under the composer of %s', (_, compose) => {
  const composed = compose([OURS, DOCUMENTS]);
  expect(problemsOf(composed)).toEqual([]);
  const supergraph = composed.supergraphSdl ?? '';
  expect(supergraph).toMatch(/type User\s[^}]*@join__type\(graph: CASTELLAN, key: "id"\)/);
  expect(supergraph).toMatch(/type User\s[^}]*@join__type\(graph: DOCUMENTS, key: "id"\)/);
  for (const field of ['documents', 'email', 'viewerCan', 'sessionEvents', 'document'])
    expect(supergraph).toMatch(new RegExp(String.raw`^  ${field}\b`, 'm'));
});

test.each(COMPOSERS)('the composer of %s does find what does not fit', (_, compose) => {
  const wrong = { ...DOCUMENTS, typeDefs: parse(DOCUMENTS_SDL.replace('documents: [Document!]!', 'email: Int!')) };
  expect(problemsOf(compose([OURS, wrong]))).not.toEqual([]);
});

function problemsOf({ errors = [], hints = [], supergraphSdl }: Composed): readonly string[] {
  const messages = errors.map(({ message }) => message);
  const severe = hints
    .filter(({ definition }) => definition?.level.name === 'ERROR')
    .map((hint) => JSON.stringify(hint));
  return supergraphSdl === undefined ? ['nothing was composed', ...messages, ...severe] : [...messages, ...severe];
}
