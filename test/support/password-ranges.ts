import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** As a range has it, behind the first five digits. */
export function digitsOf(password: string): { readonly prefix: string; readonly suffix: string } {
  const digits = createHash('sha1').update(password).digest('hex').toUpperCase();
  return { prefix: digits.slice(0, 5), suffix: digits.slice(5) };
}

export interface PasswordRangesServer {
  readonly url: string;
  /** What was asked: never more than this is told. */
  readonly asked: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** In place of what the protocol says. */
  answer: ((response: ServerResponse) => void) | null;
  close(): Promise<void>;
}

/** Speaks the protocol of Pwned Passwords, and knows these; rows of padding are among every answer. */
export async function startPasswordRanges(...breached: readonly string[]): Promise<PasswordRangesServer> {
  const known = breached.map(digitsOf);
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    ranges.asked.push({ path, headers: request.headers });
    if (ranges.answer !== null) return ranges.answer(response);
    const rows = known.filter(({ prefix }) => path === `/range/${prefix}`).map(({ suffix }, n) => `${suffix}:${n + 1}`);
    const padding = Array.from({ length: 800 }, (_, n) => `${n.toString(16).toUpperCase().padStart(35, '0')}:0`);
    response.writeHead(200, { 'content-type': 'text/plain' }).end([...padding, ...rows].join('\r\n'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const ranges: PasswordRangesServer = {
    url: `http://127.0.0.1:${port}/range/`,
    asked: [],
    answer: null,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return ranges;
}
