import type { AuditSink } from '../../domain/audit/shipment.ts';
import type { Secret } from '../../kit/secret.ts';
import { post } from './posting.ts';

/** POSTs JSON Lines. */
export function openHttpSink({ url, token }: { readonly url: Secret; readonly token: Secret | null }): AuditSink {
  return {
    send: (lines) =>
      post(url, {
        headers: {
          'content-type': 'application/x-ndjson',
          ...(token !== null && { authorization: `Bearer ${token.reveal()}` }),
        },
        body: `${lines.join('\n')}\n`,
        what: 'the sink of the audit log',
      }),
  };
}
