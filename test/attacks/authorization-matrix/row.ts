/** Who asks. What each may do comes of the roles that it holds; see people.ts. */
export const ASKERS = [
  'anonymous',
  'member',
  'support',
  'auditor',
  'administrator',
  'keeper',
  'service',
  'introspector',
  'gateway',
  'listener',
  'reader',
] as const;

export type AskerName = (typeof ASKERS)[number];

/** Whose the target is: the asker's, somebody's in a scope below that of the asker's roles, or somebody's in another scope. */
export const PLACES = ['own', 'other', 'elsewhere'] as const;

export type Place = (typeof PLACES)[number];

/** What a document may name. All of it belongs to one user or service account, or lies where that is at home. */
export interface Target {
  readonly user: string;
  readonly email: string;
  readonly session: string;
  readonly service: string;
  readonly key: string;
  readonly prefix: string;
  readonly scope: string;
  readonly path: string;
  readonly grant: string;
  /** A custom role, which lies in no scope. What it allows is bound to the scope that it is granted at. */
  readonly role: string;
  /** The role `member`, which allows something wherever that is. */
  readonly member: string;
  readonly event: string;
  /** An audit entry about the user. */
  readonly entry: string;
  /** Nobody has this name yet. */
  readonly fresh: string;
  /** The policy in force. */
  readonly version: string;
  readonly signingKey: string;
}

/**
 * One thing that can be asked for. Of each place that is named here, it says what every asker is answered: `allowed`, `nothing`
 * (null, or a list without it), `denied` (a decision), or a code.
 */
export interface Row {
  /** Such as `Query.user`. */
  readonly field: string;
  /** The operation; what is asked for is called `it`. */
  readonly ask: (target: Target) => string;
  /** What must be there, though the operation does not name it. */
  readonly needs?: keyof Target;
  /** Of a list: what must be in it. */
  readonly finds?: keyof Target;
  /** The answer to those who are let through. Other than `allowed` where they are stopped by something else, so that nothing changes. */
  readonly reaches?: string;
  readonly expected: Readonly<Partial<Record<Place, Expected>>>;
}

export type Expected = Readonly<Record<AskerName, string>>;

/**
 * What each asker is answered.
 *
 * @param said such as `allowed: administrator reader; FORBIDDEN: support`
 * @param otherwise for those that are not named, and for nobody in particular
 */
export function answers(said: string, otherwise: string, anonymous = otherwise): Expected {
  const named = new Map<string, string>();
  for (const part of said.split(';').filter((each) => each.trim() !== '')) {
    const [answer = '', who = ''] = part.split(':').map((each) => each.trim());
    for (const name of who.split(/\s+/)) {
      if (!ASKERS.some((asker) => asker === name) || named.has(name)) throw new TypeError(`who is ${name} in ${said}?`);
      named.set(name, answer);
    }
  }
  const of = (name: AskerName) => named.get(name) ?? (name === 'anonymous' ? anonymous : otherwise);
  return Object.fromEntries(ASKERS.map((name) => [name, of(name)])) as Record<AskerName, string>; // by all their names
}

/** Everybody gets the same answer. */
export const everybody = (answer: string): Expected => answers('', answer);
