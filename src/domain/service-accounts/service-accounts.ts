import { type Clock, toInstant } from '../../kit/clock.ts';
import { newId } from '../../kit/ids.ts';
import type { AuditState } from '../audit/state.ts';
import type { Authority, Enforced, Written } from '../authority/authority.ts';
import { parseName } from '../names.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import { record } from '../principals/recording.ts';
import { badInput, notFound, Refusal } from '../refusals.ts';
import { findHome, HOMELESS, type Home, homeOf, noSuchScope } from '../scopes/home.ts';
import type { Store, Transaction } from '../store.ts';
import type { ServiceAccount } from './service-account.ts';

export interface NewServiceAccount {
  readonly name: string;
  /** The path or the id of the home scope. */
  readonly scope?: string | null | undefined;
}

/** What is set; what is absent or null stays. */
export interface ServiceAccountUpdate {
  readonly id: string;
  readonly name?: string | null | undefined;
}

export interface ServiceAccountListArguments extends PageArguments {
  /** What the list is narrowed by; all of it must hold. */
  readonly filter?:
    | {
        readonly status?: ServiceAccount['status'] | null | undefined;
        /** The path of a scope: their home is there or below. */
        readonly within?: string | null | undefined;
      }
    | null
    | undefined;
}

const ORDERS: Orders = { createdAt: 'instant', name: 'text' };
const WHAT = 'service account';

/** What can be done with service accounts. What keys they have is another matter. */
export class ServiceAccounts {
  readonly #store: Store;
  readonly #authority: Authority;
  readonly #policy: Policy;
  readonly #clock: Clock;

  constructor(parts: { store: Store; authority: Authority; policy: Policy; clock: Clock }) {
    this.#store = parts.store;
    this.#authority = parts.authority;
    this.#policy = parts.policy;
    this.#clock = parts.clock;
  }

  /** Those with these ids that `by` may read, in the order of the ids, null for the others. One statement. */
  async findMany(by: Principal, ids: readonly string[]): Promise<readonly (ServiceAccount | null)[]> {
    const found = new Map((await this.#store.serviceAccounts.findMany(ids)).map((account) => [account.id, account]));
    return ids.map((id) => this.#policy.readable(by, found.get(id) ?? null));
  }

  /** A page of the service accounts that `by` may read. */
  list(by: Principal, args: ServiceAccountListArguments): Promise<Connection<ServiceAccount>> {
    const { status, within } = args.filter ?? {};
    const conditions: Condition[] = [];
    const add = (field: string, attribute: string, value: string) =>
      conditions.push({ field, filter: { kind: 'equals', attribute, value } });
    if (typeof status === 'string') add('status', 'status', status);
    if (typeof within === 'string') add('scope', 'scopes', within);
    const parts = { policy: this.#policy, pages: this.#store.serviceAccounts, orders: ORDERS, conditions, args };
    return listReadable<ServiceAccount>(by, { type: 'ServiceAccount', ...parts });
  }

  /** It holds no role yet. Refuses with BAD_USER_INPUT a home scope that is not there. */
  async create(by: Principal, input: NewServiceAccount): Promise<Written<ServiceAccount>> {
    if (by.kind === 'anonymous') throw new Refusal('UNAUTHENTICATED', 'Sign in first.');
    const account: ServiceAccount = {
      __typename: 'ServiceAccount',
      id: newId('serviceAccount'),
      name: parseName(input.name),
      status: 'active',
      roles: [],
      ...HOMELESS,
      suspended: false,
      createdAt: this.#now(),
    };
    const demand = (actor: Principal, home: Home): ServiceAccount => {
      const there = { ...account, ...home };
      this.#policy.demand(actor, 'create', there);
      return there;
    };
    const home = await findHome(by, input.scope ?? null, {
      policy: this.#policy,
      scopes: this.#store.scopes,
      demand: (place) => void demand(by, place),
    });
    return this.#authority.write(by, {}, async (tx, actor) => {
      // A scope may have moved since.
      const there = home === null ? null : await tx.scopes.find(home.id);
      if (home !== null && there === null) throw noSuchScope();
      const added = demand(actor, homeOf(there));
      await tx.serviceAccounts.add(added);
      await record(tx, actor, 'service_account.create', { subjectId: added.id, after: stateOf(added) });
      return (await tx.serviceAccounts.find(added.id)) ?? added;
    });
  }

  /** Sets what is given and differs; each field is a right of its own. */
  async update(by: Principal, { id, name: given }: ServiceAccountUpdate): Promise<Enforced<ServiceAccount>> {
    if (typeof given !== 'string') throw badInput('input', 'There is nothing to set. Give a name.');
    const name = parseName(given);
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const account = await this.#demanded(tx, actor, id, 'update');
      const { allowed, reason, rule } = this.#policy.decide(actor, 'update', account, 'name');
      if (!allowed) throw new Refusal('FORBIDDEN', reason, { id, field: 'name', ...(rule !== null && { rule }) });
      if (account.name === name) return account;

      await tx.serviceAccounts.setName(id, name);
      // Which fields, and never what is in them.
      await record(tx, actor, 'service_account.update', { subjectId: id, after: { fields: ['name'] } });
      await tx.authority.append({ target: id, kind: 'changed', userId: id, reason: 'service_account_updated' });
      return { ...account, name };
    });
  }

  /** Shuts it out: no key of it is honoured until it is enabled again. Disabling a disabled one changes nothing and is no error. */
  disable(by: Principal, id: string): Promise<Enforced<ServiceAccount>> {
    return this.#setStatus(by, id, 'disable', 'disabled');
  }

  /** Lets it in again, with the keys that it had. Changes nothing about an active one. */
  enable(by: Principal, id: string): Promise<Enforced<ServiceAccount>> {
    return this.#setStatus(by, id, 'enable', 'active');
  }

  /**
   * Erases it. What is left is the id, which is never used again, and what was recorded under it.
   *
   * @returns the service account as it was
   */
  delete(by: Principal, id: string): Promise<Enforced<ServiceAccount>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const account = await this.#demanded(tx, actor, id, 'delete');
      await tx.serviceAccounts.erase(id, this.#now());
      await record(tx, actor, 'service_account.delete', { subjectId: id, before: stateOf(account) });
      await tx.authority.append({ target: id, kind: 'revoked', userId: id, reason: 'service_account_deleted' });
      return account;
    });
  }

  #setStatus(
    by: Principal,
    id: string,
    action: 'disable' | 'enable',
    status: ServiceAccount['status'],
  ): Promise<Enforced<ServiceAccount>> {
    return this.#authority.change(by, { change: [id] }, async (tx, actor) => {
      const account = await this.#demanded(tx, actor, id, action);
      if (account.status === status) return account; // still waits: an earlier call may not be in force yet

      await tx.serviceAccounts.setStatus(id, status);
      const states = { before: { status: account.status }, after: { status } };
      await record(tx, actor, `service_account.${action}`, { subjectId: id, ...states });
      const kind = status === 'disabled' ? 'revoked' : 'changed';
      await tx.authority.append({ target: id, kind, userId: id, reason: `service_account_${action}d` });
      return { ...account, status };
    });
  }

  async #demanded(tx: Transaction, actor: Principal, id: string, action: string): Promise<ServiceAccount> {
    const account = await tx.serviceAccounts.find(id);
    if (account === null) throw notFound(WHAT, id);
    this.#policy.demand(actor, action, account);
    return account;
  }

  #now(): string {
    return toInstant(this.#clock.now());
  }
}

function stateOf({ status, scope, roles }: ServiceAccount): AuditState {
  return { status, scope, roles };
}
