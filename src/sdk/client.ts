import { createMongoAbility, type MongoAbility } from '@casl/ability';
import { unpackRules, type PackRule } from '@casl/ability/extra';
import { Connection, type Rules } from './connection.ts';
import { LOST, outcomeOfFailure, type Outcome } from './outcome.ts';
import { Progress } from './progress.ts';

/** How long the last rules count while they cannot be confirmed. */
const STALE_AFTER_MS = 60_000;
/** A connection that has not confirmed the rules by then is given up. */
const CONFIRM_MS = 10_000;
/** The longest waits before the first, second, … attempt to connect again; the last one for all that follow. */
const BACKOFF_MS: readonly number[] = [250, 500, 1_000, 2_000, 4_000, 8_000];
/** Between two questions to an instance that is behind what we know already. */
const BEHIND_MS = 200;

/**
 * - `connecting`: no rules have come yet; everything is denied
 * - `live`: the rules are those in force, and every change arrives
 * - `reconnecting`: the connection is lost; the last rules still count
 * - `stale`: it has been lost for too long; everything is denied until the rules are confirmed again
 * - `ended`: access has ended, or `dispose` was called; everything is denied for good
 */
export type LiveAbilityState = 'connecting' | 'live' | 'reconnecting' | 'stale' | 'ended';

export interface LiveAbilityOptions {
  /** The `ws:` or `wss:` URL of the GraphQL endpoint. A function is asked again for every connection. */
  readonly url: string | (() => string | Promise<string>);
  /** Asked for every connection. May refresh by itself; then `refresh` is not needed. */
  readonly accessToken: () => string | Promise<string>;
  /**
   * Gets a fresh access token, which `accessToken` returns from then on. Called when the old one has run out, and never
   * again before it has settled. Rejecting means "try again later", except with an error whose `code` is
   * `SESSION_REVOKED` or `UNAUTHENTICATED`, as Castellan answers it: then access has ended. Without `refresh`, access
   * ends with `TOKEN_EXPIRED` when `accessToken` still returns the token that has run out.
   */
  readonly refresh?: () => Promise<void>;
  /** Access has ended, and everything is denied. Called once, with the code of the refusal; not after `dispose`. */
  readonly onEnded?: (code: string, reason: string) => void;
  /**
   * How long the last rules count without a sign of life from Castellan, 60 seconds unless given. Then everything is
   * denied until they are confirmed. A page that cannot hear of revocations must not offer for hours what has long been
   * taken away; a page that denied everything at every hiccup of the network could not be used. This is what the page
   * shows: Castellan itself decides about every request by what is in force, however old the page's rules are.
   */
  readonly staleAfterMs?: number;
  /** For a JavaScript without a global WebSocket, such as the `WebSocket` of the package `ws`. */
  readonly webSocketImpl?: unknown;
}

export interface LiveAbility {
  /**
   * Always the same object, updated in place: `ability.on('updated', …)` tells of every change. Subject types are told by
   * `__typename`, so ask for it in queries.
   */
  readonly ability: MongoAbility;
  /** Resolves when the first rules are in the ability. Rejects when access ends, or `dispose` is called, before that. */
  readonly ready: Promise<void>;
  readonly state: LiveAbilityState;
  /** Calls the listener after every change of the state or of the rules. Returns how to stop it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** Closes the connection and denies everything. */
  readonly dispose: () => void;
}

/** Access ended before there were any rules. */
export class AccessEndedError extends Error {
  override readonly name = 'AccessEndedError';
  readonly code: string;

  constructor(code: string, reason: string) {
    super(reason);
    this.code = code;
  }
}

/**
 * A CASL ability with the rules of whoever the access token belongs to, kept as it is in force: a role that is granted or
 * revoked shows at once. Connects by itself, and again whenever the connection is lost. Until the first rules have come,
 * everything is denied.
 */
export function createLiveAbility(options: LiveAbilityOptions): LiveAbility {
  const live = new Live(options);
  live.start();
  return live;
}

class Live implements LiveAbility {
  readonly ability: MongoAbility = createMongoAbility([], { detectSubjectType: typeOf });
  readonly ready: Promise<void>;
  readonly #options: LiveAbilityOptions;
  readonly #ready = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #listeners = new Set<() => void>();
  readonly #progress = new Progress();
  #state: LiveAbilityState = 'connecting';
  #connection: Connection | null = null;
  /** The rules in the ability, as text: none while everything is denied. */
  #shown = '[]';
  #attempts = 0;
  #aliveAtMs = 0;
  #staleTimer: ReturnType<typeof setTimeout> | undefined;
  #expiredToken: string | null = null;

  constructor(options: LiveAbilityOptions) {
    this.#options = options;
    this.ready = this.#ready.promise;
    // Not everybody waits for it.
    this.ready.catch(() => {});
  }

  get state(): LiveAbilityState {
    return this.#state;
  }

  // These two work without their object, as frameworks call them.
  readonly subscribe = (listener: () => void): (() => void) => {
    // Of its own, so that one function may listen twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  readonly dispose = (): void => {
    this.#end('DISPOSED', 'It was disposed of.');
  };

