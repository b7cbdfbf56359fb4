/**
 * A receiver of Castellan's security events, as anybody may write it: it believes what is signed, once, and prints it.
 *
 *   SECRET=whsec_… PORT=4010 node examples/webhook/receive.ts
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';

const KEY = Buffer.from((process.env['SECRET'] ?? '').replace('whsec_', ''), 'base64');
const BODY_BYTES_MAX = 65_536;
/** What was sent longer ago was kept by somebody, to be sent again. */
const OLD_SECONDS = 300;
/** A database, where it matters: what is sent again must be known after a restart as well. */
const known = new Set<string>();

const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  let length = 0;
  request.on('data', (part: Buffer) => {
    length += part.length;
    if (length > BODY_BYTES_MAX) request.destroy();
    parts.push(part);
  });
  request.on('end', () => {
    // The bytes as they came: JSON that was read and written again is another text.
    const body = Buffer.concat(parts).toString();
    if (!isSigned(request.headers, body)) {
      response.writeHead(401).end();
      return;
    }
    const id = String(request.headers['webhook-id']);
    if (!known.has(id)) process.stdout.write(`${body}\n`);
    known.add(id);
    response.writeHead(204).end();
  });
});
server.listen(Number(process.env['PORT'] ?? 4010), '127.0.0.1', () => process.stdout.write('listening\n'));

function isSigned(headers: IncomingHttpHeaders, body: string): boolean {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) =>
    String(headers[`webhook-${name}`]),
  );
  const ageSeconds = Math.abs(Date.now() / 1_000 - Number(timestamp));
  if (!(ageSeconds <= OLD_SECONDS)) return false;
  const expected = Buffer.from(`v1,${createHmac('sha256', KEY).update(`${id}.${timestamp}.${body}`).digest('base64')}`);
  // One for each secret, while one replaces another.
  return (signatures ?? '').split(' ').some((text) => {
    const shown = Buffer.from(text);
    return shown.length === expected.length && timingSafeEqual(shown, expected);
  });
}
