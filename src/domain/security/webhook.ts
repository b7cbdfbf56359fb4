import type { Log } from '../../kit/log.ts';
import type { Shipment } from '../shipping.ts';
import type { Store } from '../store.ts';
import { RAISED, type SecurityEvent } from './security-event.ts';

/** What somebody outside is told of one event. */
export interface WebhookMessage {
  /** The same however often it is sent. */
  readonly id: string;
  /** JSON. */
  readonly body: string;
}

/** Must reject where it is not certain that a message was taken; within its own deadline. */
export interface Webhook {
  send(message: WebhookMessage): Promise<void>;
}

/** Numbers of the outbox that are looked through at a time: of most of what happens nobody is told. */
const SPAN = 10_000;

/** Security events in the order in which they were raised, as the outbox has them. */
export class WebhookShipment implements Shipment {
  readonly receiver = 'security_webhook';
  readonly what = 'a security event';
  readonly #store: Pick<Store, 'outbox' | 'securityEvents'>;
  readonly #webhook: Webhook;
  readonly #logger: Log;
  /** Up to there is nothing after what was taken. */
  #looked = 0;

  constructor(parts: { store: Pick<Store, 'outbox' | 'securityEvents'>; webhook: Webhook; logger: Log }) {
    this.#store = parts.store;
    this.#webhook = parts.webhook;
    this.#logger = parts.logger;
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
    for (let from = after; ;) {
      const { events, head, trimmed } = await this.#store.outbox.ofKinds([RAISED], from, SPAN);
      if (from > 0 && from < trimmed) {
        this.#logger.warn({ from, trimmed }, 'security events may have been cleaned away before the webhook took them');
      }
      const found = await this.#store.securityEvents.findMany(events.map(({ subjectId }) => subjectId));
      const records = new Map(found.map((record) => [record.id, record]));
      for (const { seq, subjectId } of events) {
        const record = records.get(subjectId);
        // Of one that is gone with its time there is nothing to tell.
        if (record !== undefined) await this.#webhook.send(messageOf(record));
        yield seq;
      }
      const reached = Math.min(head, from + SPAN);
      if (reached <= from) return;
      yield reached;
      from = reached;
    }
  }
}

function messageOf({ __typename: _type, scopes: _scopes, ...event }: SecurityEvent): WebhookMessage {
  return { id: event.id, body: JSON.stringify({ type: RAISED, timestamp: event.at, data: event }) };
}
