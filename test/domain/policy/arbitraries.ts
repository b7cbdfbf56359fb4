import * as fc from 'fast-check';
import { stringify } from 'yaml';
import type { Model, ModelGrant, ModelQuestion, ModelRule } from './reference.ts';

/** Random policies over a small vocabulary, so that rules, grants and records often meet. */
const kinds = {
  Doc: {
    actions: ['read', 'update', 'delete'],
    attributes: {
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
  Box: { actions: ['read', 'update'], attributes: { owner: 'id', count: 'number', tags: 'list(string)' } },
};

const times = ['2025-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.001Z'];
const scopes = ['acme', 'acme/platform', 'acme/platform/api', 'acme2', 'globex'];
const roles = ['alpha', 'beta', 'gamma', 'delta'];

const values: Record<string, fc.Arbitrary<unknown>> = {
  owner: fc.constantFrom('p1', 'p2', 's1'),
  title: fc.constantFrom('a', 'p1', 'p1@acme', 'user'),
  count: fc.integer({ min: -1, max: 2 }),
  open: fc.boolean(),
  state: fc.constantFrom('draft', 'done'),
  tags: fc.constantFrom('a', 'b', 'p1', 'p1@acme'),
  sizes: fc.integer({ min: 0, max: 2 }),
  at: fc.constantFrom(...times),
  place: fc.constantFrom(...scopes),
};
const templates: Record<string, readonly string[]> = {
  owner: ['${principal.id}', '${principal.sessionId}'],
  title: ['${principal.email}', '${principal.kind}'],
  tags: ['${principal.email}', '${principal.id}'],
  state: ['${principal.kind}'],
  place: ['${principal.scope}'],
};

const value = (attribute: string): fc.Arbitrary<unknown> => values[attribute] ?? fc.constant(null);
const operand = (attribute: string): fc.Arbitrary<unknown> => {
  const known = templates[attribute];
  if (known === undefined) return value(attribute);
  return fc.oneof({ weight: 3, arbitrary: value(attribute) }, { weight: 1, arbitrary: fc.constantFrom(...known) });
};
const several = (attribute: string) => fc.array(operand(attribute), { minLength: 1, maxLength: 3 });

function testsOf(attribute: string): fc.Arbitrary<Record<string, unknown>> {
  const equality = {
    eq: fc.oneof(operand(attribute), fc.constant(null)),
    ne: fc.oneof(operand(attribute), fc.constant(null)),
  };
  const membership = { in: several(attribute), nin: several(attribute) };
  const order = { gt: value(attribute), gte: value(attribute), lt: value(attribute), lte: value(attribute) };
  const there = { exists: fc.boolean() };
  const lists = {
    all: several(attribute),
    size: fc.integer({ min: 0, max: 2 }),
    elemMatch: fc.record({ ne: operand(attribute), in: several(attribute) }, { requiredKeys: ['in'] }),
  };
  let possible: Record<string, fc.Arbitrary<unknown>> = { ...equality, ...membership, ...there };
  if (attribute === 'open') possible = { ...equality, ...there };
  if (attribute === 'count' || attribute === 'at') possible = { ...possible, ...order };
  if (attribute === 'tags' || attribute === 'sizes') possible = { ...possible, ...lists };
  const single = Object.entries(possible).map(([operator, arbitrary]) =>
    arbitrary.map((chosen) => ({ [operator]: chosen })),
  );
  return fc.array(fc.oneof(...single), { minLength: 1, maxLength: 2 }).map((tests) => Object.assign({}, ...tests));
}

const rule: fc.Arbitrary<ModelRule> = fc
  .constantFrom<readonly ('Doc' | 'Box')[]>(['Doc'], ['Doc'], ['Box'], ['Doc', 'Box'])
  .chain((subject) => {
    const shared = subject.includes('Box') ? kinds.Box : kinds.Doc;
    const attributes = Object.keys(shared.attributes);
    const where = fc
      .oneof(fc.constant([]), fc.subarray(attributes, { minLength: 1, maxLength: 2 }))
      .chain((chosen) => fc.record(Object.fromEntries(chosen.map((attribute) => [attribute, testsOf(attribute)]))));
    return fc.record({
      effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'allow', 'deny'),
      role: fc.constantFrom(...roles),
      action: fc.subarray(shared.actions, { minLength: 1 }),
      subject: fc.constant(subject),
      fields: fc.option(fc.subarray(attributes, { minLength: 1 }), { freq: 1 }),
      where,
      anywhere: fc.boolean(),
    });
  });

const narrowRule: fc.Arbitrary<ModelRule> = fc
  .subarray(['owner', 'title', 'state', 'tags', 'count'], { minLength: 1, maxLength: 3 })
  .chain((chosen) => {
    const equalities = chosen.map((attribute) => {
      const equals = operand(attribute).map((eq) => ({ eq }));
      return [
        attribute,
        fc.oneof(
          { weight: 3, arbitrary: equals },
          several(attribute).map((list) => ({ in: list })),
        ),
      ];
    });
    return fc.record({
      effect: fc.constantFrom<'allow' | 'deny'>('allow', 'allow', 'allow', 'allow', 'deny'),
      role: fc.constantFrom(...roles),
      action: fc.constant(['read']),
      subject: fc.constant(['Doc']),
      fields: fc.option(fc.constantFrom(['owner'], ['owner', 'count']), { freq: 5 }),
      where: fc.record(Object.fromEntries(equalities)),
      anywhere: fc.boolean(),
    });
  });

/** Roles inherit only from later ones: no circles. */
export const policy: fc.Arbitrary<Model> = fc.record({
  scoped: fc.constant(['Doc']),
  inherits: fc.record(Object.fromEntries(roles.map((name, index) => [name, fc.subarray(roles.slice(index + 1))]))),
  rules: fc.array(rule, { minLength: 2, maxLength: 8 }),
});

/** So many rules about so little that they are looked up and not asked one after the other. */
export const crowdedPolicy: fc.Arbitrary<Model> = fc.record({
  scoped: fc.constant(['Doc']),
  inherits: fc.constant({ alpha: ['beta'], beta: ['gamma', 'delta'], gamma: [], delta: [] }),
  rules: fc.array(fc.oneof({ weight: 1, arbitrary: rule }, { weight: 3, arbitrary: narrowRule }), {
    minLength: 30,
    maxLength: 60,
  }),
});

const facts = {
  email: fc.constantFrom('p1@acme', ''),
  scope: fc.constantFrom('acme', null),
  kind: fc.constantFrom('user', 'draft'),
  sessionId: fc.constantFrom('s1', 7),
};

/** What no database should hold, and an attribute may be all the same. */
const stray = fc.constantFrom<unknown>(null, undefined, '', '1', 1, 0, -0, true, false, 'constructor', '__proto__');

/** Mostly of the declared type; sometimes null, nothing, undefined, or of another type. */
export const record = fc.constantFrom<'Doc' | 'Box'>('Doc', 'Doc', 'Box').chain((type) => {
  const attributes = Object.keys(kinds[type].attributes).map((attribute) => {
    const listed = fc.array(value(attribute), { maxLength: 3 });
    const usual = attribute === 'tags' || attribute === 'sizes' ? listed : value(attribute);
    return [
      attribute,
      fc.oneof(
        { weight: 8, arbitrary: usual },
        { weight: 1, arbitrary: fc.constant(null) },
        { weight: 1, arbitrary: listed },
        { weight: 1, arbitrary: stray },
        { weight: 1, arbitrary: fc.array(stray, { maxLength: 2 }) },
      ),
    ] as const;
  });
  return fc
    .record(Object.fromEntries(attributes), { requiredKeys: [] })
    .map((taken): { __typename: string; id: string; place?: unknown } => ({
      ...taken,
      ...(type === 'Doc' && { scopes: ancestors(taken['place']) }),
      id: 'd1',
      __typename: type,
    }));
});

function ancestors(path: unknown): readonly string[] {
  if (typeof path !== 'string') return [];
  return path.split('/').map((_, index, segments) => segments.slice(0, index + 1).join('/'));
}

export const actor = fc.record({
  principal: fc.record({ id: fc.constantFrom('p1', 'p2'), ...facts }, { requiredKeys: ['id'] }),
  grants: fc.array(
    fc.record({
      role: fc.constantFrom(...roles, 'removed'),
      scope: fc.constantFrom(null, null, ...scopes.slice(0, 4)),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

export const request = fc.record({
  action: fc.constantFrom('read', 'read', 'read', 'update', 'delete'),
  field: fc.constantFrom(undefined, undefined, 'owner', 'count', 'tags'),
});

export interface ManyQuestions {
  readonly actors: readonly {
    readonly principal: ModelQuestion['principal'] & { id: string };
    readonly grants: ModelGrant[];
  }[];
  readonly subjects: readonly (ModelQuestion['subject'] & { __typename: string; id: string })[];
  readonly requests: readonly { readonly action: string; readonly field: string | undefined }[];
}

/** Everybody asks everything of every record: five times six times three questions. */
export const questions: fc.Arbitrary<ManyQuestions> = fc.record({
  actors: fc.array(actor, { minLength: 5, maxLength: 5 }),
  subjects: fc.array(record, { minLength: 6, maxLength: 6 }),
  requests: fc.array(request, { minLength: 3, maxLength: 3 }),
});
export const questionsEach = 5 * 6 * 3;

export const question = fc
  .tuple(actor, record, request)
  .map(([actor, subject, request]) => ({ ...actor, subject, ...request }));

/** The policy as somebody would have written it. */
export function written({ inherits, rules }: Model): string {
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
  const bodies = roles.map((role) => {
    const parents = inherits[role] ?? [];
    return [
      role,
      { ...(parents.length > 0 && { inherits: parents }), allow: asRules(role, 'allow'), deny: asRules(role, 'deny') },
    ];
  });
  return stringify({ subjects: kinds, roles: Object.fromEntries(bodies) }, { aliasDuplicateObjects: false });
}
