import type { AuditSink } from '../../domain/audit/shipper.ts';
import type { Secret } from '../../kit/secret.ts';

const DEADLINE_MS = 15_000;

/** POSTs JSON Lines. Any answer but one of success is a failure, a redirection included: nobody else gets the token. */
export function openHttpSink({ url, token }: { readonly url: Secret; readonly token: Secret | null }): AuditSink {
  return {
    async send(lines) {
      const response = await fetch(url.reveal(), {
        method: 'POST',
        headers: {
          'content-type': 'application/x-ndjson',
          ...(token !== null && { authorization: `Bearer ${token.reveal()}` }),
        },
        body: `${lines.join('\n')}\n`,
        redirect: 'error',
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`the sink of the audit log answered with ${response.status}`);
    },
  };
}
