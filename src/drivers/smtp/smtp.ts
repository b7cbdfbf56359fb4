import { createTransport } from 'nodemailer';
import type { Mailer } from '../../domain/users/mail.ts';
import type { Clock } from '../../kit/clock.ts';
import { withDeadline } from '../../kit/deadline.ts';
import type { Secret } from '../../kit/secret.ts';

const CONNECTIONS_MAX = 2;
const CONNECT_MS = 5_000;
const SEND_MS = 20_000;

/**
 * Hands mails to an SMTP server. `smtps://` speaks TLS from the start; `smtp://` goes over to it where the server offers that,
 * and must with `tlsOnly`, or where the URL has a user, whose password would be in the clear. Whose certificate is not trusted for that
 * host gets nothing. Who logs in does so as the URL has it by then: connections of before end once what they carry is taken.
 */
export function openSmtp({
  url,
  from,
  tlsOnly = false,
  clock,
}: {
  readonly url: Secret;
  readonly from: string;
  readonly tlsOnly?: boolean;
  readonly clock: Clock;
}): Mailer {
  let used = { text: url.reveal(), transport: transportTo(url.reveal(), tlsOnly) };
  async function current(): Promise<typeof used.transport> {
    const text = await url.renewed();
    if (text !== used.text) {
      used.transport.close();
      used = { text, transport: transportTo(text, tlsOnly) };
    }
    return used.transport;
  }
  return {
    async send({ to, subject, text }) {
      if (/[\r\n]/.test(to) || /[\r\n]/.test(subject)) throw new TypeError('a header of a mail has no line break');
      const transport = await current();
      // As an object: a text may be taken for a list of addresses.
      const sent = transport.sendMail({ from, to: { name: '', address: to }, subject, text });
      await withDeadline(clock, sent, SEND_MS, 'The mail server');
    },
    close() {
      used.transport.close();
      return Promise.resolve();
    },
  };
}

function transportTo(url: string, tlsOnly: boolean) {
  const { hostname, port, protocol, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  return createTransport({
    pool: true,
    maxConnections: CONNECTIONS_MAX,
    host: hostname.replaceAll(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    requireTLS: tlsOnly || username !== '',
    ...(username !== '' && { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: CONNECT_MS,
    socketTimeout: SEND_MS,
    // A mail is text, and nothing in it names a file or a page to be sent along.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}
