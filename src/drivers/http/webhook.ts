import { createHmac } from 'node:crypto';
import { MessageRefused, type Webhook } from '../../domain/security/webhook-message.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Secret } from '../../kit/secret.ts';
import { AnsweredOtherwise, post } from './posting.ts';

/** Says nothing of what was sent, only that it was too much. */
const TOO_MANY_REQUESTS = 429;

/** POSTs messages that are signed as Standard Webhooks 1.0 says: with each of the secrets, so that one can be replaced. */
export function openWebhook({
  url,
  secrets,
  clock,
  deadlineMs,
}: {
  readonly url: Secret;
  /** Each `whsec_` and the key in base64. */
  readonly secrets: readonly Secret[];
  readonly clock: Clock;
  readonly deadlineMs?: number;
}): Webhook {
  const keys = secrets.map((secret) => Buffer.from(secret.reveal().replace('whsec_', ''), 'base64'));
  return {
    send({ id, body }) {
      // Of this attempt: a receiver refuses what was sent long ago.
      const timestamp = String(Math.floor(clock.now() / 1_000));
      const signatures = keys.map((key) => {
        const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
        return `v1,${signature}`;
      });
      return post(url, {
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': timestamp,
          'webhook-signature': signatures.join(' '),
        },
        body,
        what: 'the webhook of security events',
        deadlineMs,
      }).catch((error: unknown) => {
        const isRefusal = error instanceof AnsweredOtherwise && error.status !== TOO_MANY_REQUESTS;
        throw isRefusal ? new MessageRefused(error.message) : error;
      });
    },
  };
}
