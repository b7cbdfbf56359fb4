import { createHmac } from 'node:crypto';
import { MessageRefused, type Webhook } from '../../domain/security/webhook-message.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Secret } from '../../kit/secret.ts';
import { AnsweredOtherwise, post } from './posting.ts';

/** Says nothing of what was sent, only that it was too much. */
const TOO_MANY_REQUESTS = 429;

/**
 * POSTs messages that are signed as Standard Webhooks 1.0 says: with each of the secrets that there are by then, so that one can be
 * replaced.
 */
export function openWebhook({
  url,
  secret,
  clock,
  deadlineMs,
}: {
  readonly url: Secret;
  /** One, or two with a comma between them: each `whsec_` and the key in base64. */
  readonly secret: Secret;
  readonly clock: Clock;
  readonly deadlineMs?: number;
}): Webhook {
  return {
    async send({ id, body }) {
      const keys = keysOf(await secret.renewed());
      // Of this attempt: a receiver refuses what was sent long ago.
      const timestamp = String(Math.floor(clock.now() / 1_000));
      const signatures = keys.map((key) => {
        const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
        return `v1,${signature}`;
      });
      await post(url, {
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

function keysOf(secrets: string): readonly Buffer[] {
  return secrets.split(',').map((text) => Buffer.from(text.trim().replace('whsec_', ''), 'base64'));
}
