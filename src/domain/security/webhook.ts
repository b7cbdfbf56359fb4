import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import type { Shipment } from '../shipping.ts';
import type { Store } from '../store.ts';
import { RAISED, type SecurityEvent } from './security-event.ts';
import { isEnough, refuse } from './set-aside.ts';
import { messageOf, MessageRefused, type Webhook } from './webhook-message.ts';

/** Numbers of the outbox that are looked through at a time: of most of what happens nobody is told. */
const SPAN = 10_000;
/** So many of those that wait are tried to find out whether a receiver takes anything. */
const OTHERS_MAX = 10;

type Stored = Pick<Store, 'outbox' | 'securityEvents' | 'transaction'>;

/** What a receiver has shown of itself since it was this instance's turn. */
interface Turn {
  takes: boolean;
}

/**
 * Security events in the order in which they were raised, as the outbox has them. One that is refused again and again while others
 * are taken is set aside, so that those go on; a receiver that takes nothing is waited for.
 */
export class WebhookShipment implements Shipment {
  readonly receiver = 'security_webhook';
  readonly what = 'a security event';
  readonly #store: Stored;
  readonly #webhook: Webhook;
  readonly #clock: Clock;
  readonly #logger: Log;
  /** Up to there is nothing after what was taken. */
  #looked = 0;
  /** Taken before it was their turn. */
  readonly #ahead = new Set<string>();
  #aside = 0;

  constructor(parts: { store: Stored; webhook: Webhook; clock: Clock; logger: Log }) {
    this.#store = parts.store;
    this.#webhook = parts.webhook;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** How many this instance has set aside. */
  get setAside(): number {
    return this.#aside;
  }

  async waits(after: number): Promise<boolean> {
    for (let from = Math.max(after, this.#looked); ;) {
      const { events, head } = await this.#store.outbox.ofKinds([RAISED], from, SPAN);
      this.#looked = Math.min(head, from + SPAN);
      // A database that was put back counts from where it was.
      if (events.length > 0 || head < from) {
        this.#looked = Math.min(head, from);
        return true;
      }
      if (this.#looked === head) return false;
      from = this.#looked;
    }
  }

  async *send(after: number): AsyncGenerator<number> {
    const turn: Turn = { takes: false };
    for (let from = after; ;) {
      const { events, head, trimmed } = await this.#store.outbox.ofKinds([RAISED], from, SPAN);
      // Whoever can write that down could keep the webhook from ever being told anything.
      if (from > head) throw new Error(`the webhook is said to have all events up to ${from}, and the last is ${head}`);
      if (from > 0 && from < trimmed) {
        this.#logger.warn({ from, trimmed }, 'security events may have been cleaned away before the webhook took them');
      }
      const found = await this.#store.securityEvents.findMany(events.map(({ subjectId }) => subjectId));
      const records = new Map(found.map((record) => [record.id, record]));
      // Of one that is gone with its time there is nothing to tell.
      const due = events.map(({ seq, subjectId }) => ({ seq, record: records.get(subjectId) }));
      for (const [n, { seq, record }] of due.entries()) {
        const later = due.slice(n + 1).flatMap((each) => each.record ?? []);
        if (record !== undefined) yield* this.#deliver(record, { later, before: seq - 1, turn });
        yield seq;
      }
      const reached = Math.min(head, from + SPAN);
      if (reached <= from) return;
      yield reached;
      from = reached;
    }
  }

  /** Until it is taken or set aside; rejects where neither is so. What it yields, before each further try, keeps the turn. */
  async *#deliver(
    event: SecurityEvent,
    { later, before, turn }: { readonly later: readonly SecurityEvent[]; readonly before: number; readonly turn: Turn },
  ): AsyncGenerator<number> {
    if (this.#ahead.delete(event.id)) return;
    const refused = await this.#try(event, turn);
    if (refused === null) return;
    if (!refused.enough) throw refused.error;
    for (const other of turn.takes ? [] : this.#others(later)) {
      yield before;
      if ((await this.#try(other, turn)) !== null) continue;
      this.#ahead.add(other.id);
      break;
    }
    if (!turn.takes) throw refused.error;
    yield before;
    // It may have been the receiver, which takes everything by now.
    const again = await this.#try(event, turn);
    if (again !== null) await this.#putAside(event, again.error);
  }

  /** The next ones, and the last: those that came together may all be of a kind that nobody takes. */
  #others(later: readonly SecurityEvent[]): readonly SecurityEvent[] {
    const untried = later.filter(({ id }) => !this.#ahead.has(id));
    return [...new Set([...untried.slice(0, OTHERS_MAX - 1), ...untried.slice(-1)])];
  }

  /** Null where it was taken. */
  async #try(
    event: SecurityEvent,
    turn: Turn,
  ): Promise<{ readonly error: MessageRefused; readonly enough: boolean } | null> {
    try {
      await this.#webhook.send(messageOf(event));
      turn.takes = true;
      return null;
    } catch (error) {
      if (!(error instanceof MessageRefused)) throw error;
      const refusals = await refuse(this.#store, event, this.#clock);
      return { error, enough: refusals !== null && isEnough(refusals, this.#clock) };
    }
  }

  async #putAside(event: SecurityEvent, error: MessageRefused): Promise<void> {
    await this.#store.transaction(({ securityEvents }) => securityEvents.setAside(event.id));
    this.#aside += 1;
    const { id, kind } = event;
    this.#logger.error(
      { err: error, event: id, kind },
      'a security event was set aside: the webhook refuses it, and takes others',
    );
  }
}
