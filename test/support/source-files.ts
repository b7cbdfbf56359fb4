import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** A file of the project, as tests about its text read it. */
export class SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
  /** The text with every comment and the content of every string blanked, each character in its place. */
  readonly code: string;

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.code = maskedCode(text);
  }

  /** Where every match of the pattern in the code is. */
  find(pattern: RegExp, complaint: string, text = this.code): string[] {
    return [...text.matchAll(pattern)].map(({ index }) => this.at(index, complaint));
  }

  at(index: number, complaint: string): string {
    return `${this.path}:${this.lineOf(index)} ${complaint}`;
  }

  lineOf(index: number): number {
    return this.text.slice(0, index).split('\n').length;
  }
}

export interface Import {
  readonly file: SourceFile;
  readonly specifier: string;
  readonly typeOnly: boolean;
  readonly index: number;
  /** The path from the root of the repository, or null for a package. */
  readonly target: string | null;
}

/** Every TypeScript and JavaScript file below a folder of the repository. */
export function readFolder(folder: string): readonly SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.[cm]?[jt]sx?$/.test(name))
    .toSorted()
    .map((name) => new SourceFile(join(folder, name), readFileSync(join(ROOT, folder, name), 'utf8')));
}

const IMPORT =
  /\b(?:(?:import|export)\s+(?<type>type\s+(?!from\b))?(?:[\w$*,{}\s]+?\sfrom\s*|[{*][\w$*,{}\s]*?from\s*)|import\s*\(?\s*)(?=['"])/g;

export function importsOf(file: SourceFile): readonly Import[] {
  return [...file.code.matchAll(IMPORT)].map((match) => {
    const start = match.index + match[0].length;
    const end = file.text.indexOf(file.text.charAt(start), start + 1);
    const specifier = file.text.slice(start + 1, end);
    const target = specifier.startsWith('.') ? relative('/', join('/', dirname(file.path), specifier)) : null;
    return { file, specifier, target, typeOnly: match.groups?.['type'] !== undefined, index: match.index };
  });
}

/** Comments, strings, templates and regular expressions, wherever the next one is. */
const OPAQUE =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|(?<=(?:^|[=(,:;!&|?{}[\]+<>]|\breturn|=>)\s*)\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*|[`{}]/g;

function maskedCode(text: string): string {
  let masked = '';
  let from = 0;
  /** One entry for each brace that is open; true for one that a template opened. */
  const braces: boolean[] = [];
  const keep = (to: number): void => {
    masked += text.slice(from, to);
    from = to;
  };
  const blank = (to: number): void => {
    masked += text.slice(from, to).replace(/[^\n]/g, ' ');
    from = to;
  };
  const blankTemplate = (start: number): void => {
    const end = /(?<!\\)(?:\\\\)*(`|\$\{)/g;
    end.lastIndex = start;
    const match = end.exec(text);
    const to = match === null ? text.length : match.index + match[0].length;
    blank(to);
    if (match?.[1] === '${') braces.push(true);
  };

  while (from < text.length) {
    OPAQUE.lastIndex = from;
    const match = OPAQUE.exec(text);
    if (match === null) break;
    const [found] = match;
    keep(match.index);
    const to = match.index + found.length;
    if (found === '`') blankTemplate(to);
    else if (found === '{') braces.push(false);
    else if (found === '}' && braces.pop() === true) blankTemplate(to);
    else if (/^['"]/.test(found)) {
      keep(from + 1);
      blank(to - 1);
    } else if (found !== '}') blank(to);
    if (from < to) keep(to);
  }
  keep(text.length);
  return masked;
}
