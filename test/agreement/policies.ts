import * as fc from 'fast-check';
import { stringify } from 'yaml';
import type { PolicyFile } from '../../src/domain/policy/parse.ts';
import type { Model, ModelRule } from '../domain/policy/reference.ts';

/** Random policies about the records that Castellan keeps, and about those of another subgraph. */

export const SUBJECTS = {
  User: {
    actions: ['read', 'create', 'update', 'disable', 'delete', 'grant'],
    attributes: {
      id: 'id',
      email: 'string',
      name: 'string',
      status: 'enum(active, disabled, locked)',
      roles: 'list(string)',
      scope: 'scope',
      createdAt: 'datetime',
    },
  },
  Session: {
    actions: ['read', 'revoke'],
    attributes: { id: 'id', userId: 'id', createdAt: 'datetime', expiresAt: 'datetime', scope: 'scope' },
  },
  Role: {
    actions: ['read', 'grant', 'revoke'],
    attributes: { id: 'id', name: 'string', managed: 'boolean' },
  },
  Policy: { actions: ['read', 'apply'], attributes: { id: 'id' } },
  Doc: {
    actions: ['read', 'update', 'publish'],
    attributes: {
      id: 'id',
      owner: 'id',
      title: 'string',
      count: 'number',
      open: 'boolean',
      state: 'enum(draft, done)',
      tags: 'list(string)',
      sizes: 'list(number)',
      at: 'datetime',
      place: 'scope',
    },
  },
} as const satisfies Record<string, { actions: readonly string[]; attributes: Readonly<Record<string, string>> }>;

export type SubjectName = keyof typeof SUBJECTS;
const NAMES = Object.keys(SUBJECTS) as readonly SubjectName[];

export const attributesOf = (subject: SubjectName): readonly string[] => Object.keys(SUBJECTS[subject].attributes);

export const SCOPES = ['acme', 'acme/platform', 'acme/platform/api', 'acme2', 'globex', 'globex/desk'];
export const TIMES = ['2024-01-01T00:00:00.000Z', '2025-06-30T12:00:00.001Z', '2099-12-31T23:59:59.999Z'];
/** Inherit only from later ones: no circles. */
const ROLES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
export const ADMINISTRATOR = 'administrator';
/** That can be granted; no random policy has the last one, as if it had been removed. */
export const GRANTABLE = [...ROLES, ADMINISTRATOR, 'omega'];

/** Texts that records have, by attribute. */
export type Values = Readonly<Record<string, readonly string[]>>;

const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  id: ['${principal.id}', '${principal.id}', '${principal.id}', '${principal.sessionId}'],
  string: ['${principal.email}', '${principal.email}', '${principal.kind}'],
  enum: ['${principal.kind}'],
  scope: ['${principal.scope}'],
};

const elementOf = (type: string) => /^list\((.*)\)$/.exec(type)?.[1] ?? type;

function valueOf(attribute: string, type: string, known: Values): fc.Arbitrary<unknown> {
  if (type === 'number') return fc.integer({ min: -1, max: 2 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'datetime') return fc.constantFrom(...TIMES, '2025-06-30T12:00:00.000Z');
  if (type === 'scope') return fc.constantFrom(...SCOPES);
  if (type.startsWith('enum')) return fc.constantFrom(...type.slice(5, -1).split(', '));
  return fc.constantFrom(...(known[attribute] ?? ['a', 'b']));
}

function operandOf(attribute: string, type: string, known: Values): fc.Arbitrary<unknown> {
  const value = valueOf(attribute, type, known);
  const templates = TEMPLATES[type.startsWith('enum') ? 'enum' : type];
  if (templates === undefined) return value;
  return fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: fc.constantFrom(...templates) });
}

type Test = fc.Arbitrary<Readonly<Record<string, unknown>>>;

