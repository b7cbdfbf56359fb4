import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Mailer } from '../../src/domain/users/mail.ts';

export interface OpenMailer {
  readonly mailer: Mailer;
  /** The mails that were handed over so far, each as it arrived, in order. */
  readonly arrived: () => Promise<readonly string[]>;
  /** Makes it impossible to know whether a mail arrives, until the answer ends. */
  readonly cut: () => Promise<{ readonly heal: () => Promise<void> }>;
  readonly release: () => Promise<void>;
}

export interface MailerDriver {
  readonly name: string;
  readonly open: () => Promise<OpenMailer>;
}

const MAIL = { to: 'zoë@example.com', subject: 'Confirm it – now', text: 'One line.\n.\n\nA second: grüße 🗝\n' };

/** What arrived, taken apart as far as the tests need it. */
function parts(message: string): { readonly header: (name: string) => string; readonly text: string } {
  const at = message.indexOf('\r\n\r\n');
  const head = message.slice(0, at).replaceAll(/\r\n\s+/g, ' ');
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
  const body = message.slice(at + 4);
  const encoding = header('content-transfer-encoding').toLowerCase();
  const bytes =
    encoding === 'base64'
      ? Buffer.from(body, 'base64')
      : encoding === 'quoted-printable'
        ? Buffer.from(
            body
              .replaceAll(/=\r\n/g, '')
              .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))),
            'latin1',
          )
        : Buffer.from(body);
  return { header, text: bytes.toString('utf8').replaceAll('\r\n', '\n') };
}

const words = (encoded: string): string =>
  encoded.replaceAll(/=\?utf-8\?(b|q)\?(.*?)\?=\s*/gi, (_, kind: string, text: string) =>
    kind.toLowerCase() === 'b'
      ? Buffer.from(text, 'base64').toString('utf8')
      : Buffer.from(
          text
            .replaceAll('_', ' ')
            .replaceAll(/=([0-9A-F]{2})/gi, (__, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16))),
          'latin1',
        ).toString('utf8'),
  );

export function describeMailerContract({ name, open }: MailerDriver): void {
  describe(`the ${name} mailer`, () => {
    let opened: OpenMailer;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.release());

    test('hands a mail over: to one address, from whom it is configured, with subject and text as they are', async () => {
      const before = (await opened.arrived()).length;
      await opened.mailer.send(MAIL);
      const [message = '', ...more] = (await opened.arrived()).slice(before);
      expect(more).toEqual([]);
      const { header, text } = parts(message);
      expect(header('to')).toMatch(/^<?zoë@example\.com>?$/);
      expect(header('from')).toBe('Castellan <castellan@example.com>');
      expect(words(header('subject'))).toBe(MAIL.subject);
      expect(text.trimEnd()).toBe(MAIL.text.trimEnd());
      expect(Date.parse(header('date'))).not.toBeNaN();
    });

    test('sends many at once, each once', async () => {
      const before = (await opened.arrived()).length;
      const subjects = Array.from({ length: 20 }, (_, n) => `Number ${n}`);
      await Promise.all(subjects.map((subject) => opened.mailer.send({ ...MAIL, subject })));
      const arrived = (await opened.arrived()).slice(before).map((message) => parts(message).header('subject'));
      expect(arrived.toSorted()).toEqual(subjects.toSorted());
    });

    test.each([
      ['an address', { to: 'a@example.com\r\nBcc: all@example.com' }],
      ['a subject', { subject: 'Hello\nBcc: all@example.com' }],
    ])('rejects %s with a line break, and sends nothing', async (_, wrong) => {
      const before = await opened.arrived();
      await expect(opened.mailer.send({ ...MAIL, ...wrong })).rejects.toThrow();
      expect(await opened.arrived()).toEqual(before);
    });

    test('rejects when it is not known whether the mail arrives, and sends the next once it can', async () => {
      const { heal } = await opened.cut();
      await expect(opened.mailer.send(MAIL)).rejects.toThrow();
      await heal();
      const before = (await opened.arrived()).length;
      await opened.mailer.send(MAIL);
      expect((await opened.arrived()).length).toBe(before + 1);
    });
  });
}
