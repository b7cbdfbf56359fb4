import { isCollection, isScalar, type ParsedNode, visit, type YAMLError } from 'yaml';
import { clip } from './words.ts';

/** What keeps a text from being YAML, where it is, and what to write instead. */
export interface SyntaxProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

const tabsMax = 20;
/** As far as is looked for what a quote stands behind: a line may be as long as a file. */
const beforeMax = 80;
/** What looks like a space and is none. */
const spaces = '\\u00a0\\u2000-\\u200b\\u202f\\u3000\\ufeff';
const strangeSpace = new RegExp(`^[ \\t-]*[${spaces}]|:[${spaces}]|[${spaces}]:`);
const strangeQuote = /[‘’“”„]/;
/** What comes before a value. */
const valueBegins = /(?:[:,[{]|^ *-) *$/;

/** The first one, and every line that a tab indents: what else a parser finds are mostly consequences of that. */
export function syntaxProblems(
  text: string,
  errors: readonly YAMLError[],
  contents: ParsedNode | null,
): readonly SyntaxProblem[] {
  const told = errors.filter(({ code }, at) => at === 0 || code === 'TAB_AS_INDENT').slice(0, tabsMax);
  return told.map((error) => strangeCharacter(text, error.pos[0]) ?? inWords(text, error, contents));
}

/** What cannot be seen in the line goes before what a parser makes of it. */
function strangeCharacter(text: string, offset: number): SyntaxProblem | null {
  const start = lineStart(text, offset);
  const line = lineAt(text, start);
  const tab = /^ *\t/.exec(line);
  if (tab !== null) {
    return { offset: start + tab[0].length - 1, message: 'a tab indents this line', hint: 'write spaces' };
  }
  const space = strangeSpace.exec(line);
  if (space !== null) {
    const at = start + space.index + space[0].search(new RegExp(`[${spaces}]`));
    return { offset: at, message: 'this looks like a space and is none', hint: 'write a plain space' };
  }
  const quote = strangeQuote.exec(line);
  if (quote === null || !valueBegins.test(line.slice(0, quote.index).slice(-beforeMax))) return null;
  return { offset: start + quote.index, message: `${quote[0]} is no quote`, hint: `write ' or "` };
}

function inWords(text: string, error: YAMLError, contents: ParsedNode | null): SyntaxProblem {
  const [offset] = error.pos;
  const { code, message } = error;
  const rest = lineAt(text, offset);
  if (code === 'MULTIPLE_DOCS') return { offset, message: 'a file holds one document' };
  if (code === 'MISSING_CHAR' && message.startsWith('Missing closing')) return unclosedQuote(text, offset, contents);
  if (code === 'BAD_INDENT' && message.startsWith('Flow')) return unclosedBracket(text, offset, contents);
  if (code === 'BAD_INDENT') return strayIndent(text, offset);
  if (code === 'MISSING_CHAR' && message.startsWith('Sequence')) {
    const hint = 'begin it with "- ", or indent it like what it belongs to';
    return { offset: wordIn(text, offset), message: 'this stands among the items of a list and is none', hint };
  }
  if (code.endsWith('IMPLICIT_KEY') && rest.trimStart().startsWith('- ')) {
    const message = 'an item of a list stands here among the keys of a map';
    return { offset: wordIn(text, offset), message, hint: 'indent it further' };
  }
  if (code === 'MULTILINE_IMPLICIT_KEY' || code === 'MISSING_CHAR') {
    const hint = 'a key is followed by a colon and a space';
    return { offset: wordIn(text, offset), message: 'there is no ": " behind this key', hint };
  }
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return secondValue(offset, rest);
  if (code === 'BLOCK_IN_FLOW') {
    const hint = 'within { } and [ ] commas part the entries';
    return { offset, message: 'a comma is missing here, or a colon is too many', hint };
  }
  if (code === 'UNEXPECTED_TOKEN') return unexpected(text, offset, rest);
  return { offset, ...refusedText(code, rest, message) };
}

function unclosedQuote(text: string, offset: number, contents: ParsedNode | null): SyntaxProblem {
  let start = offset;
  visit(contents, {
    Scalar(_, node) {
      if (isScalar(node) && node.type?.startsWith('QUOTE') === true && node.range?.[1] === offset)
        start = node.range[0];
    },
  });
  return { offset: start, message: `nothing closes this ${text[start] ?? 'quote'}` };
}

function unclosedBracket(text: string, offset: number, contents: ParsedNode | null): SyntaxProblem {
  let start = offset;
  visit(contents, {
    Collection(_, node) {
      const [from = offset, to = 0] = node.range ?? [];
      const isOpened = /[{[]/.test(text[from] ?? '');
      const closed = /[}\]]/.test(text[to - 1] ?? '') && to <= offset;
      // The innermost one comes last.
      if (isCollection(node) && isOpened && from < offset && !closed && to >= start) start = from;
    },
  });
  return {
    offset: start,
    message: `nothing closes this ${text[start] ?? 'bracket'}`,
    hint: 'or it is indented too little',
  };
}

function strayIndent(text: string, offset: number): SyntaxProblem {
  const columns = openColumns(text, offset);
  const hint = `it may begin in column ${columns.slice(0, -1).join(', ')}${columns.length > 1 ? ' or ' : ''}${columns.at(-1)}`;
  return {
    offset: wordIn(text, offset),
    message: 'this line begins in a column of its own',
    ...(columns.length > 0 && { hint }),
  };
}

/** The columns of the lines that this one could go on, from the outermost on. */
function openColumns(text: string, offset: number): readonly number[] {
  const columns: number[] = [];
  for (const line of text.slice(0, lineStart(text, offset)).split('\n').toReversed()) {
    const indent = line.search(/[^\s]/);
    if (indent < 0 || line[indent] === '#' || indent + 1 >= (columns[0] ?? Infinity)) continue;
    columns.unshift(indent + 1);
    if (indent === 0) break;
  }
  return columns;
}

function secondValue(offset: number, rest: string): SyntaxProblem {
  if (/:\s/.test(rest)) return { offset, message: 'a text with a colon in it stands in quotes', hint: 'quote it' };
  const hint = 'indent it like this line, or leave this value away';
  return { offset, message: 'the next line is indented as if it belonged to this value', hint };
}

function unexpected(text: string, offset: number, rest: string): SyntaxProblem {
  if (rest.startsWith('{') && text[offset - 1] === '$') {
    const template = `$${/^\{[^}]*\}/.exec(rest)?.[0] ?? '{…}'}`;
    return { offset: offset - 1, message: 'a template stands in quotes', hint: `'${clip(template)}'` };
  }
  if (/^[}\]]/.test(rest)) return { offset, message: `this ${rest[0]} closes nothing` };
  const before = text[offset - 1];
  if (before === "'" || before === '"') {
    const hint = before === "'" ? "within ' ' write '' for one" : 'within " " write \\" for one';
    return { offset, message: `the text ended with the ${before} before this`, hint };
  }
  const word = /^\S+/.exec(rest)?.[0] ?? '';
  return { offset, message: `"${clip(word)}" cannot stand here` };
}

