import type { FormattedExecutionResult, GraphQLFormattedError } from 'graphql';
import type { Clock, Timer } from '../../kit/clock.ts';
import type { CallbackCalls } from './callback-calls.ts';
import type { CallbackPlace } from './callback-origins.ts';
import type { CallbackRequest } from './callback-request.ts';

/** The gateway has forgotten this subscription: its client has gone. */
const GONE = 404;
const CONFIRMED = 204;
/** How often one message is sent before the gateway is given up, and how long between two attempts. */
const ATTEMPTS_MAX = 3;
const AGAIN_MS = 200;
/** So many signs of life may be missed. */
const MISSED_MAX = 3;
/** A sign of life is sent a little before it is due. */
const EARLY = 0.75;

type Message =
  | { readonly action: 'check' }
  | { readonly action: 'next'; readonly payload: FormattedExecutionResult }
  | { readonly action: 'complete'; readonly errors?: readonly GraphQLFormattedError[] };

/** One subscription that is called back: its messages in order, and its signs of life. */
export class CallbackStream {
  readonly #request: CallbackRequest;
  readonly #place: CallbackPlace;
  readonly #calls: CallbackCalls;
  readonly #clock: Clock;
  readonly #end = new AbortController();
  #heartbeat: Timer | null = null;
  #missed = 0;

  constructor(request: CallbackRequest, place: CallbackPlace, calls: CallbackCalls, clock: Clock) {
    this.#request = request;
    this.#place = place;
    this.#calls = calls;
    this.#clock = clock;
  }

  /** Whether the gateway knows the subscription, which it is asked once. */
  async confirmed(): Promise<boolean> {
    return (await this.#send({ action: 'check' })) === CONFIRMED;
  }

  /** From now on the gateway gets its signs of life. `ended` is called once, whoever ends it. */
  start(ended: () => void): void {
    this.#end.signal.addEventListener('abort', ended, { once: true });
    this.#schedule();
  }

  /**
   * Whether the gateway took it and wants more.
   * @param payload what may be told now: asked for again each time it is sent
   */
  async next(payload: () => Promise<FormattedExecutionResult>): Promise<boolean> {
    if (!(await this.#deliver(async () => ({ action: 'next', payload: await payload() })))) this.#stop();
    return !this.#end.signal.aborted;
  }

  /** The last message; none follows. Nothing is sent to a gateway that has ended it itself. */
  async complete(errors?: readonly GraphQLFormattedError[]): Promise<void> {
    if (this.#end.signal.aborted) return;
    this.#stop();
    await this.#deliver(() => ({ action: 'complete', ...(errors !== undefined && { errors }) }));
  }

  /** We are going away, and the client may ask another instance. */
  leave(): Promise<void> {
    const extensions = { code: 'AUTHORITY_UNAVAILABLE', retryAfterSeconds: 1 };
    return this.complete([{ message: 'This instance is going away. Subscribe again.', extensions }]);
  }

  #stop(): void {
    this.#heartbeat?.cancel();
    this.#end.abort();
  }

  async #deliver(message: () => Message | Promise<Message>): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const status = await this.#send(await message());
      if (status !== null && status < 300) return true;
      // A mistake stays one, and a redirect leads nowhere.
      if ((status !== null && status < 500) || attempt >= ATTEMPTS_MAX) return false;
      await new Promise<void>((resolve) => void this.#clock.after(AGAIN_MS * attempt, resolve));
    }
  }

  #send(message: Message): Promise<number | null> {
    const { subscriptionId: id, verifier } = this.#request;
    return this.#calls.post(this.#place, { kind: 'subscription', ...message, id, verifier });
  }

  #schedule(): void {
    const { heartbeatMs } = this.#request;
    if (heartbeatMs === null || this.#end.signal.aborted) return;
    this.#heartbeat = this.#clock.after(heartbeatMs * EARLY, () => void this.#beat());
  }

  async #beat(): Promise<void> {
    const status = await this.#send({ action: 'check' });
    this.#missed = status !== null && status < 300 ? 0 : this.#missed + 1;
    if (status === GONE || this.#missed >= MISSED_MAX) this.#stop();
    this.#schedule();
  }
}
