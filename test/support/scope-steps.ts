import { randomBytes } from 'node:crypto';
import { SYSTEM } from '../../src/domain/principals/principal.ts';
import { askingOn, INSTANCES, onEveryInstance } from './asking.ts';
import { type Castellans, codesOf, type SignedInUser } from './castellan.ts';

export const MISSING = `scope_${'0'.repeat(26)}`;
export const ME = '{ me { id } }';

export const SCOPE = 'id name path status createdAt parent { id path }';
const WITH_RECEIPT = `{ scope { ${SCOPE} } receipt { enforced position instances acknowledged } position }`;
export const CREATE = `mutation ($path: String!) { createScope(path: $path) { scope { ${SCOPE} } position } }`;
export const MOVE = `mutation ($id: ID!, $path: String!) { moveScope(id: $id, path: $path) ${WITH_RECEIPT} }`;
export const SUSPEND = `mutation ($id: ID!) { suspendScope(id: $id) ${WITH_RECEIPT} }`;
export const RESUME = `mutation ($id: ID!) { resumeScope(id: $id) ${WITH_RECEIPT} }`;
export const DELETE = `mutation ($id: ID!) { deleteScope(id: $id) ${WITH_RECEIPT} }`;
export const GRANT = `mutation ($user: ID!, $role: ID!, $scope: String) {
  grantRole(principalId: $user, roleId: $role, scope: $scope) { grant { id scope } }
}`;

export interface ScopeData {
  readonly id: string;
  readonly name: string;
  readonly path: string;
  readonly status: string;
  readonly createdAt: string;
  readonly parent: { readonly id: string; readonly path: string } | null;
}
export interface Changed {
  readonly scope: ScopeData;
  readonly receipt: object;
  readonly position: string;
}

/** The statuses of a user's questions on each instance, who is let in or shut out. */
export const IN = INSTANCES.map(() => [200]);
export const OUT = INSTANCES.map(() => [401, 'SESSION_REVOKED']);

/** What tests of scopes do, on Castellans that are started later, mostly as an administrator. */
export function scopeStepsOn(castellans: () => Castellans, administrator: () => SignedInUser) {
  const asking = askingOn(castellans, administrator);
  const { ask, done } = asking;

  /** A tree of its own for each test: its root, and the ids of its scopes by what follows that. */
  async function tree(...rests: readonly string[]) {
    const root = `t${randomBytes(5).toString('hex')}`;
    await castellans().addScopes(root, ...rests.map((rest) => `${root}/${rest}`));
    const id = async (rest = '') => {
      const path = rest === '' ? root : `${root}/${rest}`;
      return (await castellans().apps[0]?.services.scopes.findByPath(SYSTEM, path))?.id ?? '';
    };
    return { root, id };
  }

  async function roleIdOf(name: string): Promise<string> {
    return (await castellans().apps[0]?.services.roles.findByName(SYSTEM, name))?.id ?? '';
  }

  async function grant(user: SignedInUser, role: string, scope: string | null): Promise<void> {
    await done(GRANT, { user: user.id, role: await roleIdOf(role), scope });
  }

  /** The HTTP status of a question on each instance, with the codes of its errors. */
  async function statusOf(user: SignedInUser): Promise<readonly unknown[]> {
    const answers = await onEveryInstance((instance) => ask(ME, {}, { by: user, instance }));
    return answers.map((answer) => [answer.status, ...codesOf(answer)]);
  }

  const readOnEvery = (variables: { id?: string; path?: string }, by = administrator()) =>
    onEveryInstance((instance) =>
      done<ScopeData | null>(`query ($id: ID, $path: String) { scope(id: $id, path: $path) { ${SCOPE} } }`, variables, {
        by,
        instance,
      }),
    );

  return { ...asking, tree, roleIdOf, grant, statusOf, readOnEvery };
}
