import { type Malformed, subjects, where, withRole, withRule, withSubject } from './malformed-words.ts';

const roles = (body: string) => `${subjects}roles:\n${body}`;
/** All that is told, and nothing that only follows from it. */
const only = (text: string) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')} \\(.*\\)$`);

/** Slips of those who write YAML by hand, and what they are told of each: the place, and what to write instead. */
export const malformedSyntax: readonly Malformed[] = [
  [
    'a tab in one of many lines',
    roles('  a:\n\tallow: []\n  b:\n    allow: []\n'),
    only('16:1 a tab indents this line'),
  ],
  [
    'a line in a column of its own',
    roles('  a:\n    inherits: b\n   allow: []\n'),
    /^17:4 this line begins in a column of its own \(it may begin in column 1, 3 or 5\)$/,
  ],
  [
    'a line among items',
    roles('  a:\n    allow:\n      - action: read\n       subject: Doc\n'),
    /^18:8 this stands among the items of a list and is none/,
  ],
  [
    'a template without quotes',
    where('owner: ${principal.id}'),
    /^16:59 a template stands in quotes \('\$\{principal\.id\}'\)$/,
  ],
  ['a quote that is not closed', where("owner: '${principal.id}, open: true"), /^16:59 nothing closes this ' /],
  ['a brace that is not closed', withRole('allow: [{ action: read, subject: Doc ]'), /^16:13 nothing closes this \{ /],
  [
    'a bracket that is not closed',
    withRole('allow: [{ action: [read, subject: Doc }]'),
    /^16:23 nothing closes this \[ /,
  ],
  ['a bracket too many', withRole('inherits: [a]]'), only('16:18 this ] closes nothing')],
  [
    'a comma that is missing',
    withRule('{ action: read subject: Doc }'),
    only('16:23 a comma is missing here, or a colon is too many'),
  ],
  [
    'a colon without a space',
    roles('  a:\n    inherits:b\n    mfa: required\n'),
    only('16:5 there is no ": " behind this key'),
  ],
  ['a colon in a text', withRole('mfa: not: needed'), only('16:10 a text with a colon in it stands in quotes')],
  [
    'a value that has lines below it',
    roles('  a:\n    mfa: required\n      allow: []\n'),
    /^16:10 the next line is indented as if/,
  ],
  [
    'an item among keys',
    roles('  a:\n    mfa: required\n    - allow\n'),
    /^17:5 an item of a list stands here among the keys/,
  ],
  [
    'an apostrophe in single quotes',
    where("title: 'it's'"),
    /^16:63 the text ended with the ' before this \(within ' ' write ''/,
  ],
  ['an escape that is none', where('title: "\\d"'), /^16:60 "\\d" means nothing within " "/],
  [
    'a star without quotes',
    withRule('{ action: *, subject: Doc }'),
    /^16:23 "\*" stands for nothing here \(manage is every action/,
  ],
  ['an at sign without quotes', where('title: @home'), /^16:59 no text begins with @ \(quote/],
  [
    'an exclamation mark without quotes',
    where('title: !important'),
    /tags are not part of the policy language \(quote/,
  ],
  ['an ampersand without quotes', where('title: & more'), /aliases are not part of the policy language \(quote/],
  ['a word behind a bar', roles('  a:\n    mfa: | required\n'), /^16:12 "required" cannot stand here/],
  [
    'a space that does not break',
    roles('  a:\n    mfa:\u00a0required\n    allow: []\n'),
    only('16:9 this looks like a space and is none'),
  ],
  ['a quote of a word processor', where('owner: ‘${principal.id}’'), /^16:59 ‘ is no quote \(write ' or "\)$/],
  // words from elsewhere
  [
    'cases among policy files',
    'principals: {}\ncases: []\n',
    /^1:1 a policy file has no "principals" \(cases are in files of the folder cases\/\)/,
  ],
  [
    'an effect',
    withRule('{ effect: deny, action: read, subject: Doc }'),
    /\(a rule stands in the list allow, or in the list deny\)$/,
  ],
  ['a scope in a rule', withRule('{ scope: acme, action: read, subject: Doc }'), /holds at the scope of the grant/],
  ['a step-up in a rule', withRule('{ stepUp: true, action: read, subject: Doc }'), /stepUp is a part of the subject/],
  ['a role that ends', withRole('expires: 4h'), /a grant may end by itself, not a role: expiresAt of grantRole/],
  ['a role with permissions', withRole('permissions: []'), /did you mean "allow"/],
  ['an or', where('or: [{ owner: x }]'), /what may hold instead is a rule of its own/],
  ['a not', where('not: { owner: x }'), /write ne or nin behind the attribute/],
  [
    'a where that is a text',
    withRule('{ action: read, subject: Doc, where: owner == x }'),
    /\(as \{ status: draft \}\)/,
  ],
  ['an int', withSubject('{ actions: [read], attributes: { a: int } }'), /did you mean "number"/],
  [
    'a type in brackets',
    withSubject("{ actions: [read], attributes: { a: 'string[]' } }"),
    /did you mean "list\(string\)"/,
  ],
  ['a type that is a list of one', withSubject('{ actions: [read], attributes: { a: [id] } }'), /write list\(string\)/],
  [
    'a word that is near none',
    withRule('{ action: write, subject: Doc }'),
    /no action "write" \(there are read, update\)/,
  ],
  [
    'an attribute that is near none',
    where('place: acme, wholly: x'),
    /\(there are owner, title, count, open, state, tags, at, place\)/,
  ],
  ['all actions by another word', withRule("{ action: any, subject: '*' }"), /"all" is every subject/],
  ['any action', withRule('{ action: any, subject: Doc }'), /"manage" is every action/],
];
