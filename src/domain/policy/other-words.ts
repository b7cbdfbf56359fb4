/** What those write who come from elsewhere, or look for something where it is not, by what they write it in. */
const otherWords: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a policy file': {
    principals: 'cases are in files of the folder cases/',
    cases: 'cases are in files of the folder cases/',
    grants: 'who holds a role is no part of a policy: grantRole gives it',
    users: 'who holds a role is no part of a policy: grantRole gives it',
  },
  'a subject': {
    fields: 'did you mean "attributes"?',
    properties: 'did you mean "attributes"?',
    permissions: 'did you mean "actions"?',
    verbs: 'did you mean "actions"?',
  },
  'a role': {
    permissions: 'did you mean "allow"?',
    rules: 'did you mean "allow"?',
    can: 'did you mean "allow"?',
    cannot: 'did you mean "deny"?',
    forbid: 'did you mean "deny"?',
    extends: 'did you mean "inherits"?',
    parents: 'did you mean "inherits"?',
    includes: 'did you mean "inherits"?',
    expires: 'a grant may end by itself, not a role: expiresAt of grantRole',
    expiresAt: 'a grant may end by itself, not a role: expiresAt of grantRole',
    scope: 'a role is granted at a scope: scope of grantRole',
    stepUp: 'stepUp is a part of the subject',
  },
  'a rule': {
    effect: 'a rule stands in the list allow, or in the list deny',
    conditions: 'did you mean "where"?',
    condition: 'did you mean "where"?',
    if: 'did you mean "where"?',
    when: 'did you mean "where"?',
    scope: 'a rule holds at the scope of the grant; conditions on an attribute stand in where',
    stepUp: 'stepUp is a part of the subject',
    mfa: 'mfa is a part of the role',
    resource: 'did you mean "subject"?',
    verb: 'did you mean "action"?',
  },
  'a principal': { roles: 'did you mean "grants"? As [{ role: member, scope: acme }]' },
  'a condition': {
    or: 'all conditions must hold: what may hold instead is a rule of its own',
    any: 'all conditions must hold: what may hold instead is a rule of its own',
    not: 'write ne or nin behind the attribute',
  },
  'the type of an attribute': {
    int: 'did you mean "number"?',
    integer: 'did you mean "number"?',
    float: 'did you mean "number"?',
    bool: 'did you mean "boolean"?',
    text: 'did you mean "string"?',
    date: 'did you mean "datetime"?',
    timestamp: 'did you mean "datetime"?',
    uuid: 'did you mean "id"?',
    'string[]': 'did you mean "list(string)"?',
  },
};

/** What to write in place of this word, where it is one of another language. */
export function otherWord(what: string, word: string): string | undefined {
  const known = otherWords[what];
  return known !== undefined && Object.hasOwn(known, word) ? known[word] : undefined;
}