/** A test of each operator that fits the attribute. */
function testsOf(attribute: string, declared: string, known: Values): Readonly<Record<string, Test>> {
  const type = elementOf(declared);
  const one = operandOf(attribute, type, known);
  const value = valueOf(attribute, type, known);
  const several = fc.array(one, { minLength: 1, maxLength: 3 });
  const orNull = fc.option(one, { freq: 5 });
  const operands: Record<string, fc.Arbitrary<unknown>> = { eq: orNull, ne: orNull, exists: fc.boolean() };
  if (type !== 'boolean') Object.assign(operands, { in: several, nin: several });
  if (type !== declared) {
    const elements = fc.record({ ne: one, in: several, nin: several }, { requiredKeys: ['nin'] });
    Object.assign(operands, { all: several, size: fc.integer({ min: 0, max: 3 }), elemMatch: elements });
  } else if (type === 'number' || type === 'datetime') {
    Object.assign(operands, { gt: value, gte: value, lt: value, lte: value });
  }
  // The bond to the scope of a grant is this very operator.
  if (attribute === 'scopes') delete operands['in'];
  return Object.fromEntries(
    Object.entries(operands).map(([operator, operand]) => [operator, operand.map((each) => ({ [operator]: each }))]),
  );
}

/** Each operator as often as any other, then one of the attributes that it fits. */
function whereOf(declared: Readonly<Record<string, string>>, known: Values): fc.Arbitrary<ModelRule['where']> {
  const byOperator = new Map<string, (readonly [string, Test])[]>();
  for (const [attribute, type] of Object.entries(declared)) {
    for (const [operator, test] of Object.entries(testsOf(attribute, type, known))) {
      byOperator.set(operator, [...(byOperator.get(operator) ?? []), [attribute, test]]);
    }
  }
  const condition = fc
    .constantFrom(...byOperator.values())
    .chain((choices) => fc.constantFrom(...choices))
    .chain(([attribute, test]) => test.map((tests) => ({ [attribute]: tests })));
  return fc.array(condition, { minLength: 1, maxLength: 2 }).map((conditions) => {
    const where: Record<string, Readonly<Record<string, unknown>>> = {};
    for (const [attribute, tests] of conditions.flatMap((each) => Object.entries(each))) {
      where[attribute] = { ...where[attribute], ...tests };
    }
    return where;
  });
}

/** Documents as their subgraph describes them: attributes may be null, or missing. */
export function documents(known: Values, count: number): fc.Arbitrary<readonly Readonly<Record<string, unknown>>[]> {
  const attributes = Object.entries(SUBJECTS.Doc.attributes)
    .filter(([attribute]) => attribute !== 'id')
    .map(([attribute, declared]) => {
      const one = valueOf(attribute, elementOf(declared), known);
      const usual = declared.startsWith('list(') ? fc.array(one, { maxLength: 3 }) : one;
      return [attribute, fc.option(usual, { freq: 6 })] as const;
    });
  const document = fc.record<Record<string, unknown>>(Object.fromEntries(attributes), { requiredKeys: [] });
  return fc.array(document, { minLength: count, maxLength: count });
}

/** What rules are written about: one subject mostly, sometimes several, sometimes `all`. */
type Written = readonly SubjectName[] | 'all';

export interface Rule extends Omit<ModelRule, 'subject'> {
  readonly subject: Written;
}

const subjectsOf = (subject: Written): readonly SubjectName[] => (subject === 'all' ? NAMES : subject);

/** The attributes that all of them have, of the same type. */
function shared(subjects: readonly SubjectName[]): Record<string, string> {
  const [first = {}, ...others] = subjects.map((name): Readonly<Record<string, string>> => SUBJECTS[name].attributes);
  return Object.fromEntries(
    Object.entries(first).filter(([attribute, type]) => others.every((other) => other[attribute] === type)),
  );
}

