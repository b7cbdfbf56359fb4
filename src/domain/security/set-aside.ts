import type { Clock, Instant } from '../../kit/clock.ts';
import { toInstant } from '../../kit/clock.ts';
import type { Store } from '../store.ts';
import type { SecurityEvent } from './security-event.ts';
import { messageOf, MessageRefused, type Webhook } from './webhook-message.ts';

/** How often the webhook refused an event, and since when. */
export interface Refusals {
  readonly times: number;
  readonly since: Instant;
}

export interface SetAsideReader {
  /** Those that were set aside, the oldest first, at most `limit`. */
  setAside(limit: number): Promise<readonly SecurityEvent[]>;
}

/** All of it is kept with the event, and goes with it. */
export interface SetAsideWriter {
  /** Counts that the webhook refused it once more: how it stands; null where there is no such event any more. */
  refuse(id: string, at: Instant): Promise<Refusals | null>;
  /** It is not sent any more, until somebody says so. */
  setAside(id: string): Promise<void>;
  /** It was taken, or need not be: nothing more is kept of what was refused. */
  settle(id: string): Promise<void>;
}

const REFUSALS_MIN = 5;
const REFUSED_MS = 300_000;

/** Whether it was refused often enough, and for long enough, to be kept from those that come after it. */
export function isEnough({ times, since }: Refusals, clock: Clock): boolean {
  return times >= REFUSALS_MIN && clock.now() - Date.parse(since) >= REFUSED_MS;
}

/** Counts a refusal. */
export async function refuse(
  store: Pick<Store, 'transaction'>,
  { id }: SecurityEvent,
  clock: Clock,
): Promise<Refusals | null> {
  const at = toInstant(clock.now());
  const { value } = await store.transaction(({ securityEvents }) => securityEvents.refuse(id, at));
  return value;
}

/** What came of one that was sent again. */
export interface Resent {
  readonly event: SecurityEvent;
  readonly outcome: 'taken' | 'refused' | 'unanswered';
  /** What went wrong; null where it was taken. */
  readonly error: Error | null;
}

const RESENT_MAX = 1_000;

/**
 * Sends what was set aside once more, the oldest first. What is refused again stays aside, unless it is to be forgotten. Ends with
 * the first that is not answered.
 */
export async function* resend(parts: {
  readonly store: Pick<Store, 'transaction' | 'securityEvents'>;
  readonly webhook: Webhook;
  readonly clock: Clock;
  readonly forget: boolean;
}): AsyncGenerator<Resent> {
  const { store, webhook, clock, forget } = parts;
  for (const event of await store.securityEvents.setAside(RESENT_MAX)) {
    const error = await webhook.send(messageOf(event)).then(
      () => null,
      (reason: unknown) => reason as Error, // what drivers reject with
    );
    const outcome = error === null ? 'taken' : error instanceof MessageRefused ? 'refused' : 'unanswered';
    if (outcome === 'refused' && !forget) await refuse(store, event, clock);
    if (outcome === 'taken' || (outcome === 'refused' && forget)) {
      await store.transaction(({ securityEvents }) => securityEvents.settle(event.id));
    }
    yield { event, outcome, error };
    if (outcome === 'unanswered') return;
  }
}
