import { createClient, type Client } from 'graphql-ws/client';
import { LOST, outcomeOfClose, outcomeOfCode, type Outcome } from './outcome.ts';

const RULES = '{ viewerAbility { rules policyVersion position } }';
const CHANGES = `subscription ($after: String) {
  permissionsChanged(after: $after) {
    __typename
    ... on PermissionsChanged { rules policyVersion position }
    ... on AccessEnded { code reason }
  }
}`;

const RENEW = 'mutation ($token: String!) { renewConnection(accessToken: $token) { expiresIn } }';

/** A socket says nothing when its network is gone. It is asked this often, */
const PING_MS = 10_000;
/** and given up after this long without an answer. */
const PONG_MS = 5_000;

/** All the rules that hold at a position, as Castellan sends them. */
export interface Rules {
  /** Packed CASL rules. */
  readonly rules: readonly unknown[];
  readonly policyVersion: string;
  readonly position: string;
}

/** What a page shows of its session: a token, or, where cookies keep the tokens, that it was told of them. */
export type Shown = { readonly accessToken: string } | { readonly csrfToken: string };

export interface ConnectionOptions {
  readonly url: string;
  readonly shown: Shown;
  readonly webSocketImpl: unknown;
  /** The access token is good for so many seconds more. Called when it opens, and after every renewal. */
  readonly onExpiresIn: (seconds: number) => void;
  /** The other side has shown that it is there. */
  readonly onAlive: () => void;
}

/** One socket, from opening it until it is over, for whatever reason. It never connects again: that takes a new one. */
export class Connection {
  readonly #client: Client;
  readonly #onExpiresIn: (seconds: number) => void;
  readonly #over = Promise.withResolvers<Outcome>();
  #isOver = false;
  #isOpen = false;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;

  constructor({ url, shown, webSocketImpl, onExpiresIn, onAlive }: ConnectionOptions) {
    this.#onExpiresIn = onExpiresIn;
    this.#client = createClient({
      url,
      connectionParams: 'accessToken' in shown ? { authorization: `Bearer ${shown.accessToken}` } : shown,
      webSocketImpl: quietly(webSocketImpl),
      // Open from the start and until we close it, whether or not an operation runs.
      lazy: false,
      onNonLazyError: () => {},
      retryAttempts: 0,
      keepAlive: PING_MS,
      on: {
        connected: (_socket, payload) => {
          this.#isOpen = true;
          this.#expiresIn(payload);
        },
        ping: (received) => {
          if (!received) this.#pongTimer = setTimeout(() => this.end(LOST), PONG_MS);
        },
        pong: (received) => {
          if (!received || this.#isOver) return;
          clearTimeout(this.#pongTimer);
          onAlive();
        },
        closed: (event) => this.end(outcomeOfClose(event)),
        error: () => this.end(LOST),
      },
    });
  }

  /** Resolves when nothing more will come. */
  get over(): Promise<Outcome> {
    return this.#over.promise;
  }

  /** The rules that hold now; null when the connection is over first. */
  read(): Promise<Rules | null> {
    const { promise, resolve } = Promise.withResolvers<Rules | null>();
    let answered = false;
    this.#operate(
      { query: RULES },
      () => answered,
      (data) => {
        answered = true;
        resolve(rulesIn(data['viewerAbility']));
      },
    );
    return Promise.race([promise, this.over.then(() => null)]);
  }

  /**
   * Hands over every rule set from `after` on. Resolves to true when the rules have to be read again, since Castellan
   * cannot say any more what was missed, and to false when the connection is over.
   */
  async listen(after: string, onRules: (rules: Rules) => void): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<true>();
    let finished = false;
    const stop = this.#operate(
      { query: CHANGES, variables: { after } },
      () => finished,
      (data) => {
        const event = Object(data['permissionsChanged']) as Readonly<Record<string, unknown>>;
        if (finished) return;
        if (event['__typename'] === 'PermissionsChanged') onRules(rulesIn(event));
        if (event['__typename'] === 'AccessEnded') this.end(outcomeOfCode(event['code'], event['reason']));
        if (event['__typename'] !== 'Resync') return;
        finished = true;
        resolve(true);
      },
    );
    const again = await Promise.race([promise, this.over.then(() => false)]);
    finished = true;
    stop();
    return again;
  }

  /** Goes on with a fresh access token of the same session. One that is refused is shown again by connecting again. */
  renew(token: string): void {
    let answered = false;
    this.#operate(
      { query: RENEW, variables: { token } },
      () => answered,
      (data) => {
        answered = true;
        this.#expiresIn(data['renewConnection']);
      },
      () => this.end(LOST),
    );
  }

  end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#pongTimer);
    this.#over.resolve(outcome);
    // A socket that is still opening cannot be closed in the orderly way.
    if (this.#isOpen) void Promise.resolve(this.#client.dispose()).catch(() => {});
    else this.#client.terminate();
  }

  #expiresIn(payload: unknown): void {
    const { expiresIn } = Object(payload) as { readonly expiresIn?: unknown };
    if (typeof expiresIn === 'number' && !this.#isOver) this.#onExpiresIn(expiresIn);
  }

  /** @param mayComplete whether the operation has told all that was wanted of it */
  #operate(
    payload: { readonly query: string; readonly variables?: Record<string, unknown> },
    mayComplete: () => boolean,
    onData: (data: Readonly<Record<string, unknown>>) => void,
    onRefused: (errors: unknown) => void = (errors) => this.#refused(errors),
  ): () => void {
    return this.#client.subscribe(payload, {
      next: ({ data, errors }) => {
        if (this.#isOver) return;
        if (errors !== undefined || data == null) return onRefused(errors);
        try {
          onData(data);
        } catch {
          // Not what Castellan says: whoever it is, nothing it sends can be trusted to be understood.
          this.end(LOST);
        }
      },
      // Refusals come as a list; anything else is the socket, which `closed` and `error` tell about.
      error: (error) => {
        if (Array.isArray(error)) onRefused(error);
      },
      complete: () => {
        if (!mayComplete()) this.end(LOST);
      },
    });
  }

  #refused(errors: unknown): void {
    const [first] = Array.isArray(errors) ? (errors as readonly unknown[]) : [];
    const { message, extensions } = Object(first) as { readonly message?: unknown; readonly extensions?: unknown };
    this.end(outcomeOfCode((Object(extensions) as { readonly code?: unknown }).code, message));
  }
}

function rulesIn(answer: unknown): Rules {
  const { rules, policyVersion, position } = Object(answer) as Partial<Record<keyof Rules, unknown>>;
  if (!Array.isArray(rules) || typeof policyVersion !== 'string' || typeof position !== 'string')
    throw new TypeError('these are no rules');
  return { rules, policyVersion, position };
}

/**
 * The same WebSocket, with somebody who listens to its errors from beginning to end: `ws` throws an error that nobody
 * listens to, and graphql-ws stops listening before a socket that is given up while it opens has failed.
 */
function quietly(webSocketImpl: unknown): unknown {
  const Socket = (webSocketImpl ?? globalThis.WebSocket) as new (url: string, protocols: string) => EventTarget;
  return class extends Socket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      this.addEventListener('error', () => {});
    }
  };
}
