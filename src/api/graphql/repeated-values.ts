import type { GraphQLError } from 'graphql';

/** Where messages of graphql-js go on with what they were given: what stays, up to there. */
const REPEATS: readonly (readonly [says: RegExp, stays: string])[] = [
  [/^(\w+|Enum "\w+")( cannot represent [^:]*value): .*$/s, '$1$2.'],
  [/^Value ".*" does not exist in ("\w+" enum\.)( Did you mean [\w", ]+\?)?$/s, 'This value does not exist in $1$2'],
  [/^(Expected value of type "[^"]*"), found .*$/s, '$1.'],
  [/^(Argument "\w+" has (?:an )?invalid value) .*$/s, '$1.'],
  [/^(Syntax Error: .*?(?:String|BlockString)) ".*$/s, '$1.'],
];
const VARIABLE = /^Variable "\$\w+" got invalid value/;
const FOUND = /^Expected value of type "[^"]*"(?=, found )/;
const AT = / at "[^"]*"$/;

/** What an error of graphql-js says, but for the values that it repeats: one of them may be a password, and answers are logged. */
export function withoutValues({ message, originalError }: GraphQLError): string {
  const cause = originalError?.message;
  if (cause === undefined || !message.endsWith(`; ${cause}`)) return shortened(message);
  const before = message.slice(0, -`; ${cause}`.length);
  const what = VARIABLE.exec(before) ?? FOUND.exec(before);
  return what === null ? shortened(message) : `${what[0]}${AT.exec(before)?.[0] ?? ''}; ${shortened(cause)}`;
}

function shortened(message: string): string {
  return REPEATS.reduce((text, [says, stays]) => text.replace(says, stays), message);
}
