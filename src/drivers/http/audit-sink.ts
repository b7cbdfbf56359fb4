import type { AuditSink } from '../../domain/audit/shipment.ts';
import type { Secret } from '../../kit/secret.ts';
import { post } from './posting.ts';

/** POSTs JSON Lines, each time with the token that is good by then. */
export function openHttpSink({ url, token }: { readonly url: Secret; readonly token: Secret | null }): AuditSink {
  return {
    async send(lines) {
      const authorization = token === null ? null : `Bearer ${await token.renewed()}`;
      await post(url, {
        headers: { 'content-type': 'application/x-ndjson', ...(authorization !== null && { authorization }) },
        body: `${lines.join('\n')}\n`,
        what: 'the sink of the audit log',
      });
    },
  };
}
