import { RAISED, type SecurityEvent } from './security-event.ts';

/** What somebody outside is told of one event. */
export interface WebhookMessage {
  /** The same however often it is sent. */
  readonly id: string;
  /** JSON. */
  readonly body: string;
}

/**
 * Must reject where it is not certain that a message was taken, within its own deadline: with a {@link MessageRefused} where the
 * receiver has answered that it was not.
 */
export interface Webhook {
  send(message: WebhookMessage): Promise<void>;
}

/** The receiver answers, and does not take this. It may be the message, or take nothing at all. */
export class MessageRefused extends Error {
  override readonly name = 'MessageRefused';
}

export function messageOf({ __typename: _type, scopes: _scopes, ...event }: SecurityEvent): WebhookMessage {
  return { id: event.id, body: JSON.stringify({ type: RAISED, timestamp: event.at, data: event }) };
}
