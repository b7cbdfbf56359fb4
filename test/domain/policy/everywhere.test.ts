import { expect, test } from '@jest/globals';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { readPolicyFiles } from '../../../src/drivers/files/policies.ts';

/** What is about all scopes at once is allowed by a role that is granted everywhere, and by no other. */

const CUSTOM = `
roles:
  anywhere: { allow: [{ action: [read, apply], subject: Policy, within: any }] }
  mixed: { allow: [{ action: manage, subject: [Policy, User] }] }
  never: { deny: [{ action: apply, subject: Policy }] }
`;

const files = [...(await readPolicyFiles('policies')), { path: 'policies/custom.yaml', text: CUSTOM }];
const engine = new Engine(parseBundle(files));
const holding = (...grants: readonly (readonly [role: string, scope: string | null])[]) =>
  engine.ability(
    { id: 'user_1', kind: 'user' },
    grants.map(([role, scope]) => ({ role, scope })),
  );
const record = (type: string) => ({ __typename: type, id: 'x' });
const may = (ability: ReturnType<typeof holding>, action: string, type: string): boolean =>
  engine.decide(ability, action, record(type)).allowed;

const HOUSE = [
  ['apply', 'Policy'],
  ['create', 'Role'],
  ['update', 'Role'],
  ['delete', 'Role'],
  ['read', 'SigningKey'],
  ['rotate', 'SigningKey'],
  ['revoke', 'SigningKey'],
  ['read', 'Analytics'],
  ['read', 'SystemHealth'],
  ['read', 'Revocation'],
  ['trust', 'Gateway'],
] as const;

test.each(HOUSE)('%s on %s', (action, type) => {
  const [everywhere, keeper] = [holding(['administrator', null]), holding(['administrator', 'acme'])];
  expect(may(everywhere, action, type)).toBe(true);
  expect(engine.decide(keeper, action, record(type))).toMatchObject({
    allowed: false,
    reason: `No role that is granted everywhere allows ${action} on ${type}.`,
    rule: null,
  });
  // CASL, filters and explanations say the same.
  const rules = engine.plainRules(keeper).filter(({ subject }) => subject.includes(type));
  expect(rules.filter((rule) => rule.action.includes(action))).toEqual([]);
  expect(engine.casl(keeper).can(action, record(type))).toBe(false);
  expect(engine.casl(everywhere).can(action, record(type))).toBe(true);
  expect(engine.filter(keeper, action, type).kind).toBe('none');
  expect(engine.explain(keeper, action, record(type)).needs).toEqual([
    { kind: 'grant', role: 'administrator', scope: null },
  ]);
});

test('what is not about all scopes holds in the scope of its grant as before', () => {
  const keeper = holding(['administrator', 'acme']);
  expect(may(keeper, 'read', 'Policy')).toBe(true);
  expect(may(keeper, 'grant', 'Role')).toBe(true);
  const userAt = (scope: string) => ({ __typename: 'User', id: 'user_2', scope, scopes: [scope] });
  expect(engine.decide(keeper, 'disable', userAt('acme')).allowed).toBe(true);
  expect(engine.decide(keeper, 'disable', userAt('globex')).allowed).toBe(false);
});

test('a rule that says `within: any`, or speaks of other things as well, is no way around it', () => {
  expect(may(holding(['anywhere', 'acme']), 'apply', 'Policy')).toBe(false);
  expect(may(holding(['anywhere', 'acme']), 'read', 'Policy')).toBe(true);
  expect(may(holding(['anywhere', null]), 'apply', 'Policy')).toBe(true);
  expect(may(holding(['mixed', 'acme']), 'apply', 'Policy')).toBe(false);
  expect(may(holding(['mixed', 'acme']), 'read', 'Policy')).toBe(true);
  expect(may(holding(['mixed', 'acme'], ['mixed', null]), 'apply', 'Policy')).toBe(true);
});

test('what a role that is granted in a scope denies of it is denied', () => {
  expect(may(holding(['administrator', null], ['never', 'acme']), 'apply', 'Policy')).toBe(false);
});

test('whoever gives a role in a scope need not have what it does not allow there', () => {
  expect(engine.lacking(holding(['auditor', 'acme']), holding(['auditor', 'acme/shop']))).toEqual([]);
  const lacking = engine.lacking(holding(['administrator', 'acme']), holding(['administrator', null]));
  expect(lacking).toEqual(expect.arrayContaining([expect.objectContaining({ action: 'apply', subject: 'Policy' })]));
});
