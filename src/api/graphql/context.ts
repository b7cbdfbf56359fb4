import type { ExecutionArgs } from 'graphql';
import type { Origin } from '../../domain/authentication/origin.ts';
import type { Allowance } from '../../domain/limits/operation-limits.ts';
import { held, type Principal, type UserPrincipal } from '../../domain/principals/principal.ts';
import type { Protocol } from '../../domain/sessions/activity.ts';
import { tracing } from '../../kit/tracing.ts';
import { Undertaking } from '../../kit/undertaking.ts';
import type { SessionCookies } from '../http/session-cookies.ts';
import { operationLabel } from '../../domain/usage/usage.ts';
import { noteRefusedOperation } from './attempts.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { OperationFigure } from './operation-figures.ts';
import { noteRefused } from './signals.ts';
import type { Unproven } from './places.ts';
import type { Services } from './services.ts';

/** A connection whose operations outlive a token. */
export interface Renewable {
  /**
   * Goes on with a fresh access token, as do the subscriptions of its session. Refuses, and changes nothing, when the token
   * does not hold or is of another session than `by`.
   */
  renew(by: Principal, token: string): Promise<UserPrincipal>;
}

/** A subscription, as those know it who tell of its events. */
export interface Running {
  readonly ended: boolean;
  renew(by: UserPrincipal): void;
  /**
   * The last event, where it is to be read again, since the rights of its subscriber have changed; null where it stands as it was read.
   * Refuses whoever may not be told of it any more.
   */
  again(): Promise<object | null>;
  withheld(): void;
}

/** What a request says of its operation, before anybody has read it. */
export interface AskedOperation {
  readonly operationName?: unknown;
  readonly query?: unknown;
}

/** What only some doors have. */
export interface Door {
  /** How it came in; over HTTP unless it is said otherwise. */
  readonly protocol?: Protocol;
  readonly cookies?: SessionCookies;
  readonly connection?: Renewable;
  /** Whether cookies keep the tokens of the session, and this door sets none. */
  readonly cookiesElsewhere?: boolean;
  /** Whether a gateway asks that Castellan trusts. */
  readonly byGateway?: boolean;
  /** What the session must prove before it does anything else, or null. */
  readonly unproven?: Unproven | null;
}

/** One operation: who acts, from where, and the services. The same for every protocol. */
export class OperationContext {
  by: Principal;
  readonly from: Origin;
  readonly services: Services;
  readonly cookies: SessionCookies | null;
  readonly connection: Renewable | null;
  readonly cookiesElsewhere: boolean;
  readonly byGateway: boolean;
  readonly unproven: Unproven | null;
  readonly protocol: Protocol;
  readonly undertaking: Undertaking;
  /** What it says it is; null until it is admitted. */
  asked: AskedOperation | null = null;
  /** The subscription this operation runs, once it does. */
  running: Running | null = null;
  /** What its events are read with, once it runs. */
  subscribed: ExecutionArgs | null = null;
  /** Sends what an event comes to in this very step; false where that cannot be. Null where the door sends none so. */
  tellNow: ((event: object) => boolean) | null = null;
  /** What it is counted with, as soon as it is known what it asks for. */
  figure: OperationFigure | null = null;
  /** Whether it became an operation that was answered, shared with copies. */
  readonly outcome = { told: false };
  /** What its lists came to beyond what they were taken for, in records. */
  beyond = 0;
  private readonly begunMs: number;
  /** How it was counted; null where nothing is to be counted any more. */
  allowance: Allowance | null = null;
  // No #private field: Apollo Server hands resolvers a copy of its context, and copies have none.
  private loadersOnce: Loaders | null = null;

  constructor(services: Services, by: Principal, from: Origin, door: Door = {}) {
    this.services = services;
    this.by = by;
    this.from = from;
    this.cookies = door.cookies ?? null;
    this.connection = door.connection ?? null;
    this.cookiesElsewhere = door.cookiesElsewhere ?? false;
    this.byGateway = door.byGateway ?? false;
    this.unproven = door.unproven ?? null;
    this.protocol = door.protocol ?? 'http';
    this.undertaking = new Undertaking({
      protocol: this.protocol,
      address: from.address,
      operation: () => labelOf(this.asked),
    });
    this.begunMs = services.clock.monotonicMs();
  }

  /** It is known what it asks for. */
  asks(figure: OperationFigure): void {
    this.figure = figure;
    if (tracing.on) tracing.found(`graphql ${figure.kind} ${figure.field}`, { 'graphql.operation.type': figure.kind });
  }

  /**
   * Its answer is there; for a subscription, it runs.
   * @param code of the first error
   */
  answered(code: string | null): void {
    const { figure, services } = this;
    if (figure === null) return;
    this.outcome.told = true;
    figure.answered(services.clock.monotonicMs() - this.begunMs, code);
    services.operationCounts.count(figure, code !== null);
    if (code !== null) {
      noteRefused(this, figure, code);
      noteRefusedOperation(this, figure.kind, code);
    }
    if (tracing.on && code !== null) tracing.found(null, { 'castellan.code': code });
  }

  /** Its answer had errors: it is counted as one that failed, once. */
  failed(): void {
    this.services.operationLimits.failed(this.allowance);
    this.allowance = null;
  }

  /** Who signs in goes on as who they are: the rest of the operation is theirs. */
  become(by: Principal): void {
    this.by = by;
    this.loadersOnce = null;
    this.beyond = 0;
  }

  /** The subscription goes on with a fresh credential of the same session. */
  renew(by: UserPrincipal): void {
    const going = held(by);
    this.become(going);
    this.running?.renew(going);
  }

  /** Made when first asked for: most operations load nothing. They live as long as this operation. */
  get loaders(): Loaders {
    this.loadersOnce ??= createLoaders(this.by, this.services);
    return this.loadersOnce;
  }
}

function labelOf(asked: AskedOperation | null): string | null {
  if (typeof asked?.query !== 'string') return null;
  return operationLabel(typeof asked.operationName === 'string' ? asked.operationName : null, asked.query);
}
