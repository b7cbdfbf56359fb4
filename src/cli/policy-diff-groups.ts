import type { PolicyChange } from '../domain/policy/diff.ts';
import { grantText, type Person } from './policy-population.ts';

/** A change as both doors tell it: without fields it is the record as a whole. */
export type ToldChange = Pick<
  PolicyChange,
  'effect' | 'subject' | 'action' | 'principals' | 'records' | 'except' | 'pairs'
> & { readonly fields: readonly string[] };

/** One action on one subject that is gained or lost: by whom, on how many records. */
export interface DiffGroup {
  readonly effect: 'gains' | 'loses';
  readonly action: string;
  readonly subject: string;
  /** The only fields it is about; empty when it is the record as a whole. */
  readonly fields: readonly string[];
  readonly principals: number;
  /** Those of the members together. */
  readonly roles: readonly string[];
  /** Of all of them together; null when nobody knows. */
  readonly liveSessions: number | null;
  readonly records: number;
  /** Whether it is only themselves, or what is their own, that they gain or lose it on. */
  readonly own: boolean;
  readonly members: readonly Member[];
}

export interface Member extends Pick<Person, 'id' | 'email' | 'liveSessions'> {
  /** Through which this is gained or lost, as `support at acme`. */
  readonly roles: readonly string[];
  readonly records: number;
}

/** What the domain found, for those who read it: the same for all records of one subject is told once. */
export function groupChanges(
  changes: readonly ToldChange[],
  people: ReadonlyMap<string, Person>,
  rolesInvolved: (action: string, subject: string) => ReadonlySet<string>,
): readonly DiffGroup[] {
  const keyOf = ({ effect, subject, action, fields }: ToldChange) =>
    JSON.stringify([effect, subject, action, fields.toSorted()]);
  return [...Map.groupBy(changes, keyOf).values()]
    .map((same) => {
      const [{ action, subject } = nothing] = same;
      return toGroup(same, people, rolesInvolved(action, subject));
    })
    .toSorted(byImportance);
}

function toGroup(
  changes: readonly ToldChange[],
  people: ReadonlyMap<string, Person>,
  involved: ReadonlySet<string>,
): DiffGroup {
  const members = [...countsOf(changes)]
    .map(([id, records]): Member => {
      const { email, liveSessions, grants } = people.get(id) ?? unknown;
      return {
        id,
        email,
        liveSessions,
        roles: grants.filter(({ role }) => involved.has(role)).map(grantText),
        records,
      };
    })
    .toSorted(byName);
  const sessions = members.map(({ liveSessions }) => liveSessions);
  const [{ effect, action, subject, fields } = nothing] = changes;
  return {
    effect,
    action,
    subject,
    fields: fields.toSorted(),
    principals: members.length,
    roles: [...new Set(members.flatMap(({ roles }) => roles))].toSorted(),
    liveSessions: sessions.includes(null) ? null : sessions.reduce<number>((sum, each) => sum + (each ?? 0), 0),
    records: new Set(changes.flatMap(({ records, pairs }) => [...records, ...pairs.map(({ record }) => record)])).size,
    own: changes.every(isOwn),
    members,
  };
}

const nothing: ToldChange = {
  effect: 'gains',
  action: '',
  subject: '',
  fields: [],
  principals: [],
  records: [],
  except: [],
  pairs: [],
};

/** On how many records each of them gains or loses it. Pairs are not written out: there may be millions. */
function countsOf(changes: readonly ToldChange[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const add = (id: string, number: number) => counts.set(id, (counts.get(id) ?? 0) + number);
  for (const { principals, records, except, pairs } of changes) {
    for (const id of principals) add(id, records.length);
    for (const { principal } of except) add(principal, -1);
    for (const { principal } of pairs) add(principal, 1);
  }
  return counts;
}

const isOwn = ({ principals, pairs }: ToldChange): boolean =>
  principals.length === 0 &&
  pairs.every(({ principal, record }) => record === principal || record === `sessions of ${principal}`);

const unknown: Omit<Person, 'id'> = { email: null, grants: [], liveSessions: null };

/** Those whose address is known go first. */
const byName = (a: Member, b: Member): number =>
  Number(a.email === null) - Number(b.email === null) || compareText(a.email ?? a.id, b.email ?? b.id);

/** Gains first: what somebody may do who could not before is what a review is for. */
const byImportance = (a: DiffGroup, b: DiffGroup): number =>
  compareText(a.effect, b.effect) ||
  compareText(a.subject, b.subject) ||
  compareText(a.action, b.action) ||
  compareText(a.fields.join(), b.fields.join());

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
