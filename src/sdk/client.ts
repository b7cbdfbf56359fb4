import { createMongoAbility, type MongoAbility } from '@casl/ability';
import { unpackRules, type PackRule } from '@casl/ability/extra';
import { Connection, type Rules } from './connection.ts';
import { LOST, outcomeOfFailure, type Outcome } from './outcome.ts';
import { isFresh, PageSession, type SessionOptions, type Showing } from './page-session.ts';
import { Progress } from './progress.ts';
import { Renewal } from './renewal.ts';

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

export type LiveAbilityOptions = SessionOptions & LiveAbilitySettings;

export interface LiveAbilitySettings {
  /** The `ws:` or `wss:` URL of the GraphQL endpoint. A function is asked again for every connection. */
  readonly url: string | (() => string | Promise<string>);
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
  /**
   * Refreshes the session, for a page whose own request was answered with `TOKEN_EXPIRED`: in one tab at a time, and not
   * again when that is happening for the ability's sake. Rejects as the page's `refresh` does.
   */
  readonly refresh: () => Promise<void>;
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
  readonly #session: PageSession;
  #showing: Showing | null = null;
  #expired: Showing | null = null;

  constructor(options: LiveAbilityOptions) {
    this.#options = options;
    this.#session = new PageSession(options);
    this.ready = this.#ready.promise;
    // Not everybody waits for it.
    this.ready.catch(() => {});
  }

  get state(): LiveAbilityState {
    return this.#state;
  }

  // These work without their object, as frameworks call them.
  readonly subscribe = (listener: () => void): (() => void) => {
    // Of its own, so that one function may listen twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  readonly refresh = async (): Promise<void> => this.#session.refresh(await this.#session.show());

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
    const { url, webSocketImpl } = this.#options;
    const renewal = new Renewal(() => void this.#renew());
    try {
      const showing = await this.#session.show();
      if (!this.#session.canRefresh && this.#expired !== null && !isFresh(showing.shown, this.#expired.shown))
        return { kind: 'ended', code: 'TOKEN_EXPIRED', reason: 'The access token has run out.' };
      const target = typeof url === 'function' ? await url() : url;
      if (this.#hasEnded()) return LOST;
      const connection = new Connection({
        url: target,
        shown: showing.shown,
        webSocketImpl,
        onExpiresIn: (seconds) => renewal.expiresIn(seconds),
        onAlive: () => {
          if (this.#state === 'live') this.#aliveAtMs = performance.now();
        },
      });
      this.#connection = connection;
      this.#showing = showing;
      const outcome = await this.#follow(connection);
      if (outcome.kind === 'expired') this.#expired = this.#showing;
      return outcome;
    } catch (error) {
      return outcomeOfFailure(error);
    } finally {
      renewal.stop();
      this.#connection = null;
    }
  }

  /**
   * Goes on with a fresh token before the one in use runs out. Where there is none, that one is left to run out, and a lost
   * connection is made again.
   */
  async #renew(): Promise<void> {
    const [connection, showing] = [this.#connection, this.#showing];
    if (connection === null || showing === null || 'csrfToken' in showing.shown) return;
    try {
      await this.#session.refresh(showing);
      const next = await this.#session.show();
      if (connection !== this.#connection || !isFresh(next.shown, showing.shown)) return;
      this.#showing = next;
      connection.renew(next.shown.accessToken);
    } catch (error) {
      const outcome = outcomeOfFailure(error);
      if (outcome.kind === 'ended') connection.end(outcome);
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
    this.#expired = null;
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
      if (this.#expired !== null) await this.#session.refresh(this.#expired);
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