function refusedText(code: YAMLError['code'], rest: string, message: string): Omit<SyntaxProblem, 'offset'> {
  const [first = ''] = rest;
  const quote = `quote a text that begins with ${first}`;
  if (code === 'BAD_ALIAS' && /^\*(?:$|[\s,}\]])/.test(rest)) {
    return { message: '"*" stands for nothing here', hint: 'manage is every action, all is every subject' };
  }
  if (code === 'BAD_ALIAS') return { message: 'aliases are not part of the policy language', hint: quote };
  if (code === 'TAG_RESOLVE_FAILED') return { message: 'tags are not part of the policy language', hint: quote };
  if (code === 'IMPOSSIBLE') return { message: 'what stands here cannot be read', hint: 'it nests too deep' };
  if (code === 'BAD_SCALAR_START') return { message: `no text begins with ${first}`, hint: quote };
  if (code === 'BAD_DQ_ESCAPE') {
    return {
      message: `"${clip(rest.slice(0, 2))}" means nothing within " "`,
      hint: "write \\\\, or quote the text with '",
    };
  }
  return { message };
}

const lineStart = (text: string, offset: number): number => text.lastIndexOf('\n', offset - 1) + 1;

/** What there is of the line from here on. */
function lineAt(text: string, offset: number): string {
  const end = text.indexOf('\n', offset);
  return text.slice(offset, end < 0 ? text.length : end);
}

/** Where the first word of the rest of the line begins. */
function wordIn(text: string, offset: number): number {
  return offset + Math.max(0, lineAt(text, offset).search(/\S/));
}
