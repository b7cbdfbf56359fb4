export const subjects = `subjects:
  Doc:
    actions: [read, update]
    attributes:
      owner: id
      title: string
      count: number
      open: boolean
      state: enum(draft, done)
      tags: list(string)
      at: datetime
      place: scope
  Box: { actions: [read], attributes: { owner: id, count: string } }
`;
export const withRole = (role: string) => `${subjects}roles:\n  reader:\n    ${role}\n`;
export const withRule = (rule: string) => withRole(`allow: [${rule}]`);
export const where = (conditions: string) => withRule(`{ action: read, subject: Doc, where: { ${conditions} } }`);
export const withSubject = (subject: string) => `subjects: { Doc: ${subject} }\nroles: { reader: { allow: [] } }\n`;

/** Name, text, and what is told of it. */
export type Malformed = readonly [string, string, RegExp];

/** A policy nobody may load, and what its author is told. */
export const malformedWords: readonly Malformed[] = [
  ['an empty file', '', /1:1 the file is empty/],
  ['a file of comments', '# nothing\n', /the file is empty/],
  ['a file that is a list', '- a\n', /1:1 a policy file is a map, not a list/],
  ['a file that is a text', 'hello', /a policy file is a map/],
  ['a file without roles', subjects, /no file declares a role/],
  ['an unknown section', 'rolls: {}\n', /1:1 a policy file has no "rolls" \(did you mean "roles"\?\)/],
  ['two documents', 'roles: {}\n---\nroles: {}\n', /one document/],
  [
    'a key that stands there twice',
    'roles: {}\nroles: {}\n',
    /2:1 "roles" stands here twice \(the first is on line 1\)/,
  ],
  ['an unclosed bracket', 'roles: { a: [', /1:\d+ /],
  ['a tab for indentation', 'roles:\n\treader: {}\n', /2:\d+ /],
  ['an anchor', 'roles: &x {}\n', /1:\d+ anchors are not/],
  ['an alias', 'roles: { a: *x }\n', /1:\d+ /],
  ['a bomb of aliases', `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nroles: *c\n`, /anchors are not|aliases are not/],
  ['a merge key', 'roles: { reader: { <<: { allow: [] } } }\n', /a role has no "<<"/],
  ['a tag', 'roles: !!map {}\n', /tags are not/],
  ['an unknown tag', 'roles: !js/function x\n', /1:\d+ /],
  ['a YAML directive', '%YAML 1.1\n---\nroles: {}\n', /no YAML directives/],
  ['a key that is a list', '? [a]\n: b\n', /1:\d+ /],
  ['a key that is __proto__', 'roles: { __proto__: { allow: [] } }\n', /1:10 "__proto__" is a reserved name/],
  [
    'a key that is constructor',
    withRule('{ action: read, subject: Doc, where: { constructor: x } }'),
    /"constructor" is a reserved name/,
  ],
  ['a file that is too large', `# ${'x'.repeat(300_000)}\n`, /larger than/],
  ['a file that nests too deep', `roles: ${'['.repeat(40)}${']'.repeat(40)}\n`, /nests deeper/],
  ['a file that nests without end', `roles: ${'{a: '.repeat(20_000)}`, /1:\d+ /],
  ['binary rubbish', '\u0000\u0001\uFFFF', /1:\d+ /],
  ['a subject that is no map', 'subjects: { Doc: read }\nroles: {}\n', /1:\d+ a subject is a map/],
  ['a subject without actions', withSubject('{ attributes: {} }'), /Doc declares no actions/],
  [
    'a subject in small letters',
    'subjects: { doc: { actions: [read] } }\nroles: {}\n',
    /"doc" is no name for a subject/,
  ],
  ['a subject called all', 'subjects: { all: { actions: [read] } }\nroles: {}\n', /"all" stands for everything/],
  ['an action called manage', withSubject('{ actions: [manage] }'), /"manage" stands for everything/],
  ['an action with a comma', withSubject("{ actions: ['read,update'] }"), /is no name for an action/],
  ['the same action twice', withSubject('{ actions: [read, read] }'), /"read" stands here twice/],
  ['an attribute of no type', withSubject('{ actions: [read], attributes: { a: strnig } }'), /did you mean "string"/],
  [
    'an attribute called toString',
    withSubject('{ actions: [read], attributes: { toString: string } }'),
    /reserved name/,
  ],
  [
    'an attribute called scopes',
    withSubject('{ actions: [read], attributes: { scopes: string } }'),
    /"scopes" is part of/,
  ],
  [
    'an attribute with a dot',
    withSubject('{ actions: [read], attributes: { a.b: string } }'),
    /is no name for an attribute/,
  ],
  ['an enum inside braces', withSubject('{ actions: [read], attributes: { a: enum(x, y) } }'), /\{ enum: \[a, b\] \}/],
  [
    'two scopes in a subject',
    withSubject('{ actions: [read], attributes: { a: scope, b: scope } }'),
    /"a" is it already/,
  ],
  ['a list of lists', withSubject('{ actions: [read], attributes: { a: list(list(string)) } }'), /is no type/],
  [
    'a role that inherits from nothing',
    withRole('inherits: [readr]'),
    /16:\d+ there is no role "readr" \(did you mean "reader"\?\)/,
  ],
  ['a role that inherits from itself', withRole('inherits: [reader]'), /circle: reader → reader/],
  ['a role with a capital letter', 'roles: { Reader: { allow: [] } }\n', /"Reader" is no name for a role/],
  ['a role with an unknown part', withRole('alow: []'), /a role has no "alow" \(did you mean "allow"\?\)/],
  ['rules that are no list', withRole('allow: { action: read }'), /allow is a list/],
  ['a rule that is a text', withRule('read'), /a rule is a map/],
  ['a rule without an action', withRule('{ subject: Doc }'), /which action/],
  ['a rule without a subject', withRule('{ action: read }'), /which subject/],
  ['a rule with an unknown part', withRule('{ action: read, subject: Doc, wehre: {} }'), /did you mean "where"/],
  [
    'a misspelt action',
    withRule('{ action: updaet, subject: Doc }'),
    /Doc has no action "updaet" \(did you mean "update"\?\)/,
  ],
  [
    'an action of another subject',
    withRule('{ action: [read, update], subject: [Doc, Box] }'),
    /Box has no action "update"/,
  ],
  ['a misspelt subject', withRule('{ action: read, subject: Dok }'), /did you mean "Doc"/],
  ['an action nobody has', withRule('{ action: fly, subject: all }'), /no subject has an action "fly"/],
  ['a wildcard', withRule("{ action: '*', subject: Doc }"), /Doc has no action "\*"/],
  ['an empty list of actions', withRule('{ action: [], subject: Doc }'), /an action names nothing/],
  ['a misspelt field', withRule('{ action: read, subject: Doc, fields: [titel] }'), /did you mean "title"/],
  ['a wildcard among fields', withRule("{ action: read, subject: Doc, fields: ['*'] }"), /no attribute "\*"/],
  ['no fields at all', withRule('{ action: read, subject: Doc, fields: [] }'), /a field names nothing/],
  ['a scope written into a rule', withRule('{ action: read, subject: Doc, within: acme }'), /within is "any"/],
  [
    'a reason that is a number',
    withRule('{ action: read, subject: Doc, reason: 7 }'),
    /a reason is a text \(quote it\)/,
  ],
  ['an empty where', withRule('{ action: read, subject: Doc, where: {} }'), /an empty where matches everything/],
  ['a misspelt attribute', where('onwer: x'), /did you mean "owner"/],
  ['a dotted attribute', where('owner.name: x'), /no attribute "owner.name"/],
  [
    'an attribute of two types',
    withRule('{ action: read, subject: [Doc, Box], where: { count: 1 } }'),
    /number in one subject and string/,
  ],
  ['an unknown operator', where('owner: { regex: x }'), /id has no operator "regex"/],
  ['an operator with a dollar', where('count: { $gt: 1 }'), /did you mean "gt"/],
  ['code in a condition', where('$where: x'), /no attribute "\$where"/],
  ['an order of texts', where('title: { gt: a }'), /string has no operator "gt"/],
  ['a number for a text', where('title: 5'), /5 is no string \(quote it\)/],
  ['a text for a number', where("count: '5'"), /5 is no number \(leave the quotes away\)/],
  ['a number that is none', where('count: .nan'), /no value of the policy language/],
  ['a boolean that is a text', where('open: yes'), /yes is no boolean/],
  ['a value the enum lacks', where('state: drafd'), /did you mean "draft"/],
  ['a datetime without a zone', where('at: { gt: 2026-01-01 }'), /is no datetime/],
  ['a scope that ends in a slash', where('place: acme/'), /is no scope/],
  ['an operand that is reserved', where('title: __proto__'), /"__proto__" is a reserved name/],
  ['a reserved operand in a list', where('title: { in: [a, constructor] }'), /"constructor" is a reserved name/],
  ['a bare list', where('tags: [a]'), /for several values write in: or all:/],
  ['a list that is empty', where('tags: { in: [] }'), /in takes 1 to 1000 values/],
  ['a list with null in it', where('title: { in: [null] }'), /null goes with eq and ne only/],
  ['an order with null', where('count: { lt: null }'), /null goes with eq and ne only/],
  ['a size that is negative', where('tags: { size: -1 }'), /size is a whole number/],
  ['an exists that is a text', where("tags: { exists: 'true' }"), /exists is true or false/],
  ['an operator without anything', where('tags: {}'), /a condition needs an operator/],
  [
    'an element that does not exist',
    where('tags: { elemMatch: { exists: true } }'),
    /elements of a list are always there/,
  ],
  ['in on scopes', where('scopes: { in: [acme] }'), /write elemMatch/],
  ['an unknown template', where("owner: '${principal.idd}'"), /did you mean "principal.id"/],
  ['a template of something else', where("owner: '${env.HOME}'"), /there is no template/],
  ['a template within a text', where("title: 'user-${principal.id}'"), /a template stands alone/],
  ['a template of another type', where("place: '${principal.id}'"), /\$\{principal.id\} is no scope/],
];
