import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Certificate } from './certificate.ts';

export interface SmtpServer {
  readonly url: string;
  /** The mails it took, each with its envelope's addresses as a header in front. */
  readonly mails: readonly string[];
  /** Who has logged in: `user:password`. */
  readonly logins: readonly string[];
  /** What it was told in the clear, line by line. */
  readonly inTheClear: readonly string[];
  /** Takes connections and mails, and loses each before it says so. */
  deaf: boolean;
  close(): Promise<void>;
}

/** As much of an SMTP server as hands mails over. @param tls what it goes over to TLS with; without, it offers none */
export async function startSmtpServer({ tls }: { readonly tls?: Certificate } = {}): Promise<SmtpServer> {
  const mails: string[] = [];
  const logins: string[] = [];
  const inTheClear: string[] = [];
  const sockets = new Set<Socket>();
  const state = { deaf: false };
  const offers = `250-mail.example\r\n250-8BITMIME\r\n${tls === undefined ? '' : '250-STARTTLS\r\n'}250-AUTH PLAIN\r\n250 SMTPUTF8\r\n`;

  function converse(socket: Socket, secured: boolean): void {
    let [text, recipients, inData] = ['', [] as string[], false];
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      for (;;) {
        const end = text.indexOf(inData ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const line = text.slice(0, end);
        text = text.slice(end + (inData ? 5 : 2));
        if (!secured) inTheClear.push(line);
        if (inData) {
          inData = false;
          if (state.deaf) {
            socket.destroy();
            return;
          }
          mails.push(`X-Envelope-To: ${recipients.join(' ')}\r\n${line.replaceAll(/^\.\./gm, '.')}`);
          recipients = [];
          say('250 taken');
        } else if (/^DATA/i.test(line)) {
          inData = true;
          say('354 go on');
        } else if (/^STARTTLS/i.test(line) && tls !== undefined) {
          socket.off('data', take);
          say('220 go on');
          const secureContext = createSecureContext({ cert: tls.certificate, key: tls.key });
          converse(
            new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {}),
            true,
          );
          return;
        } else if (/^AUTH PLAIN /i.test(line)) {
          const [, user = '', password = ''] = Buffer.from(line.slice(11), 'base64').toString().split('\0');
          logins.push(`${user}:${password}`);
          say('235 come in');
        } else {
          const to = /^RCPT TO:<([^>]*)>/i.exec(line)?.[1];
          if (to !== undefined) recipients.push(to);
          if (/^EHLO/i.test(line)) socket.write(offers);
          else if (/^STARTTLS/i.test(line)) say('502 not here');
          else say(/^QUIT/i.test(line) ? '221 bye' : '250 ok');
        }
      }
    };
    socket.on('data', take);
    if (!secured) say('220 mail.example ESMTP');
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    converse(socket, false);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return Object.assign(state, {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    logins,
    inTheClear,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
