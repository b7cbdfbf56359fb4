import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface SmtpServer {
  readonly url: string;
  /** The mails it took, each with its envelope's addresses as a header in front. */
  readonly mails: readonly string[];
  /** Takes connections and mails, and loses each before it says so. */
  deaf: boolean;
  close(): Promise<void>;
}

/** As much of an SMTP server as hands mails over. */
export async function startSmtpServer(): Promise<SmtpServer> {
  const mails: string[] = [];
  const sockets = new Set<Socket>();
  const state = { deaf: false };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let [text, recipients, inData] = ['', [] as string[], false];
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    say('220 mail.example ESMTP');
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      for (;;) {
        const end = text.indexOf(inData ? '\r\n.\r\n' : '\r\n');
        if (end < 0) return;
        const line = text.slice(0, end);
        text = text.slice(end + (inData ? 5 : 2));
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
        } else {
          const to = /^RCPT TO:<([^>]*)>/i.exec(line)?.[1];
          if (to !== undefined) recipients.push(to);
          if (/^EHLO/i.test(line)) socket.write('250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n');
          else say(/^QUIT/i.test(line) ? '221 bye' : '250 ok');
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on TCP
  return Object.assign(state, {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