function ruleOf(known: Values): fc.Arbitrary<Rule> {
  const single = (name: SubjectName, weight: number) => ({ weight, arbitrary: fc.constant<Written>([name]) });
  const written = fc.oneof(
    single('User', 8),
    single('Session', 4),
    single('Role', 2),
    single('Doc', 4),
    { weight: 1, arbitrary: fc.constant<Written>(['User', 'Session']) },
    { weight: 1, arbitrary: fc.constant<Written>('all') },
  );
  return written.chain((subject) => {
    const subjects = subjectsOf(subject);
    const attributes = shared(subjects);
    const isScoped = Object.values(attributes).includes('scope');
    const declared = isScoped ? { ...attributes, scopes: 'list(scope)' } : attributes;
    const [only] = subjects;
    const actions = subjects.length === 1 && only !== undefined ? SUBJECTS[only].actions : (['read'] as const);
    const named = fc.oneof(
      { weight: 2, arbitrary: fc.constant<readonly string[]>(['read']) },
      { weight: 2, arbitrary: fc.subarray<string>([...actions], { minLength: 1 }) },
      { weight: 1, arbitrary: fc.constant<readonly string[]>(['manage']) },
    );
    return fc.record({
      effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'allow', 'deny'),
      role: fc.constantFrom(...ROLES),
      action: named,
      subject: fc.constant(subject),
      fields: fc.option(fc.subarray(Object.keys(attributes), { minLength: 1 }), { freq: 2 }),
      where: fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 4, arbitrary: whereOf(declared, known) }),
      anywhere: fc.boolean(),
    });
  });
}

export interface Policy {
  readonly inherits: Readonly<Record<string, readonly string[]>>;
  readonly rules: readonly Rule[];
}

export function policyOf(known: Values): fc.Arbitrary<Policy> {
  return fc.record({
    inherits: fc.record(Object.fromEntries(ROLES.map((name, index) => [name, fc.subarray(ROLES.slice(index + 1))]))),
    rules: fc.array(ruleOf(known), { minLength: 8, maxLength: 24, size: 'max' }),
  });
}

/** The policy as the reference takes it: whatever stands for several words is written out. */
export function modelOf({ inherits, rules }: Policy): Model {
  const every = NAMES.flatMap((name): readonly string[] => SUBJECTS[name].actions);
  const written = rules.map(({ subject, action, ...rule }) => ({
    ...rule,
    subject: subjectsOf(subject),
    action: action.includes('manage') ? every : action,
  }));
  const administers = { effect: 'allow', role: ADMINISTRATOR, subject: NAMES, action: every } as const;
  return {
    scoped: ['User', 'Session', 'Doc'],
    inherits,
    rules: [...written, { ...administers, fields: null, where: {}, anywhere: false }],
  };
}

/** The policy as somebody would have written it. */
export function textOf({ inherits, rules }: Policy, others: readonly string[] = []): string {
  const asRules = (role: string, effect: string) =>
    rules
      .filter((rule) => rule.role === role && rule.effect === effect)
      .map(({ action, subject, fields, where, anywhere }) => ({
        action,
        subject,
        ...(fields !== null && { fields }),
        ...(Object.keys(where).length > 0 && { where }),
        ...(anywhere && { within: 'any' }),
      }));
  const bodies = ROLES.map((role) => {
    const parents = inherits[role] ?? [];
    return [
      role,
      { ...(parents.length > 0 && { inherits: parents }), allow: asRules(role, 'allow'), deny: asRules(role, 'deny') },
    ];
  });
  const administrator = [ADMINISTRATOR, { allow: [{ action: 'manage', subject: 'all' }] }];
  const all = Object.fromEntries([...bodies, administrator, ...others.map((name) => [name, {}])]);
  return stringify({ subjects: SUBJECTS, roles: all }, { aliasDuplicateObjects: false });
}

/** In force before any other: it has all roles that can be granted, and no rules but the administrator's. */
export const EMPTY: PolicyFile = { path: 'policies/empty.yaml', text: textOf({ inherits: {}, rules: [] }, ['omega']) };
