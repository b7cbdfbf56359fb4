import { expect, test } from '@jest/globals';
import { composeServices as composeWithApollo } from '@apollo/composition';
import { composeServices as composeWithGuild } from '@theguild/federation-composition';
import { federateSubgraphs, ROUTER_COMPATIBILITY_VERSION_ONE } from '@wundergraph/composition';
import { type DocumentNode, parse, printSchema } from 'graphql';
import { DOCUMENTS_SDL } from '../../examples/documents/schema.ts';
import { readSchemaText, withAuth, withPolicies, withScopes } from '../../src/api/graphql/sdl.ts';

interface Subgraph {
  readonly name: string;
  readonly url: string;
  readonly typeDefs: DocumentNode;
}

interface Composed {
  readonly problems: readonly string[];
  /** What it composed, as SDL; of WunderGraph's, what clients see. */
  readonly sdl: string;
}

const OURS = { name: 'castellan', url: 'http://localhost:4001/graphql', typeDefs: parse(readSchemaText()) };
/** As gateways get it that go by the directives. */
const MARKED = { ...OURS, typeDefs: parse(withAuth(readSchemaText())) };
const WITH_POLICIES = { ...OURS, typeDefs: parse(withPolicies(readSchemaText())) };
const WITH_SCOPES = { ...OURS, typeDefs: parse(withScopes(readSchemaText())) };
const DOCUMENTS = { name: 'documents', url: 'http://localhost:4002/', typeDefs: parse(DOCUMENTS_SDL) };

/** Each accepts something else, and every gateway uses one of them. */
const COMPOSERS: readonly (readonly [string, (subgraphs: readonly Subgraph[]) => Composed])[] = [
  ['Apollo', (subgraphs) => readComposed(composeWithApollo([...subgraphs]))],
  ['the Guild', (subgraphs) => readComposed(composeWithGuild([...subgraphs]))],
  ['WunderGraph, which wgc composes with,', composeWithWunderGraph],
];

test('the schema links to federation 2.9, newer than which the Guild composes nothing', () => {
  expect(readSchemaText().match(/https:\/\/specs\.apollo\.dev\/federation\/v[\d.]+/g)).toEqual([
    'https://specs.apollo.dev/federation/v2.9',
  ]);
});

test.each(COMPOSERS)('the schema composes alone under the composer of %s', (_, compose) => {
  expect(compose([OURS]).problems).toEqual([]);
});

test.each(COMPOSERS)('the schema composes with another subgraph under the composer of %s', (_, compose) => {
  const { problems, sdl } = compose([OURS, DOCUMENTS]);
  expect(problems).toEqual([]);
  for (const field of ['documents', 'email', 'viewerCan', 'sessionEvents', 'document', 'renameDocument'])
    expect(sdl).toMatch(new RegExp(String.raw`^  ${field}\b`, 'm'));
});

test.each(COMPOSERS)('with its auth directives the schema composes as well under the composer of %s', (_, compose) => {
  expect(compose([MARKED]).problems).toEqual([]);
  expect(compose([MARKED, DOCUMENTS]).problems).toEqual([]);
});

test.each(COMPOSERS.slice(0, 2))(
  'with policies it composes as well under the composer of %s, and they stay',
  (_, compose) => {
    const { problems, sdl } = compose([WITH_POLICIES, DOCUMENTS]);
    expect(problems).toEqual([]);
    expect(sdl).toMatch(/^ {2}signingKeys: \[SigningKey!\]!?.*@policy\(policies: \[\["signingKey:read"\]\]\)/m);
  },
);

test.each(COMPOSERS)('with scopes it composes as well under the composer of %s', (_, compose) => {
  expect(compose([WITH_SCOPES, DOCUMENTS]).problems).toEqual([]);
});

test.each(COMPOSERS.slice(0, 2))('scopes stay where they are under the composer of %s', (_, compose) => {
  const { sdl } = compose([WITH_SCOPES, DOCUMENTS]);
  expect(sdl).toMatch(/^ {2}signingKeys: \[SigningKey!\]!?.*@requiresScopes\(scopes: \[\["signingKey:read"\]\]\)/m);
});

