import { randomBytes } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mail, Mailer } from '../../domain/users/mail.ts';
import type { Clock } from '../../kit/clock.ts';

/** Keeps mails as files: one `.eml` each, readable by their owner alone, in the order of sending. For development. */
export function openMailOutbox({ folder, from, clock }: { folder: string; from: string; clock: Clock }): Mailer {
  return {
    async send(mail) {
      const text = messageOf(mail, from, new Date(clock.now()));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const name = `${new Date(clock.now()).toISOString().replaceAll(':', '')}-${randomBytes(4).toString('hex')}`;
      // Whoever watches the folder sees whole mails only.
      const draft = join(folder, `.${name}`);
      const file = await open(draft, 'wx', 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, join(folder, `${name}.eml`));
    },
    close: () => Promise.resolve(),
  };
}

function messageOf({ to, subject, text }: Mail, from: string, at: Date): string {
  if (/[\r\n]/.test(to) || /[\r\n]/.test(subject)) throw new TypeError('a header of a mail has no line break');
  const lines = [
    `Date: ${at.toUTCString().replace('GMT', '+0000')}`,
    `From: ${from}`,
    `To: ${to}`,
    `Subject: ${/^[ -~]*$/.test(subject) ? subject : `=?utf-8?B?${Buffer.from(subject).toString('base64')}?=`}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    text,
  ];
  return lines.join('\n').replaceAll(/\r?\n/g, '\r\n');
}
