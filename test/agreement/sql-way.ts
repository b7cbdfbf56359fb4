import type { UserPrincipal } from '../../src/domain/principals/principal.ts';
import type { Services } from '../../src/api/graphql/services.ts';
import { filterSql, Parameters, type SubjectSql } from '../../src/drivers/postgres/policy-sql.ts';
import { ROLE_SQL } from '../../src/drivers/postgres/role-store.ts';
import { SESSION_SQL, SESSION_TABLES } from '../../src/drivers/postgres/session-store.ts';
import { USER_SQL, USER_TABLES } from '../../src/drivers/postgres/user-store.ts';
import type { Connection, PageArguments } from '../../src/domain/pages.ts';
import type { Castellans } from '../support/castellan.ts';
import { attributesOf, SUBJECTS } from './policies.ts';
import { askedAs, type Way } from './questions.ts';

interface Table {
  readonly type: 'User' | 'Session' | 'Role';
  readonly id: string;
  readonly from: string;
  readonly subject: SubjectSql;
}

const TABLES: readonly Table[] = [
  { type: 'User', id: 'u.id', from: USER_TABLES, subject: USER_SQL },
  { type: 'Session', id: 's.id', from: SESSION_TABLES, subject: SESSION_SQL },
  { type: 'Role', id: 'r.id', from: 'roles r', subject: ROLE_SQL },
];

const PAGE = 17;

export interface SqlWay {
  readonly way: Way;
  /** What a list failed with, as it does when it finds what may not be read; null when all went well. */
  readonly fault: unknown;
}

/** What PostgreSQL finds: by the lists themselves what may be read, by the same filters what else may be done. */
export async function bySql(castellans: Castellans, services: Services, by: UserPrincipal): Promise<SqlWay> {
  const answers = new Map<string, ReadonlySet<string>>();
  for (const table of TABLES) {
    for (const [asked, ids] of await filtered(castellans, services, by, table)) {
      answers.set(`${table.type} ${asked}`, ids);
    }
  }
  const lists = { User: services.users, Session: services.sessions, Role: services.roles };
  let fault: unknown = null;
  for (const { type } of TABLES) {
    try {
      const listed = await idsIn((args) => lists[type].list(by, args));
      answers.set(`${type} ${askedAs('read', undefined)}`, listed);
    } catch (error) {
      // What the filter alone finds then tells who may not read what.
      fault = error;
    }
  }
  const way: Way = ({ subject, action, field }) =>
    answers.get(`${subject.type} ${askedAs(action, field)}`)?.has(subject.id) ?? null;
  return { way, fault };
}

async function idsIn(
  list: (args: PageArguments) => Promise<Connection<{ readonly id: string }>>,
): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  let after: string | null = null;
  do {
    const { edges, pageInfo }: Connection<{ readonly id: string }> = await list({ first: PAGE, after });
    for (const { node } of edges) ids.add(node.id);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
  return ids;
}

/** One statement asks all filters of one type. A condition that is unknown of a row is not true of it, as in `where`. */
async function filtered(
  castellans: Castellans,
  { policy }: Services,
  by: UserPrincipal,
  { type, id, from, subject }: Table,
): Promise<readonly (readonly [string, ReadonlySet<string>])[]> {
  const asked = SUBJECTS[type].actions.flatMap((action) =>
    [undefined, ...attributesOf(type)].map((field) => ({ action, field })),
  );
  const parameters = new Parameters();
  const conditions = asked.map(
    ({ action, field }) => `(${filterSql(policy.filter(by, action, type, field), subject, parameters)}) is true`,
  );
  const rows = await castellans.rows<{ id: string; holds: readonly boolean[] }>(
    `select ${id} as id, array[${conditions.join(', ')}] as holds from ${from}`,
    ...parameters.values,
  );
  return asked.map(({ action, field }, at) => {
    const ids = rows.filter(({ holds }) => holds[at] === true).map((row) => row.id);
    return [askedAs(action, field), new Set(ids)] as const;
  });
}
