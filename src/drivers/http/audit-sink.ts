import { type AuditSink, TooMuchAtOnce } from '../../domain/audit/shipment.ts';
import type { Secret } from '../../kit/secret.ts';
import { AnsweredOtherwise, post } from './posting.ts';

const CONTENT_TOO_LARGE = 413;

/** POSTs JSON Lines, each time with the token that is good by then. */
export function openHttpSink({ url, token }: { readonly url: Secret; readonly token: Secret | null }): AuditSink {
  return {
    async send(lines) {
      const authorization = token === null ? null : `Bearer ${await token.renewed()}`;
      await post(url, {
        headers: { 'content-type': 'application/x-ndjson', ...(authorization !== null && { authorization }) },
        body: `${lines.join('\n')}\n`,
        what: 'the sink of the audit log',
      }).catch((error: unknown) => {
        const isTooMuch = error instanceof AnsweredOtherwise && error.status === CONTENT_TOO_LARGE;
        throw isTooMuch ? new TooMuchAtOnce(`${error.message} to ${lines.length} entries`) : error;
      });
    },
  };
}
