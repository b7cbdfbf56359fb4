import type { AuditRecord } from '../audit/entry.ts';
import type { Instant } from '../../kit/clock.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import type { Filter, OrderOperator } from '../policy/filter.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';

/** What entries are narrowed by; all of it must hold. */
export interface AuditLogFilter {
  readonly principalId?: string | null | undefined;
  readonly apiKeyId?: string | null | undefined;
  readonly sessionId?: string | null | undefined;
  readonly subjectId?: string | null | undefined;
  readonly subjectType?: string | null | undefined;
  readonly action?: string | null | undefined;
  readonly outcome?: AuditRecord['outcome'] | null | undefined;
  /** From then on. */
  readonly from?: Instant | null | undefined;
  /** Before then. */
  readonly until?: Instant | null | undefined;
}

export interface AuditLogArguments extends Omit<PageArguments, 'orderBy'> {
  readonly filter?: AuditLogFilter | null | undefined;
}

const ORDERS: Orders = { at: 'instant' };
const NEWEST_FIRST = { field: 'at', direction: 'descending' } as const;

/** Questions about what was done, and what was denied. */
export class AuditLog {
  readonly #store: Store;
  readonly #policy: Policy;

  constructor(parts: { store: Store; policy: Policy }) {
    this.#store = parts.store;
    this.#policy = parts.policy;
  }

  /** A page of the entries that `by` may read, the newest first. */
  list(by: Principal, { filter, ...page }: AuditLogArguments): Promise<Connection<AuditRecord>> {
    const args = { ...page, orderBy: NEWEST_FIRST };
    const parts = { policy: this.#policy, pages: this.#store.audit, orders: ORDERS, args };
    return listReadable<AuditRecord>(by, { type: 'AuditEntry', conditions: conditionsOf(filter ?? {}), ...parts });
  }
}

function conditionsOf({ from, until, ...named }: AuditLogFilter): readonly Condition[] {
  const equal = Object.entries(named).flatMap(([field, value]): readonly Condition[] => {
    if (typeof value !== 'string') return [];
    return [{ field, filter: { kind: 'equals', attribute: field, value } }];
  });
  const bound = (operator: OrderOperator, value: Instant | null | undefined): readonly Condition[] => {
    if (typeof value !== 'string') return [];
    const filter: Filter = { kind: 'order', attribute: 'at', operator, value };
    return [{ field: 'at', filter }];
  };
  return [...equal, ...bound('gte', from), ...bound('lt', until)];
}
