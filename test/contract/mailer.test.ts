import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect, test } from '@jest/globals';
import { readConfig } from '../../src/config.ts';
import { openMailOutbox } from '../../src/drivers/files/mail-outbox.ts';
import { openSmtp } from '../../src/drivers/smtp/smtp.ts';
import { systemClock } from '../../src/kit/clock.ts';
import { Secret } from '../../src/kit/secret.ts';
import { createCertificate } from '../support/certificate.ts';
import { startSmtpServer, type SmtpServer } from '../support/smtp-server.ts';
import { describeMailerContract } from './mailer.contract.ts';

const from = 'Castellan <castellan@example.com>';
const clock = systemClock;
const PRODUCTION = {
  DATABASE_URL: 'postgres://localhost/castellan',
  REDIS_URL: 'redis://localhost',
  KEY_ENCRYPTION_KEY: 'a secret for tests that is long enough',
  ISSUER: 'https://castellan.example.com',
  AUDIENCE: 'example',
  METRICS_TOKEN: 'a token for whoever collects',
  TRUSTED_PROXIES: '10.0.0.1',
};

describeMailerContract({
  name: 'SMTP',
  async open() {
    const server = await startSmtpServer();
    const mailer = openSmtp({ url: new Secret(server.url), from, clock });
    return {
      mailer,
      arrived: async () => [...server.mails],
      async cut() {
        server.deaf = true;
        return { heal: async () => void (server.deaf = false) };
      },
      async release() {
        await mailer.close();
        await server.close();
      },
    };
  },
});

describeMailerContract({
  name: 'file',
  async open() {
    const top = await mkdtemp(join(tmpdir(), 'castellan-mail-'));
    const folder = join(top, 'mail');
    const mailer = openMailOutbox({ folder, from, clock });
    return {
      mailer,
      async arrived() {
        const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.eml')).toSorted();
        return Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
      },
      async cut() {
        const away = join(top, 'away');
        await rename(folder, away);
        await writeFile(folder, 'in its place');
        return {
          async heal() {
            await rm(folder);
            await rename(away, folder);
          },
        };
      },
      async release() {
        await mailer.close();
        await chmod(top, 0o700);
        await rm(top, { recursive: true });
      },
    };
  },
});

test('files of mails are their owner’s alone to read', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'castellan-mail-')), 'mail');
  await openMailOutbox({ folder, from, clock }).send({ to: 'a@example.com', subject: 'Hello', text: 'Hello' });
  const [name = ''] = await readdir(folder);
  const modes = await Promise.all([folder, join(folder, name)].map(async (path) => (await stat(path)).mode & 0o777));
  expect(modes).toEqual([0o700, 0o600]);
  await rm(join(folder, '..'), { recursive: true });
});

test('an address with a comma in it is one address', async () => {
  const server = await startSmtpServer();
  const mailer = openSmtp({ url: new Secret(server.url), from, clock });
  await mailer.send({ to: 'a,b@example.com', subject: 'Hello', text: 'Hello' });
  expect(server.mails[0]?.split('\r\n')[0]).toBe('X-Envelope-To: "a,b"@example.com');
  await mailer.close();
  await server.close();
});

test('a user in SMTP_URL, whose password would be in the clear, is not sent without TLS', async () => {
  const server = await startSmtpServer();
  const url = new Secret(server.url.replace('//', '//user:secret@'));
  const mailer = openSmtp({ url, from, clock });
  await expect(mailer.send({ to: 'a@example.com', subject: 'Hello', text: 'Hello' })).rejects.toThrow();
  expect(server.mails).toEqual([]);
  await mailer.close();
  await server.close();
});

test('in production no mail is handed over in the clear, nor to a server whose certificate is not trusted', async () => {
  const tls = createCertificate();
  const known = getCACertificates('default');
  const mail = { to: 'a@example.com', subject: 'Hello', text: 'Hello' };
  const [without, withTls] = [await startSmtpServer(), await startSmtpServer({ tls })];
  const handOver = async ({ url }: SmtpServer, tlsOnly: boolean): Promise<void> => {
    const mailer = openSmtp({ url: new Secret(url), from, tlsOnly, clock });
    try {
      await mailer.send(mail);
    } finally {
      await mailer.close();
    }
  };
  try {
    await expect(handOver(without, true)).rejects.toThrow('STARTTLS');
    await expect(handOver(withTls, true)).rejects.toThrow('self-signed certificate');
    setDefaultCACertificates([...known, tls.certificate]);
    await handOver(withTls, true);
  } finally {
    setDefaultCACertificates(known);
    await Promise.all([without.close(), withTls.close()]);
  }
  expect([without.mails.length, withTls.mails.length]).toEqual([0, 1]);
  for (const { inTheClear } of [without, withTls]) {
    expect(inTheClear.filter((line) => !/^(EHLO|STARTTLS|QUIT)/.test(line))).toEqual([]);
  }
});

test('who logs in does so with the user and the password that the file has then, and nowhere else', async () => {
  const tls = createCertificate();
  const known = getCACertificates('default');
  const folder = await mkdtemp(join(tmpdir(), 'castellan-mail-'));
  const [server, other] = [await startSmtpServer({ tls }), await startSmtpServer({ tls })];
  const path = join(folder, 'smtp');
  const as = (login: string, { url }: SmtpServer = server) =>
    writeFile(path, `${url.replace('//', `//${login}@`)}\n`, { mode: 0o600 });
  setDefaultCACertificates([...known, tls.certificate]);
  await as('first:one');
  const { smtpUrl } = readConfig({ SMTP_URL_FILE: path });
  const mailer = openSmtp({ url: smtpUrl ?? new Secret(''), from, clock });
  const send = () => mailer.send({ to: 'a@example.com', subject: 'Hello', text: 'Hello' });
  try {
    await send();
    await as('second:two');
    await send();
    await as('second:two', other);
    await send();
    await writeFile(path, 'half of a');
    await send();
  } finally {
    setDefaultCACertificates(known);
    await mailer.close();
    await Promise.all([server.close(), other.close()]);
    await rm(folder, { recursive: true });
  }
  expect(server.logins).toEqual(['first:one', 'second:two']);
  expect([server.mails.length, other.mails.length]).toEqual([4, 0]);
});

test.each([
  ['smtp://mail.example.com', 'production', true],
  ['smtps://mail.example.com', 'production', true],
  ['smtp://127.0.0.1:25', 'production', false],
  ['smtp://mail.example.com', undefined, false],
])('SMTP_URL=%s with NODE_ENV=%s demands TLS: %s', (SMTP_URL, NODE_ENV, demanded) => {
  expect(readConfig({ ...PRODUCTION, SMTP_URL, NODE_ENV }).smtpTlsOnly).toBe(demanded);
});
