import type { Instant } from '../../kit/clock.ts';
import type { Connection, Orders, PageArguments } from '../pages.ts';
import type { Filter } from '../policy/filter.ts';
import { type Condition, listReadable } from '../policy/lists.ts';
import type { Policy } from '../policy/policy.ts';
import type { Principal } from '../principals/principal.ts';
import type { Store } from '../store.ts';
import type { SecurityEvent, Severity } from './security-event.ts';

/** What events are narrowed by; all of it must hold. */
export interface SecurityEventFilter {
  readonly kind?: string | null | undefined;
  readonly severity?: Severity | null | undefined;
  readonly userId?: string | null | undefined;
  readonly sessionId?: string | null | undefined;
  /** From then on. */
  readonly since?: Instant | null | undefined;
}

export interface SecurityEventListArguments extends Omit<PageArguments, 'orderBy'> {
  readonly filter?: SecurityEventFilter | null | undefined;
}

const ORDERS: Orders = { at: 'instant' };
const NEWEST_FIRST = { field: 'at', direction: 'descending' } as const;

/** What somebody should look at. */
export class SecurityEvents {
  readonly #store: Store;
  readonly #policy: Policy;

  constructor(parts: { store: Store; policy: Policy }) {
    this.#store = parts.store;
    this.#policy = parts.policy;
  }

  /** A page of those that `by` may read, the newest first. */
  list(by: Principal, { filter, ...page }: SecurityEventListArguments): Promise<Connection<SecurityEvent>> {
    const args = { ...page, orderBy: NEWEST_FIRST };
    const parts = { policy: this.#policy, pages: this.#store.securityEvents, orders: ORDERS, args };
    return listReadable<SecurityEvent>(by, { type: 'SecurityEvent', conditions: conditionsOf(filter ?? {}), ...parts });
  }
}

function conditionsOf({ since, ...named }: SecurityEventFilter): readonly Condition[] {
  const equal = Object.entries(named).flatMap(([field, value]): readonly Condition[] => {
    if (typeof value !== 'string') return [];
    return [{ field, filter: { kind: 'equals', attribute: field, value } }];
  });
  if (typeof since !== 'string') return equal;
  const from: Filter = { kind: 'order', attribute: 'at', operator: 'gte', value: since };
  return [...equal, { field: 'at', filter: from }];
}
