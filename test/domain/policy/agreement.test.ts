import { createMongoAbility, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { type PackRule, unpackRules } from '@casl/ability/extra';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { policy, question, written } from './arbitraries.ts';
import { allows } from './reference.ts';

/** Each is asked two to four questions. `POLICIES=20000` looks longer. */
const policies = Number(process.env['POLICIES'] ?? 1_000);

/** What a browser does with the rules it is sent. */
function inBrowser(packed: readonly unknown[]): MongoAbility {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- that these are packed rules is what is tested.
  const rules = unpackRules(JSON.parse(JSON.stringify(packed)) as PackRule<RawRuleOf<MongoAbility>>[]);
  return createMongoAbility(rules, { detectSubjectType: (record) => record['__typename'] });
}

test('the engine, plain CASL on its packed rules and an independent reading of the language decide alike', () => {
  let allowed = 0;
  let asked = 0;
  const property = fc.property(policy, fc.array(question, { minLength: 2, maxLength: 4 }), (model, questions) => {
    const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text: written(model) }]));
    for (const each of questions) {
      const { principal, grants, action, subject, field } = each;
      const ability = engine.ability(principal, grants);
      const decision = engine.decide(ability, action, subject, field);
      const { __typename: type } = subject;
      const known = engine.isKnown(action, type, field);
      const expected = known && allows(model, each);
      asked += 1;
      allowed += Number(expected);

      expect(decision.allowed).toBe(expected);
      if (known) expect(ability.can(action, subject, field)).toBe(expected);
      if (known) expect(inBrowser(engine.packedRules(ability)).can(action, subject, field)).toBe(expected);
      expect(engine.explain(ability, action, subject, field).rule?.rule ?? null).toBe(decision.rule);
    }
  });
  fc.assert(property, { numRuns: policies });
  expect(asked).toBeGreaterThanOrEqual(2 * policies);
  // Agreement is worth something only while both answers are common.
  expect(allowed / asked).toBeGreaterThan(0.1);
  expect(allowed / asked).toBeLessThan(0.9);
}, 600_000);

test('any deny that matches wins, however many roles and files allow', () => {
  const property = fc.property(policy, question, ({ rules, ...model }, each) => {
    const denying = {
      ...rules[0],
      effect: 'deny',
      role: 'delta',
      action: ['read'],
      subject: ['Doc'],
      fields: null,
      where: {},
      anywhere: true,
    } as const;
    const text = written({ ...model, rules: [...rules, denying] });
    const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text }]));
    const ability = engine.ability(each.principal, [...each.grants, { role: 'delta', scope: 'globex' }]);
    expect(engine.decide(ability, 'read', { ...each.subject, __typename: 'Doc' }, each.field).allowed).toBe(false);
  });
  fc.assert(property, { numRuns: 200 });
});

test('the version does not depend on the order of the rules', () => {
  const property = fc.property(policy, ({ rules, ...model }) => {
    const versions = [rules, rules.toReversed()].map(
      (ordered) => parseBundle([{ path: 'a.yaml', text: written({ ...model, rules: ordered }) }]).version,
    );
    expect(versions[0]).toBe(versions[1]);
  });
  fc.assert(property, { numRuns: 100 });
});
