import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type ParsedNode, type Pair } from 'yaml';
import { type Place, type Problems } from './problems.ts';
import { syntaxProblems } from './syntax.ts';
import { clip, isForbidden } from './words.ts';

export interface PolicyFile {
  readonly path: string;
  readonly text: string;
}

/** A YAML value that knows where it stands. Plain data only: no aliases, tags or keys that are not strings. */
export type Node = MapNode | ListNode | ScalarNode;
export interface MapNode {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: ReadonlyMap<string, Entry>;
}
export interface Entry {
  readonly key: string;
  readonly place: Place;
  readonly value: Node;
}
export interface ListNode {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Node[];
}
export interface ScalarNode {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
}

const charactersMax = 128 * 1024;
const depthMax = 16;

/** The one document of a policy file, or null when it is none; what is wrong with it goes to `problems`. */
export function readDocument({ path, text }: PolicyFile, problems: Problems): Node | null {
  const start: Place = { file: path, line: 1, column: 1 };
  if (text.length > charactersMax) {
    problems.add(start, `the file is larger than ${charactersMax} characters`, 'split it by concept');
    return null;
  }
  try {
    return new Reader(path, text, problems).read();
  } catch (error) {
    // The YAML library recurses and has thrown on hostile input; a policy file must never bring the process down.
    problems.add(start, `the file cannot be read as YAML: ${clip(error instanceof Error ? error.message : 'unknown')}`);
    return null;
  }
}

class Reader {
  readonly #path: string;
  readonly #text: string;
  readonly #problems: Problems;
  readonly #lines = new LineCounter();

  constructor(path: string, text: string, problems: Problems) {
    this.#path = path;
    this.#text = text;
    this.#problems = problems;
  }

  read(): Node | null {
    const document = parseDocument(this.#text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      stringKeys: true,
      strict: true,
      prettyErrors: false,
      logLevel: 'error', // 'silent' would also hide that there are several documents
      uniqueKeys: false, // checked here: the library's own check is quadratic
      lineCounter: this.#lines,
    });
    const broken = [...document.errors, ...document.warnings];
    for (const { offset, message, hint } of syntaxProblems(this.#text, broken, document.contents)) {
      this.#problems.add(this.#place(offset), message, hint);
    }
    if (broken.length > 0) return null;
    const { yaml, tags } = document.directives;
    if (yaml.explicit === true || Object.keys(tags).length > 1)
      return this.#refuse(0, 'a policy file has no YAML directives');
    if (document.contents === null) return this.#refuse(0, 'the file is empty');
    return this.#node(document.contents, 0, 0);
  }

  #place(offset: number): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#path, line: Math.max(1, line), column: Math.max(1, col) };
  }

  #refuse(offset: number, message: string, hint?: string): null {
    this.#problems.add(this.#place(offset), message, hint);
    return null;
  }

  /** `offset` is where the parent stands, for values that were left out. */
  #node(node: ParsedNode | null, offset: number, depth: number): Node | null {
    if (node === null) return { kind: 'scalar', place: this.#place(offset), value: null };
    const [start] = node.range;
    if (depth > depthMax) return this.#refuse(start, `the file nests deeper than ${depthMax} levels`);
    if (isAlias(node)) return this.#refuse(start, 'aliases are not part of the policy language', 'write the value out');
    if (node.anchor !== undefined) return this.#refuse(start, 'anchors are not part of the policy language');
    if (node.tag !== undefined) return this.#refuse(start, 'tags are not part of the policy language');

    const place = this.#place(start);
    if (isMap(node)) return { kind: 'map', place, entries: this.#entries(node.items, depth) };
    if (isSeq(node)) {
      const items = node.items.map((item) => this.#node(item, start, depth + 1));
      return { kind: 'list', place, items: items.filter((item) => item !== null) };
    }
    return isScalar(node) ? this.#scalar(node.value, start) : null;
  }

  #scalar(value: unknown, start: number): Node | null {
    const place = this.#place(start);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') {
      return { kind: 'scalar', place, value };
    }
    if (typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER) {
      return { kind: 'scalar', place, value };
    }
    return this.#refuse(start, 'this is no value of the policy language', 'quote it if it is meant as text');
  }

  #entries(pairs: readonly Pair<ParsedNode, ParsedNode | null>[], depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const { key: node, value } of pairs) {
      const [start] = node.range;
      const key = this.#node(node, start, depth + 1);
      if (key === null) continue;
      if (key.kind !== 'scalar' || typeof key.value !== 'string') {
        this.#refuse(start, 'a key is a plain word');
      } else if (isForbidden(key.value)) {
        this.#refuse(start, `"${clip(key.value)}" is a reserved name`);
      } else if (entries.has(key.value)) {
        const first = entries.get(key.value)?.place.line;
        this.#refuse(start, `"${clip(key.value)}" stands here twice`, `the first is on line ${first}`);
      } else {
        const inner = this.#node(value, start, depth + 1);
        if (inner !== null) entries.set(key.value, { key: key.value, place: key.place, value: inner });
      }
    }
    return entries;
  }
}
