import { createMongoAbility, type MongoAbility, type RawRuleOf } from '@casl/ability';
import { type PackRule, unpackRules } from '@casl/ability/extra';
import { expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import {
  crowdedPolicy,
  type ManyQuestions,
  policy,
  question,
  questions,
  questionsEach,
  written,
} from './arbitraries.ts';
import { allows, type Model } from './reference.ts';

/** `POLICY_CASES=2000000` looks longer. */
const cases = Number(process.env['POLICY_CASES'] ?? 120_000);
jest.setTimeout(60_000 + cases);

/** What a browser does with the rules it is sent. */
function inBrowser(packed: readonly unknown[]): MongoAbility {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- that these are packed rules is what is tested.
  const rules = unpackRules(JSON.parse(JSON.stringify(packed)) as PackRule<RawRuleOf<MongoAbility>>[]);
  return createMongoAbility(rules, { detectSubjectType: (record) => record['__typename'] });
}

/** Asks all of it: of the engine, of CASL with the same rules here and in a browser, and of the reference. */
function agree(model: Model, { actors, subjects, requests }: ManyQuestions, count: (allowed: boolean) => void): void {
  const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text: written(model) }]));
  for (const { principal, grants } of actors) {
    const ability = engine.ability(principal, grants);
    const casl = inBrowser(engine.packedRules(ability));
    for (const subject of subjects) {
      for (const { action, field } of requests) {
        const known = engine.isKnown(action, subject.__typename, field);
        const expected = known && allows(model, { principal, grants, action, subject, field });
        const decision = engine.decide(ability, action, subject, field);
        const scan = ability.roleSet
          .group(subject.__typename, action)
          ?.rules.find((rule) => rule.appliesInCasl(subject, ability, field));

        const answers = [expected, decision.allowed, known && casl.can(action, subject, field)];
        if (answers.some((answer) => answer !== expected)) {
          expect({ principal, grants, action, subject, field, answers }).toBe('of one mind');
        }
        if (known && decision.rule !== (scan?.decision.rule ?? null)) expect(decision).toEqual(scan?.decision);
        count(expected);
      }
    }
  }
}

test.each([
  { of: 'policies of a few rules', policies: policy, share: 0.6 },
  { of: 'policies whose rules are looked up', policies: crowdedPolicy, share: 0.4 },
])(
  'AC-94: the engine, plain CASL on its rules and an independent reading of the language agree about $of',
  ({ policies, share }) => {
    let allowed = 0;
    let asked = 0;
    const property = fc.property(policies, questions, (model, many) =>
      agree(model, many, (answer) => {
        asked += 1;
        allowed += Number(answer);
      }),
    );
    fc.assert(property, { numRuns: Math.ceil((cases * share) / questionsEach) });
    expect(asked).toBeGreaterThanOrEqual(cases * share);
    // Agreement is worth something only while both answers are common.
    expect(allowed / asked).toBeGreaterThan(0.1);
    expect(allowed / asked).toBeLessThan(0.9);
  },
);

test('an explanation names the rule that decided', () => {
  const property = fc.property(policy, question, (model, { principal, grants, action, subject, field }) => {
    const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text: written(model) }]));
    const ability = engine.ability(principal, grants);
    const { decision, rule } = engine.explain(ability, action, subject, field);
    expect(decision).toEqual(engine.decide(ability, action, subject, field));
    expect(rule?.rule ?? null).toBe(decision.rule);
  });
  fc.assert(property, { numRuns: 300 });
});

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
