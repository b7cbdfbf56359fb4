import type { Transaction } from '../store.ts';
import type { Errands } from './errands.ts';
import type { Mail } from './mail.ts';
import type { User } from './user.ts';

export interface MailSettings {
  /** Whether mails go out at all. */
  readonly mailOn: boolean;
  /** The page of a front end that takes tokens from mails; null where there is none. */
  readonly accountUrl: string | null;
}

/** Where a device is, as far as its owner may recognise it. */
interface Place {
  readonly userAgent: string | null;
  readonly address: string | null;
}

const NOT_YOU = 'If this was not you, reset your password now and end all your sessions.';

/** Programs must not stop when somebody forgets a password; but whoever made a key with a stolen one goes on by it. */
const KEYS_STAY =
  'Your API keys are as good as before. End those that you do not know with revokeApiKey; apiKeys lists them.';

/** Mails about an account, each written in the transaction it tells of. Nothing in them was chosen by somebody else. */
export class Notices {
  readonly #errands: Errands;
  readonly #settings: MailSettings;

  constructor(parts: { errands: Errands; settings: MailSettings }) {
    this.#errands = parts.errands;
    this.#settings = parts.settings;
  }

  get mailOn(): boolean {
    return this.#settings.mailOn;
  }

  verification(tx: Transaction, user: User, token: string): Promise<void> {
    const text = [
      'Somebody signed up with this address. If it was you, confirm it within 24 hours:',
      this.#link('verify', token),
      'If it was not you, ignore this mail.',
    ];
    return this.#send(tx, user, 'Confirm your address', text);
  }

  addressKnown(tx: Transaction, user: User): Promise<void> {
    const text = [
      'Somebody signed up with this address, which has an account already. If it was you, sign in, or reset your password.',
      'If it was not you, ignore this mail: nothing has changed.',
    ];
    return this.#send(tx, user, 'You have an account already', text);
  }

  passwordReset(tx: Transaction, user: User, token: string): Promise<void> {
    const text = [
      'Somebody asked to reset your password. If it was you, choose a new one within an hour:',
      this.#link('reset', token),
      'If it was not you, ignore this mail: nothing has changed.',
    ];
    return this.#send(tx, user, 'Reset your password', text);
  }

  passwordChanged(tx: Transaction, user: User): Promise<void> {
    const text = ['Your password was changed, and your other sessions have ended.', KEYS_STAY, NOT_YOU];
    return this.#send(tx, user, 'Your password was changed', text);
  }

  /** To the address that was theirs. */
  addressChanged(tx: Transaction, before: User): Promise<void> {
    const text = [
      'Another address is used for your account from now on.',
      'If you did not expect that, ask whoever runs it.',
    ];
    return this.#send(tx, before, 'Your address was changed', text);
  }

  secondFactorAdded(tx: Transaction, user: User): Promise<void> {
    const text = ['An authenticator app was added to your account: signing in takes a code from now on.', NOT_YOU];
    return this.#send(tx, user, 'An authenticator app was added', text);
  }

  secondFactorRemoved(tx: Transaction, user: User): Promise<void> {
    const text = ['The authenticator app was removed from your account: signing in takes the password alone.', NOT_YOU];
    return this.#send(tx, user, 'The authenticator app was removed', text);
  }

  newDevice(tx: Transaction, user: User, { userAgent, address }: Place): Promise<void> {
    const text = [
      'Somebody signed in to your account with a device that has not been seen there before:',
      `${userAgent === null ? 'an unknown device' : plain(userAgent)}, from ${address ?? 'an unknown address'}`,
      NOT_YOU,
    ];
    return this.#send(tx, user, 'A new device signed in', text);
  }

  /** Behind a # it goes to no server but the one that takes it. */
  #link(purpose: string, token: string): string {
    const { accountUrl } = this.#settings;
    return accountUrl === null ? token : `${accountUrl}#${purpose}=${token}`;
  }

  async #send(tx: Transaction, { id, email }: User, subject: string, paragraphs: readonly string[]): Promise<void> {
    if (!this.#settings.mailOn) return;
    const mail: Mail = { to: email, subject, text: `${paragraphs.join('\n\n')}\n` };
    await this.#errands.add(tx, 'mail', mail, id);
  }
}

/** What a browser says it is, on one line and with nothing that could be followed. */
function plain(userAgent: string): string {
  return userAgent
    .replaceAll(/[\p{C}]/gu, ' ')
    .replaceAll(/\bhttps?:\/\/\S*/gi, '…')
    .slice(0, 200);
}
