import type { Entry, Node, PolicyFile } from './document.ts';
import type { Problems } from './problems.ts';
import type { Rule } from './rules.ts';

export type Sections = ReadonlyMap<string, Entry>;

/** A tree of nodes takes some forty times its text. */
const charactersMax = 2 * 1024 * 1024;
const vocabulariesMax = 4;

/**
 * What was read, by what it was read from. Nothing in which a problem was found is kept, so that every problem is
 * reported every time.
 */
export class ParseCache {
  readonly #files = new Map<string, Sections>();
  readonly #vocabularies = new Map<string, KnownRules>();
  #characters = 0;

  sections({ path, text }: PolicyFile, problems: Problems, read: () => Sections | null): Sections | null {
    const key = `${path}\n${text}`;
    const before = problems.count;
    const sections = this.#files.get(key) ?? read();
    if (this.#files.delete(key)) this.#characters -= key.length;
    if (sections === null || problems.count > before) return sections;

    this.#files.set(key, sections);
    this.#characters += key.length;
    for (const oldest of this.#files.keys()) {
      if (this.#characters <= charactersMax) break;
      this.#files.delete(oldest);
      this.#characters -= oldest.length;
    }
    return sections;
  }

  /** Rules mean something only in a vocabulary. */
  rulesIn(vocabulary: string): KnownRules {
    const known = this.#vocabularies.get(vocabulary) ?? new KnownRules();
    this.#vocabularies.delete(vocabulary);
    this.#vocabularies.set(vocabulary, known);
    const [oldest] = this.#vocabularies.keys();
    if (this.#vocabularies.size > vocabulariesMax && oldest !== undefined) this.#vocabularies.delete(oldest);
    return known;
  }
}

/** By the node they were read from: a file that falls out of the cache takes them along. */
export class KnownRules {
  readonly meanings = new WeakMap<Rule, readonly string[]>();
  readonly #rules = new WeakMap<Node, Rule>();

  rule(node: Node, problems: Problems, parse: () => Rule | null): Rule | null {
    const known = this.#rules.get(node);
    if (known !== undefined) return known;
    const before = problems.count;
    const rule = parse();
    if (rule !== null && problems.count === before) this.#rules.set(node, rule);
    return rule;
  }
}
