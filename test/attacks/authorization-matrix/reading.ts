import { answers, type Expected, type Place } from './row.ts';

/** Who reads a record of a type, by whose it is; the others get nothing. Written from the policy files. */
type Readers = Readonly<Partial<Record<Place, string>>>;

const PEOPLE = 'member support auditor administrator keeper reader';
const OVERSEERS = 'support auditor administrator keeper reader';
/** Whose roles hold everywhere. */
const EVERYWHERE = 'auditor administrator reader';

export const READERS = {
  User: { own: PEOPLE, other: `${OVERSEERS} service`, elsewhere: EVERYWHERE },
  Session: { own: PEOPLE, other: OVERSEERS, elsewhere: EVERYWHERE },
  ServiceAccount: { own: 'service', other: OVERSEERS, elsewhere: EVERYWHERE },
  ApiKey: { own: `${PEOPLE} service`, other: OVERSEERS, elsewhere: EVERYWHERE },
  Scope: { own: PEOPLE, other: OVERSEERS, elsewhere: EVERYWHERE },
  // Roles lie in no scope: one that is granted in a scope reads all of them as well.
  Role: { other: PEOPLE },
  AuditEntry: {
    own: 'auditor administrator keeper reader',
    other: 'auditor administrator keeper reader',
    elsewhere: EVERYWHERE,
  },
  SecurityEvent: { own: PEOPLE, other: OVERSEERS, elsewhere: EVERYWHERE },
} as const satisfies Readonly<Record<string, Readers>>;

export type Readable = keyof typeof READERS;

/** Who reads it is let through, and the others are answered so. */
export function readersOf(type: Readable, otherwise: string, anonymous = otherwise) {
  return expecting(READERS[type], 'allowed', otherwise, anonymous);
}

export function expecting(readers: Readers, answer: string, otherwise: string, anonymous = otherwise) {
  const expected: Partial<Record<Place, Expected>> = {};
  for (const [place, who] of Object.entries(readers)) {
    expected[place as Place] = answers(`${answer}: ${who}`, otherwise, anonymous); // Object.entries forgets its keys
  }
  return expected;
}
