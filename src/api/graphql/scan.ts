import { Lexer, Source, TokenKind, type GraphQLError } from 'graphql';
import type { DocumentLimits } from '../../kit/limits.ts';
import { overLimit } from './limits.ts';

const OPEN: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSE: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/**
 * How many tokens the text has, or the first limit that it exceeds, before anything is made of it. Throws GraphQL's own
 * error for what is no token.
 */
export function scan(text: string, { tokens, nesting }: DocumentLimits): GraphQLError | number {
  const lexer = new Lexer(new Source(text));
  let count = 0;
  let open = 0;
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    count += 1;
    if (count > tokens) return overLimit('tokens', tokens, count);
    if (OPEN.has(token.kind)) open += 1;
    if (CLOSE.has(token.kind)) open -= 1;
    if (open > nesting) return overLimit('nesting', nesting, open);
  }
  return count;
}
