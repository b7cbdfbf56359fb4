import { badInput } from '../refusals.ts';
import type { BreachedPasswords } from './breached-passwords.ts';
import { type ListedPasswords, listedPasswords } from './listed-passwords.ts';
import { PASSWORD_BYTES_MAX } from './passwords.ts';

/** NIST SP 800-63B-4 3.1.1.2: at least 15 characters when the password stands alone. */
const LENGTH_MIN = 15;
/** What must be left of a password without all that guessers try first. */
const REST_MIN = 6;
/** A run along the alphabet, the digits or a keyboard of this length or longer is one thing to a guesser. */
const RUN_MIN = 4;

/** What guessing begins with: as few of the most common passwords have 15 characters, these are what the long ones are made of. */
const COMMON =
  'password passwort passwd passw0rd p4ssword p455w0rd p@ssword p@ssw0rd contraseña motdepasse letmein welcome iloveyou ' +
  'loveyou iloveu sunshine princess dragon monkey football baseball basketball superman batman trustno1 master shadow ' +
  'michael jennifer jordan hunter killer charlie pokemon starwars computer internet secret changeme default administrator ' +
  'admin root guest login access qwerty qwertz azerty asdf zxcv qazwsx 1qaz2wsx test testing whatever freedom summer winter ' +
  'spring autumn january february monday friday forever hello goodbye nothing google facebook linkedin castellan';

const ROWS = [
  'abcdefghijklmnopqrstuvwxyz',
  '01234567890',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm',
  'qwertzuiopü',
  'azertyuiop',
];

/** All runs of {@link RUN_MIN} characters along a row, in both directions. */
const RUNS: ReadonlySet<string> = new Set(
  ROWS.flatMap((row) => [row, Array.from(row).toReversed().join('')]).flatMap((row) =>
    Array.from({ length: row.length - RUN_MIN + 1 }, (_, at) => row.slice(at, at + RUN_MIN)),
  ),
);

/** Longest first, so that what is left of one does not hide another. */
const COMMON_WORDS = COMMON.split(' ').toSorted((a, b) => b.length - a.length);

/** What guessers know without asking: whose password it will be, and where. */
export interface PasswordContext extends PasswordOwner {
  /** Where people sign in with it. */
  readonly issuer: string;
}

export interface PasswordOwner {
  readonly email: string;
  readonly name: string;
}

/** What stands before every password that is set. */
export class NewPasswords {
  readonly #breached: BreachedPasswords | null;
  readonly #settings: { readonly issuer: string };

  /** @param parts `breached` is null where nobody needs to be asked, since passwords are made here */
  constructor(parts: { breached: BreachedPasswords | null; settings: { readonly issuer: string } }) {
    this.#breached = parts.breached;
    this.#settings = parts.settings;
  }

  /** Refuses with BAD_USER_INPUT what {@link checkNewPassword} refuses, and one that is known from a breach. */
  async check(password: string, { email, name }: PasswordOwner, field = 'password'): Promise<void> {
    await checkNewPassword(password, { email, name, issuer: this.#settings.issuer }, field);
    if ((await this.#breached?.has(password)) !== true) return;
    throw badInput(
      field,
      'This password is known from a breach, here or elsewhere, and guessers try it. Choose another.',
    );
  }
}

/**
 * Refuses with BAD_USER_INPUT what may not become a password: one that is too short or too long, one of the most common ones with
 * next to nothing around it, or one that has next to nothing in it but repetition, runs, common words and what everybody knows
 * of its owner and of this service.
 *
 * @param field the argument to blame
 */
export async function checkNewPassword(password: string, context: PasswordContext, field = 'password'): Promise<void> {
  if (password.normalize('NFKC').length < LENGTH_MIN) {
    throw badInput(field, `A password has at least ${LENGTH_MIN} characters. A few unrelated words make a good one.`);
  }
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
    throw badInput(field, `A password has at most ${PASSWORD_BYTES_MAX} bytes.`);
  }
  const folded = password.normalize('NFKC').toLowerCase();
  if (!isGuessable(folded, wordsOf(context), await listedPasswords())) return;
  throw badInput(
    field,
    'This password is easy to guess: it is made of common passwords or words, repetition, or the name or address of its owner ' +
      'or of this service. A few unrelated words make a good one.',
  );
}

function isGuessable(folded: string, known: readonly string[], listed: ListedPasswords): boolean {
  const rest = restOf(folded, known);
  if (rest.replaceAll(/[^\p{L}\p{N}\p{S}]/gu, '').length < REST_MIN) return true;
  return [folded, rest].some((text) => {
    const around = listed.around(text);
    // A number that is no run may well be worth something.
    return around !== null && numberIn(around) < REST_MIN;
  });
}

/** What is known of owner and house: addresses, their parts, and the parts of the name. Very short ones are in every other word. */
function wordsOf({ email, name, issuer }: PasswordContext): readonly string[] {
  const { hostname } = new URL(issuer);
  const parts = [...email.split(/[@.+_-]/), ...name.split(/[^\p{L}\p{N}]+/u), ...hostname.split(/[.-]/)];
  const known = [email, hostname, ...parts].map((word) => word.normalize('NFKC').toLowerCase());
  return known.filter((word) => word.length >= 3).toSorted((a, b) => b.length - a.length);
}

/** How many digits there are outside of runs and repetition. */
function numberIn(text: string): number {
  return withoutRepetition(withoutRuns(text)).replaceAll(/\P{N}/gu, '').length;
}

/** What is none of these words, in no run, and no repetition of what came before it. */
function restOf(folded: string, words: readonly string[]): string {
  let rest = folded;
  for (const word of [...words, ...COMMON_WORDS]) rest = rest.replaceAll(word, ' ');
  return withoutRepetition(withoutRuns(rest));
}

/** The same up to sixteen characters over and over count once. */
function withoutRepetition(text: string): string {
  let rest = text;
  for (let previous = ''; previous !== rest;) {
    previous = rest;
    rest = rest.replaceAll(/(.{1,16})\1+/gu, '$1');
  }
  return rest;
}

function withoutRuns(text: string): string {
  const inRun = new Set<number>();
  for (let at = 0; at + RUN_MIN <= text.length; at += 1) {
    if (!RUNS.has(text.slice(at, at + RUN_MIN))) continue;
    for (let each = at; each < at + RUN_MIN; each += 1) inRun.add(each);
  }
  let rest = '';
  for (let at = 0; at < text.length; at += 1) if (!inRun.has(at)) rest += text.charAt(at);
  return rest;
}
