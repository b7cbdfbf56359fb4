/** The shortest of the list that make up a long password. Shorter ones are parts of other words. */
const PART_MIN = 4;
/** None of the list has more than 20 characters, and between two of them little is put. */
const CORE_MAX = 64;
const EDGES = /^[^\p{L}]+|[^\p{L}]+$/gu;
const BETWEEN = /^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu;
/** Letters as they are often written, so that a sign for each is no difference. */
const WRITTEN_AS: Readonly<Record<string, string>> = {
  '@': 'a',
  $: 's',
  '!': 'i',
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
};

let listed: Promise<ListedPasswords> | null = null;

/**
 * The list of the process, read when the first new password comes: it takes some 3 MB, and whoever starts need not wait for it. One
 * that could not be read is tried again.
 */
export function listedPasswords(): Promise<ListedPasswords> {
  listed ??= readList().catch((error: unknown) => {
    listed = null;
    throw error;
  });
  return listed;
}

async function readList(): Promise<ListedPasswords> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new ListedPasswords(dictionary['passwords-common']);
}

/** The passwords that most people choose, in order of what guessers try. */
export class ListedPasswords {
  readonly #words: ReadonlySet<string>;

  constructor(words: readonly string[]) {
    this.#words = new Set(words);
  }

  /**
   * What there is in this text around one of these, or two in a row; null when it is made of anything else.
   *
   * @param text normalised and in lower case
   */
  around(text: string): string | null {
    if (this.#words.has(text)) return '';
    const edges = (text.match(EDGES) ?? []).join('');
    const core = text.replaceAll(EDGES, '');
    if (core.length > CORE_MAX) return null;
    return this.#isOne(core) || this.#areTwo(core) ? edges : null;
  }

  #areTwo(core: string): boolean {
    for (let at = PART_MIN; at <= core.length - PART_MIN; at += 1) {
      // Most beginnings are none: the rest is looked at only behind one that is.
      const [first, second] = [core.slice(0, at), core.slice(at)].map((part) => part.replaceAll(BETWEEN, ''));
      if (first === undefined || first.length < PART_MIN || !this.#isOne(first)) continue;
      if (second !== undefined && second.length >= PART_MIN && this.#isOne(second)) return true;
    }
    return false;
  }

  #isOne(word: string): boolean {
    return this.#words.has(word) || this.#words.has(plain(word));
  }
}

function plain(word: string): string {
  return Array.from(word, (sign) => WRITTEN_AS[sign] ?? sign).join('');
}
