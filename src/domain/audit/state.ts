/** What a fact of a state may look like. None of these can hold an address of a mail, a name of a person or free text. */
const SHAPES = {
  word: /^[a-z][A-Za-z0-9_.:*-]{0,127}$/,
  path: /^[a-z0-9][a-z0-9_-]{0,62}(\/[a-z0-9][a-z0-9_-]{0,62})*$/,
  id: /^[a-z]+_[0-9a-z]{26}$/,
  version: /^[A-Za-z0-9_.:-]{1,128}$/,
  instant: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/,
  network: /^[0-9A-Fa-f.:]{2,45}(\/\d{1,3})?$/,
  origin: /^https?:\/\/[A-Za-z0-9.*:[\]-]{1,255}$/,
} as const;

type Shape = keyof typeof SHAPES;

/** Everything that an entry may tell of how something was or is. What is not here is told by the name of its field alone. */
const FACTS = {
  status: 'word',
  scope: 'path',
  path: 'path',
  name: 'word',
  role: 'word',
  roles: 'word',
  inherits: 'word',
  described: 'flag',
  fields: 'word',
  roleId: 'id',
  grantId: 'id',
  ownerId: 'id',
  permissions: 'word',
  addressRanges: 'network',
  allowedOrigins: 'origin',
  readOnly: 'flag',
  expiresAt: 'instant',
  version: 'version',
  overlapSeconds: 'number',
  aal: 'number',
  by: 'word',
  failures: 'number',
  unused: 'number',
  reason: 'word',
  action: 'word',
  hour: 'instant',
  revoked: 'flag',
  signsFrom: 'instant',
  times: 'number',
  sessionsEnded: 'number',
  factorRemoved: 'flag',
  roleGiven: 'flag',
} as const satisfies Readonly<Record<string, Shape | 'flag' | 'number'>>;

type Fact = keyof typeof FACTS;

type Value<K extends Fact> = (typeof FACTS)[K] extends 'flag'
  ? boolean
  : (typeof FACTS)[K] extends 'number'
    ? number
    : (typeof FACTS)[K] extends 'version'
      ? string | number | null
      : string | readonly string[] | null;

/**
 * What a reader needs to understand a change. Closed: a secret, an address or a text that somebody typed has no name to be told
 * under, and what is told under another name does not compile.
 */
export type AuditState = { readonly [K in Fact]?: Value<K> };

/** Stands for a value that does not look as its fact does. */
const REDACTED = '[redacted]';

/**
 * The state as it is written: types end where the program runs, so every value is held to the shape of its fact. A change is never
 * refused for what is told of it.
 */
export function sealed(state: AuditState): Readonly<Record<string, unknown>> {
  const told: Record<string, unknown> = {};
  for (const [fact, value] of Object.entries(state)) {
    if (!Object.hasOwn(FACTS, fact) || value === undefined) continue;
    const shape = FACTS[fact as Fact];
    told[fact] = Array.isArray(value) ? value.map((each: unknown) => fitting(shape, each)) : fitting(shape, value);
  }
  return told;
}

function fitting(shape: Shape | 'flag' | 'number', value: unknown): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'string' || shape === 'flag' || shape === 'number') return REDACTED;
  return SHAPES[shape].test(value) ? value : REDACTED;
}