test('the composer of WunderGraph knows no @policy, and says so', () => {
  const { problems } = composeWithWunderGraph([WITH_POLICIES, DOCUMENTS]);
  expect(problems.join()).toContain('The directive "@policy"');
});

test.each(COMPOSERS.slice(0, 2))('the auth directives stay where they are under the composer of %s', (_, compose) => {
  const { sdl } = compose([MARKED, DOCUMENTS]);
  expect(sdl).toMatch(/^ {2}signOut: SignOutPayload!.*@authenticated/m);
  expect(sdl).not.toMatch(/^ {2}signIn\(.*@authenticated/m);
});

/** Another subgraph that calls the directive otherwise, marks a field of ours with it, and requires one of ours for its own. */
const RENAMED = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9",
    import: ["@key", "@external", "@requires", { name: "@authenticated", as: "@auth" }])

  type User @key(fields: "id") {
    id: ID!
    email: String @external
    mailto: String @requires(fields: "email")
    notes: String @auth
  }

  type Query { noted: String }
`;

test('AC-56: another subgraph that calls the directive otherwise takes none of ours away', () => {
  const subgraphs = [MARKED, { name: 'notes', url: 'http://localhost:4003/', typeDefs: parse(RENAMED) }];
  const [apollo, guild] = COMPOSERS.slice(0, 2).map(([, compose]) => compose(subgraphs));
  expect(apollo?.problems.join()).toContain('imported with mismatched name between subgraphs');
  expect(apollo?.sdl).toBe('');
  expect(guild?.problems).toEqual([]);
  expect(guild?.sdl).toMatch(/^ {2}signOut: SignOutPayload!.*@authenticated/m);
  expect(guild?.sdl).toMatch(/^ {2}mailto: String @join__field\(graph: NOTES, requires: "email"\)/m);
});

test.each(COMPOSERS.slice(0, 2))('both subgraphs have users under the composer of %s', (_, compose) => {
  const { sdl } = compose([OURS, DOCUMENTS]);
  expect(sdl).toMatch(/type User\s[^}]*@join__type\(graph: CASTELLAN, key: "id"\)/);
  expect(sdl).toMatch(/type User\s[^}]*@join__type\(graph: DOCUMENTS, key: "id"\)/);
});

test.each(COMPOSERS)('the composer of %s does find what does not fit', (_, compose) => {
  const clash = DOCUMENTS_SDL.replace('documents: [Document!]\n}\n\ntype Query', 'email: Int!\n}\n\ntype Query');
  expect(clash).toContain('email: Int!');
  expect(compose([OURS, { ...DOCUMENTS, typeDefs: parse(clash) }]).problems).not.toEqual([]);
});

function readComposed({
  errors = [],
  hints = [],
  supergraphSdl,
}: {
  readonly errors?: readonly { readonly message: string }[] | undefined;
  readonly supergraphSdl?: string | undefined;
  readonly hints?: readonly { readonly definition?: { readonly level: { readonly name: string } } }[] | undefined;
}): Composed {
  const messages = errors.map(({ message }) => message);
  const severe = hints
    .filter(({ definition }) => definition?.level.name === 'ERROR')
    .map((hint) => JSON.stringify(hint));
  const nothing = supergraphSdl === undefined ? ['nothing was composed'] : [];
  return { problems: [...nothing, ...messages, ...severe], sdl: supergraphSdl ?? '' };
}

function composeWithWunderGraph(subgraphs: readonly Subgraph[]): Composed {
  const result = federateSubgraphs({
    subgraphs: subgraphs.map(({ name, url, typeDefs }) => ({ name, url, definitions: typeDefs })),
    version: ROUTER_COMPATIBILITY_VERSION_ONE,
  });
  if (!result.success) return { problems: result.errors.map(({ message }) => message), sdl: '' };
  const problems = result.warnings.map(({ message }) => message);
  return { problems, sdl: printSchema(result.federatedGraphClientSchema) };
}
