import type { Secret } from '../../kit/secret.ts';

const DEADLINE_MS = 15_000;

/** What came in place of success. */
export class AnsweredOtherwise extends Error {
  override readonly name = 'AnsweredOtherwise';
  readonly status: number;

  constructor(what: string, status: number) {
    super(`${what} answered with ${status}`);
    this.status = status;
  }
}

/** POSTs this. Any answer but one of success is a failure, a redirection included: nobody else gets what it carries. */
export async function post(
  url: Secret,
  request: {
    readonly headers: Record<string, string>;
    readonly body: string;
    /** Who answers, for whoever reads what went wrong. */
    readonly what: string;
    readonly deadlineMs?: number | undefined;
  },
): Promise<void> {
  const { headers, body, what, deadlineMs = DEADLINE_MS } = request;
  const response = await fetch(await url.renewed(), {
    method: 'POST',
    headers,
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(deadlineMs),
  });
  await response.body?.cancel();
  if (!response.ok) throw new AnsweredOtherwise(what, response.status);
}