  start(): void {
    void this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#hasEnded()) {
      const outcome = await this.#connect();
      if (this.#hasEnded()) return;
      this.#lost();
      const next = outcome.kind === 'expired' ? await this.#refresh() : outcome;
      if (this.#hasEnded()) return;
      if (next.kind === 'ended') {
        this.#end(next.code, next.reason);
        this.#tell(() => this.#options.onEnded?.(next.code, next.reason));
        return;
      }
      // A token that ran out while all was well is no reason to wait; one that is refused when it is fresh, is.
      if (next.kind === 'lost' || this.#attempts > 0) await this.#pause(backoffMs(this.#attempts));
      this.#attempts += 1;
    }
  }

  /** Opens a connection and follows it until it is over. */
  async #connect(): Promise<Outcome> {
    const { url, accessToken, refresh, webSocketImpl } = this.#options;
    try {
      const token = await accessToken();
      if (refresh === undefined && token === this.#expiredToken)
        return { kind: 'ended', code: 'TOKEN_EXPIRED', reason: 'The access token has run out.' };
      const target = typeof url === 'function' ? await url() : url;
      if (this.#hasEnded()) return LOST;
      const connection = new Connection({
        url: target,
        token,
        webSocketImpl,
        onAlive: () => {
          if (this.#state === 'live') this.#aliveAtMs = performance.now();
        },
      });
      this.#connection = connection;
      const outcome = await this.#follow(connection);
      if (outcome.kind === 'expired') this.#expiredToken = token;
      return outcome;
    } catch (error) {
      return outcomeOfFailure(error);
    } finally {
      this.#connection = null;
    }
  }

  /**
   * Reads the rules and then listens to what comes after them. It reads after every connection, not only the first: an
   * event that does not come is no confirmation, and a grant that ran out meanwhile is nowhere in the list of changes.
   */
  async #follow(connection: Connection): Promise<Outcome> {
    try {
      for (let again = true; again;) {
        const timer = setTimeout(() => connection.end(LOST), CONFIRM_MS);
        const confirmed = await this.#confirm(connection).finally(() => clearTimeout(timer));
        if (!confirmed) break;
        again = await connection.listen(this.#progress.position ?? '', (rules) => this.#event(rules));
      }
    } finally {
      connection.end(LOST);
    }
    return connection.over;
  }

  /** Brings the ability to what holds now. False when the connection is over before. */
  async #confirm(connection: Connection): Promise<boolean> {
    for (;;) {
      const rules = await connection.read();
      if (rules === null || this.#hasEnded()) return false;
      // Rights also end by time, without a change in the list: the same position may come with fewer.
      if (!this.#progress.isPast(rules.position)) {
        this.#take(rules);
        return true;
      }
      // This instance has yet to hear of what another one has told us.
      await this.#pause(BEHIND_MS);
    }
  }

  #event(rules: Rules): void {
    if (!this.#progress.isPast(rules.position)) this.#take(rules);
  }

  /** These are the rules in force. */
  #take({ rules, position }: Rules): void {
    this.#progress.moveTo(position);
    clearTimeout(this.#staleTimer);
    this.#aliveAtMs = performance.now();
    this.#attempts = 0;
    this.#expiredToken = null;
    const before = this.#state;
    // Before anybody is told of the rules: whoever is asks for the state, too.
    this.#state = 'live';
    const changed = this.#show(rules);
    this.#ready.resolve();
    if (changed || before !== 'live') this.#announce();
  }

  #lost(): void {
    if (this.#state !== 'live') return;
    const { staleAfterMs = STALE_AFTER_MS } = this.#options;
    this.#state = 'reconnecting';
    this.#staleTimer = setTimeout(
      () => {
        this.#state = 'stale';
        this.#show([]);
        this.#announce();
      },
      Math.max(0, this.#aliveAtMs + staleAfterMs - performance.now()),
    );
    this.#announce();
  }

  #end(code: string, reason: string): void {
    if (this.#hasEnded()) return;
    clearTimeout(this.#staleTimer);
    this.#state = 'ended';
    this.#show([]);
    this.#connection?.end(LOST);
    this.#stopped.resolve();
    this.#ready.reject(new AccessEndedError(code, reason));
    this.#announce();
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  async #refresh(): Promise<Outcome> {
    try {
      await this.#options.refresh?.();
      return { kind: 'expired' };
    } catch (error) {
      return outcomeOfFailure(error);
    }
  }

  /** Whether that changed anything. */
  #show(rules: Rules['rules']): boolean {
    const text = JSON.stringify(rules);
    if (text === this.#shown) return false;
    this.#shown = text;
    // Castellan packs them with the same CASL.
    this.#tell(() => this.ability.update(unpackRules(rules as PackRule<MongoAbility['rules'][number]>[])));
    return true;
  }

  #announce(): void {
    for (const listener of this.#listeners) this.#tell(listener);
  }

  /** Calls what is not ours. What it throws is reported as uncaught, and changes nothing here. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, this.#stopped.promise]);
    clearTimeout(timer);
  }
}

function typeOf(object: object): string {
  return (object as { readonly __typename?: string }).__typename ?? '';
}

/** Anything up to the limit: those who were cut off together do not come back together. */
function backoffMs(attempts: number): number {
  const [chance = 0] = crypto.getRandomValues(new Uint32Array(1));
  const limit = BACKOFF_MS[Math.min(attempts, BACKOFF_MS.length - 1)] ?? 0;
  return (limit * chance) / 2 ** 32;
}
