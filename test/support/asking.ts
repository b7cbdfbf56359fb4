import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { type Answer, type Castellans, PASSWORD, type SignedInUser } from './castellan.ts';

export const INSTANCES = [0, 1, 2];
export const EVERYWHERE = [true, true, true];
export const NOWHERE = [false, false, false];
/** The receipt of a change that three instances have confirmed. */
export const IN_FORCE = { enforced: true, instances: 3, acknowledged: 3 };

export interface Ask {
  /** Who asks: by default the administrator; null is nobody. */
  readonly by?: SignedInUser | null;
  readonly instance?: number;
}

export const onEveryInstance = <T>(ask: (instance: number) => Promise<T>): Promise<readonly T[]> =>
  Promise.all(INSTANCES.map(ask));

/** An answer without its headers. */
export const seen = ({ status, data, errors }: Answer<unknown>) => ({ status, data, errors });

export const extensionsOf = ({ errors }: Pick<Answer, 'errors'>) => errors.map(({ extensions }) => extensions);

/** All that a change of rights may change: every row of it, and how much was recorded. */
const STATE = {
  scopes: 'select * from scopes order by id',
  roles: 'select * from roles order by id',
  inherits: 'select * from role_inherits order by role_id, parent_id',
  closure: 'select * from role_closure order by role_id, held_id',
  grants: 'select id, scope_id, revoked_at from grants order by id',
  users: 'select id, status, scope_id from users order by id',
  policy: 'select version from policy_head',
};

/** How tests of changes ask, of Castellans that are started later, mostly as an administrator. */
export function askingOn(castellans: () => Castellans, administrator: () => SignedInUser) {
  const ask = <T>(
    query: string,
    variables: object,
    { by = administrator(), instance = 0 }: Ask = {},
  ): Promise<Answer<T>> =>
    castellans().ask<T>(query, { variables, instance, ...(by !== null && { token: by.accessToken }) });

  /** What the one field of the answer holds; fails when it was refused. */
  async function done<T>(query: string, variables: object, options: Ask = {}): Promise<T> {
    const { data, errors } = await ask<Record<string, T>>(query, variables, options);
    if (data === null) throw new Error(`it was refused: ${JSON.stringify(errors)}`);
    const [value] = Object.values(data);
    return value as T; // each of these operations has one field
  }

  /** Does what is refused, or finds nothing to do, and leaves all as it was. */
  async function unchanged(work: () => Promise<void>): Promise<void> {
    const state = async () => {
      const rows = Object.entries(STATE).map(async ([name, text]) => [name, await castellans().rows(text)] as const);
      return { ...(await castellans().recorded()), ...Object.fromEntries(await Promise.all(rows)) };
    };
    const before = await state();
    await work();
    expect(await state()).toEqual(before);
  }

  /** What was recorded about the subject, in order. */
  const audited = (subjectId: string): Promise<readonly object[]> =>
    castellans().rows<object>(
      `select by, action, before, after from audit_entries where subject_id = $1 and outcome = 'done' order by id`,
      subjectId,
    );

  /** A signed-in user at home in this scope, who holds these roles everywhere. */
  async function atHome(
    name: string,
    scope: string | null,
    roles: readonly string[] = ['member'],
  ): Promise<SignedInUser> {
    const email = `${name}.${randomBytes(4).toString('hex')}@example.com`;
    const services = castellans().apps[0]?.services;
    const created = await services?.users.create(SYSTEM, { email, name, password: PASSWORD, roles, scope });
    return { id: created?.value.id ?? '', ...(await castellans().signIn(email)) };
  }

  /** Whether this may be done, as each instance says. */
  async function may(user: SignedInUser, action: string, subject: string, id: string): Promise<readonly unknown[]> {
    const query = `query ($action: String!, $subject: String!, $id: ID) {
      viewerCan(action: $action, subject: $subject, id: $id) { allowed }
    }`;
    const answers = await onEveryInstance((instance) =>
      ask<{ viewerCan: { allowed: boolean } }>(query, { action, subject, id }, { by: user, instance }),
    );
    return answers.map(({ data, errors }) => data?.viewerCan.allowed ?? errors);
  }

  return { ask, done, unchanged, audited, atHome, may };
}
