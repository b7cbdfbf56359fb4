import type { Operator } from './conditions.ts';
import { stepUpDuration } from './step-ups.ts';
import { templateNames } from './templates.ts';
import { namePattern } from './words.ts';

export type JsonSchema = { readonly [keyword: string]: unknown };

const draft = 'https://json-schema.org/draft/2020-12/schema';

const closed = (properties: Readonly<Record<string, JsonSchema>>, more: JsonSchema = {}): JsonSchema => ({
  type: 'object',
  properties,
  additionalProperties: false,
  ...more,
});
/** A map from names that somebody chose. */
const named = (pattern: string, values: JsonSchema): JsonSchema => ({
  type: 'object',
  propertyNames: { allOf: [{ pattern }, { $ref: '#/$defs/unreserved' }] },
  additionalProperties: values,
});
const ref = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` });
const text: JsonSchema = { type: 'string', minLength: 1 };
/** One, or a list of different ones. */
const oneOrMore = (item: JsonSchema): JsonSchema => ({
  oneOf: [item, { type: 'array', items: item, minItems: 1, uniqueItems: true }],
});

/** What JavaScript gives a meaning of its own, and what stands for everything. */
const unreserved: JsonSchema = {
  not: { anyOf: [{ pattern: '^__' }, { enum: ['prototype', ...Object.getOwnPropertyNames(Object.prototype)] }] },
};
const undeclarable: JsonSchema = { not: { enum: ['manage', 'all'] } };
const template: JsonSchema = {
  pattern: `^\\$\\{\\s*principal\\.(?:${templateNames.join('|')})\\s*\\}$`,
  description: `What is known of the principal: ${templateNames.map((name) => `\${principal.${name}}`).join(', ')}.`,
};

const scalar: JsonSchema = {
  oneOf: [
    {
      type: 'string',
      maxLength: 1024,
      allOf: [ref('unreserved'), { anyOf: [{ not: { pattern: '\\$\\{' } }, template] }],
    },
    { type: 'number' },
    { type: 'boolean' },
  ],
};
const nullable: JsonSchema = { oneOf: [...(scalar['oneOf'] as JsonSchema[]), { type: 'null' }] };
const several: JsonSchema = { type: 'array', items: ref('scalar'), minItems: 1, maxItems: 1000 };

const operands: Readonly<Record<Operator, JsonSchema>> = {
  eq: ref('nullable'),
  ne: ref('nullable'),
  in: several,
  nin: several,
  gt: ref('scalar'),
  gte: ref('scalar'),
  lt: ref('scalar'),
  lte: ref('scalar'),
  exists: { type: 'boolean' },
  all: several,
  size: { type: 'integer', minimum: 0 },
  elemMatch: ref('tests'),
};

const attributeType: JsonSchema = {
  oneOf: [
    { enum: ['id', 'string', 'number', 'boolean', 'datetime', 'scope'] },
    { type: 'string', pattern: '^(?:enum\\([^()]+\\)|list\\((?:[a-z]+|enum\\([^()]+\\))\\))$' },
    closed({ enum: oneOrMore(text) }, { required: ['enum'] }),
    closed({ list: ref('attributeType') }, { required: ['list'] }),
  ],
  description:
    'id, string, number, boolean, datetime, scope, enum(a, b), list(string); within braces { enum: [a, b] }.',
};

const rule: JsonSchema = closed(
  {
    action: { ...oneOrMore(text), description: 'One or several actions of the subject; manage is all of them.' },
    subject: { ...oneOrMore(text), description: 'One or several subjects; all is every subject.' },
    fields: { ...oneOrMore(text), description: 'The only attributes the rule speaks of.' },
    where: {
      ...named(namePattern('attribute'), { oneOf: [ref('nullable'), ref('tests')] }),
      minProperties: 1,
      description: 'Conditions on attributes, which must hold together.',
    },
    within: { const: 'any', description: 'Holds everywhere, and not only within the scope of the grant.' },
    reason: { ...text, maxLength: 300, description: 'Told to whoever the rule decides about.' },
  },
  { required: ['action', 'subject'] },
);

const proof: JsonSchema = closed(
  {
    level: { enum: [1, 2], description: '2 is a second factor; without it, any session will do.' },
    within: { type: 'string', ...stepUpDuration, description: 'How long ago it may be at most: 30s, 15m, 12h, 1d.' },
  },
  { anyOf: [{ required: ['within'] }, { required: ['level'], properties: { level: { const: 2 } } }] },
);

/** For editors: the form of a policy file. That its words are declared, only {@link parseBundle} can tell. */
export const policySchema: JsonSchema = {
  $schema: draft,
  title: 'Castellan policy',
  ...closed(
    {
      subjects: {
        ...named(
          namePattern('subject'),
          closed(
            {
              actions: oneOrMore({
                type: 'string',
                pattern: namePattern('action'),
                allOf: [ref('unreserved'), undeclarable],
              }),
              stepUp: {
                ...named(namePattern('action'), ref('proof')),
                properties: { read: false },
                description: 'What a session must have proven for an action, however much it is allowed to.',
              },
              attributes: {
                ...named(namePattern('attribute'), ref('attributeType')),
                properties: { scopes: false, manage: false, all: false },
              },
            },
            { required: ['actions'] },
          ),
        ),
        description: 'What can be done to which kind of record, and what is known of it.',
      },
      roles: {
        ...named(
          namePattern('role'),
          closed({
            inherits: { ...oneOrMore(text), description: 'Roles whose rules this one has, too.' },
            mfa: { const: 'required', description: 'Whoever holds it signs in with a second factor.' },
            allow: { type: 'array', items: ref('rule') },
            deny: { type: 'array', items: ref('rule'), description: 'Wins over every allow, wherever it comes from.' },
          }),
        ),
        properties: { manage: false, all: false },
      },
    },
    { minProperties: 1 },
  ),
  $defs: { unreserved, scalar, nullable, attributeType, rule, proof, tests: closed(operands, { minProperties: 1 }) },
};

const scope: JsonSchema = { type: ['string', 'null'], pattern: '^[^/\\s]+(?:/[^/\\s]+)*$' };

/** For editors: the form of a file of cases. */
export const casesSchema: JsonSchema = {
  $schema: draft,
  title: 'Castellan policy cases',
  ...closed(
    {
      principals: {
        type: 'object',
        additionalProperties: closed({
          ...Object.fromEntries(templateNames.map((name) => [name, text])),
          grants: { type: 'array', items: closed({ role: text, scope }, { required: ['role'] }) },
        }),
      },
      cases: {
        type: 'array',
        items: closed(
          {
            principal: text,
            action: oneOrMore(text),
            subject: text,
            object: named(namePattern('attribute'), {
              oneOf: [{ type: ['string', 'number', 'boolean', 'null'] }, { type: 'array' }],
            }),
            field: oneOrMore(text),
            expect: { enum: ['allow', 'deny'] },
          },
          { required: ['principal', 'action', 'subject', 'expect'] },
        ),
      },
    },
    { required: ['cases'] },
  ),
  $defs: { unreserved },
};
