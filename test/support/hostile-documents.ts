/** Documents that nobody needs and that would cost us dearly, each by the limit it is stopped by. */
export interface HostileDocument {
  readonly name: string;
  readonly query: string;
  readonly variables?: object;
  readonly operationName?: string;
  /** The limit that refuses it; null where GraphQL itself does. */
  readonly limit: string | null;
  /** How far it may get: what is refused as text is never parsed, and what is too heavy is never validated. */
  readonly stage: 'scanned' | 'parsed' | 'validated';
}

const times = (count: number, part: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => part(n)).join(' ');

/** `{ f { f { … leaf } } }`, so many fields in each other. */
const chain = (depth: number, field: string, leaf: string): string =>
  `${`${field} { `.repeat(depth - 1)}${leaf}${' }'.repeat(depth - 1)}`;

/** Circular types: a user's roles inherit from roles. */
const circular = (depth: number): string => `{ me { roles { ${chain(depth - 2, 'inherits', 'id')} } } }`;

/** Every fragment spreads the next one twice. */
const bomb = (levels: number, leaf = 'id'): string =>
  `{ me { ...F0 } } ${times(levels, (n) => `fragment F${n} on User { a${n}: roles { id } ...F${n + 1} b${n}: roles { id } ...F${n + 1} }`)}
   fragment F${levels} on User { ${leaf} }`;

const SIGN_IN = 'signIn(input: { email: "victim@example.com", password: "guess" }) { __typename }';
const THEM = (n: number): readonly object[] =>
  Array.from({ length: n }, (_, id) => ({ __typename: 'User', id: `${id}` }));

const depths: readonly HostileDocument[] = [13, 14, 50, 90].map((depth) => ({
  name: `AC-60: ${depth} fields in each other, through types that are circles`,
  query: circular(depth),
  limit: 'depth',
  stage: 'parsed',
}));

const deeper: readonly HostileDocument[] = [
  { name: 'AC-60: 1,000 fields in each other', query: circular(1_000), limit: 'nesting', stage: 'scanned' },
  { name: 'AC-60: 10,000 fields in each other', query: circular(10_000), limit: 'nesting', stage: 'scanned' },
  {
    name: 'AC-60: fields in each other through a chain of fragments',
    query: `{ me { roles { ...F0 } } } ${times(20, (n) => `fragment F${n} on Role { inherits { ...F${n + 1} } }`)} fragment F20 on Role { id }`,
    limit: 'depth',
    stage: 'parsed',
  },
  {
    name: 'AC-60: fields in each other within inline fragments',
    query: `{ me { roles { ${chain(20, 'inherits { ... on Role { id } } inherits', 'id')} } } }`,
    limit: 'depth',
    stage: 'parsed',
  },
  {
    name: 'AC-60: a list in lists as an argument',
    query: `{ me(a: ${'['.repeat(201)}${']'.repeat(201)}) { id } }`,
    limit: 'nesting',
    stage: 'scanned',
  },
  {
    name: 'AC-60: an object in objects as an argument',
    query: `{ me(a: ${'{a:'.repeat(300)}1${'}'.repeat(300)}) { id } }`,
    limit: 'nesting',
    stage: 'scanned',
  },
  {
    name: 'AC-60: a variable of lists of lists',
    query: `query ($a: ${'['.repeat(300)}Int${']'.repeat(300)}) { me { id } }`,
    limit: 'nesting',
    stage: 'scanned',
  },
  {
    name: 'AC-60: 2,000 brackets that never close',
    query: '{ me { '.repeat(1_000),
    limit: 'nesting',
    stage: 'scanned',
  },
];

const duplicates: readonly HostileDocument[] = [
  {
    name: 'AC-61: 31 aliases',
    query: `{ me { ${times(31, (n) => `a${n}: id`)} } }`,
    limit: 'aliases',
    stage: 'parsed',
  },
  {
    name: 'AC-61: 250 KB of aliases',
    query: `{ ${'a:__typename '.repeat(19_000)} }`,
    limit: 'tokens',
    stage: 'scanned',
  },
  {
    name: 'AC-61: 250 KB of one field',
    query: `{ ${'__typename '.repeat(22_000)} }`,
    limit: 'tokens',
    stage: 'scanned',
  },
  {
    name: 'AC-61: one field a thousand times: validation would compare each pair',
    query: `{ me { ${'id '.repeat(1_000)} } }`,
    limit: 'repeats',
    stage: 'parsed',
  },
  {
    name: 'AC-61: a hundred of one field in a hundred of one field',
    query: `{ ${times(15, () => `me { ${'id '.repeat(100)} }`)} }`,
    limit: 'repeats',
    stage: 'parsed',
  },
  {
    name: 'AC-61: 4,000 fields',
    query: `{ me { ${times(4_000, (n) => `f${n}`)} } }`,
    limit: 'fields',
    stage: 'parsed',
  },
  {
    name: 'AC-61: aliases that a fragment multiplies',
    query: `{ me { roles { ...F inherits { ...F inherits { ...F inherits { ...F } } } } } } fragment F on Role { ${times(10, (n) => `a${n}: id`)} }`,
    limit: 'aliases',
    stage: 'parsed',
  },
  {
    name: 'AC-61: 51 directives',
    query: `{ me { id ${'@include(if: true) '.repeat(51)} } }`,
    limit: 'directives',
    stage: 'parsed',
  },
  {
    name: 'AC-61: directives that nobody knows, on the operation',
    query: `query Q ${'@no '.repeat(2_000)} { me { id } }`,
    limit: 'directives',
    stage: 'parsed',
  },
  {
    name: 'AC-61: a directive in a fragment that is spread often',
    query: `{ ${times(18, (n) => `me { ...F${n % 3} }`)} } ${times(3, (n) => `fragment F${n} on User { id @include(if: true) name @include(if: true) email @include(if: true) }`)}`,
    limit: 'directives',
    stage: 'parsed',
  },
  { name: 'AC-61: 21 root fields', query: `{ ${times(21, () => 'me { id }')} }`, limit: 'rootFields', stage: 'parsed' },
  {
    name: 'AC-61: root fields in fragments',
    query: `{ ${times(5, () => '...F')} } fragment F on Query { ${times(5, () => 'me { id }')} }`,
    limit: 'rootFields',
    stage: 'parsed',
  },
  {
    name: 'AC-40: a hundred guesses at a password in one request',
    query: `mutation { ${times(100, (n) => `a${n}: ${SIGN_IN}`)} }`,
    limit: 'aliases',
    stage: 'parsed',
  },
  {
    name: 'AC-40: 21 guesses in one request',
    query: `mutation { ${times(21, (n) => `a${n}: ${SIGN_IN}`)} }`,
    limit: 'rootFields',
    stage: 'parsed',
  },
];

const bombs: readonly HostileDocument[] = [
  { name: 'AC-62: fragments that double 20 times', query: bomb(20), limit: 'fields', stage: 'parsed' },
  { name: 'AC-62: fragments that double 90 times', query: bomb(90), limit: 'fields', stage: 'parsed' },
  {
    name: 'AC-62: a fragment that contains itself',
    query: '{ me { ...F } } fragment F on User { id ...F }',
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-62: fragments that contain each other, below fields that double',
    query:
      '{ me { roles { ...A } } } fragment A on Role { inherits { ...B } ancestors { ...B } } fragment B on Role { inherits { ...A } descendants { ...A } }',
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-62: 150 fragments: validation would compare each pair',
    query: `{ me { ${times(150, (n) => `...F${n}`)} } } ${times(150, (n) => `fragment F${n} on User { id }`)}`,
    limit: 'definitions',
    stage: 'parsed',
  },
  {
    name: 'AC-62: 90 fragments of the same fields in one place',
    query: `{ me { ${times(90, (n) => `...F${n}`)} } } ${times(90, (n) => `fragment F${n} on User { id name }`)}`,
    limit: 'repeats',
    stage: 'parsed',
  },
  {
    name: 'AC-62: a fragment of which there are two, the heavier one first',
    query: `{ me { ...F } } fragment F on User { ${'id '.repeat(1_000)} } fragment F on User { id }`,
    limit: 'repeats',
    stage: 'parsed',
  },
  {
    name: 'AC-62: 300 operations',
    query: times(300, (n) => `query Q${n} { me { id } }`),
    operationName: 'Q1',
    limit: 'definitions',
    stage: 'parsed',
  },
];

const texts: readonly HostileDocument[] = [
  { name: 'AC-63: 20,000 tokens', query: `{ ${'! '.repeat(20_000)} }`, limit: 'tokens', stage: 'scanned' },
  {
    name: 'AC-63: 200 KB in a block string',
    query: `{ user(id: """${'\\n  x'.repeat(40_000)}""", a: 1) { id } }`,
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-63: a string that never ends',
    query: `{ me { id(a: "${'x'.repeat(100_000)} } }`,
    limit: null,
    stage: 'scanned',
  },
  { name: 'AC-63: 80,000 comments and nothing else', query: '#\n'.repeat(80_000), limit: null, stage: 'parsed' },
  {
    name: 'AC-63: a number of 200,000 digits',
    query: `{ users(first: ${'9'.repeat(200_000)}) { edges { cursor } } }`,
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-63: 1,000 mistakes',
    query: `{ me { ${times(1_000, (n) => `wrong${n}`)} } }`,
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-63: 1,000 variables that nobody uses',
    query: `query (${times(1_000, (n) => `$v${n}: Int`)}) { me { id } }`,
    limit: null,
    stage: 'validated',
  },
  {
    name: 'AC-63: pages of pages of pages',
    query: '{ users(first: 100) { edges { node { roles { ancestors { ancestors { id } } } } } } }',
    limit: 'cost',
    stage: 'validated',
  },
  {
    name: 'AC-63: the length of a page in a variable',
    query: 'query ($n: Int!) { a: users(first: $n) { edges { node { roles { ancestors { ancestors { id } } } } } } }',
    variables: { n: 100 },
    limit: 'cost',
    stage: 'validated',
  },
  {
    name: 'AC-67: 501 representations',
    query: 'query ($them: [_Any!]!) { _entities(representations: $them) { ... on User { id } } }',
    variables: { them: THEM(501) },
    limit: 'representations',
    stage: 'validated',
  },
  {
    name: 'AC-67: 100 representations five times and one',
    query: `query ($them: [_Any!]!) { ${times(6, (n) => `e${n}: _entities(representations: $them) { ... on User { id } }`)} }`,
    variables: { them: THEM(100) },
    limit: 'representations',
    stage: 'validated',
  },
  {
    name: 'AC-67: 400 representations of all types, with all they have',
    query: `query ($them: [_Any!]!) { _entities(representations: $them) { ... on User { roles { inherits { id } } grants { role { id } } } ... on Role { ancestors { id } descendants { id } } } }`,
    variables: { them: THEM(400) },
    limit: 'cost',
    stage: 'validated',
  },
];

export const HOSTILE_DOCUMENTS: readonly HostileDocument[] = [...depths, ...deeper, ...duplicates, ...bombs, ...texts];
