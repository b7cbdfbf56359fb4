import { expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { Bundle } from '../../../src/domain/policy/bundle.ts';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { describeNeed, type Need, type Situation, withNeed } from '../../../src/domain/policy/needs.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { label } from '../../../src/domain/policy/problems.ts';
import { templateValues } from '../../../src/domain/policy/templates.ts';
import { policy, question, written } from './arbitraries.ts';

/** `POLICY_CASES=2000000` looks longer. */
const cases = Number(process.env['POLICY_CASES'] ?? 120_000);
jest.setTimeout(60_000 + cases);

const bundleOf = (text: string) => parseBundle([{ path: 'policies/docs.yaml', text }]);

/** The policy without the denies that are said to stand in the way. */
function withoutDenies(bundle: Bundle, needs: readonly Need[]): Bundle {
  const lifted = new Set(needs.flatMap((need) => (need.kind === 'deny' ? [need.rule] : [])));
  const roles = [...bundle.roles].map(
    ([name, role]) => [name, { ...role, rules: role.rules.filter(({ place }) => !lifted.has(label(place))) }] as const,
  );
  return { ...bundle, roles: new Map(roles) };
}

/** Makes everything as it would have to be, and asks again. */
function allowedThen(bundle: Bundle, action: string, situation: Situation, needs: readonly Need[]): boolean {
  const scoped = situation.subject.__typename === 'Doc' ? 'place' : undefined;
  const { principal, grants, subject, field } = needs.reduce((all, need) => withNeed(all, need, scoped), situation);
  const engine = new Engine(withoutDenies(bundle, needs));
  const facts = { ...principal, id: principal.id ?? '' };
  return engine.decide(engine.ability(facts, grants), action, subject, field).allowed;
}

test('what a denial is said to need makes it an allow', () => {
  const counts = { denied: 0, answered: 0, possible: 0 };
  const property = fc.property(policy, question, (model, { principal, grants, action, subject, field }) => {
    const bundle = bundleOf(written(model));
    const engine = new Engine(bundle);
    const { decision, needs } = engine.explain(engine.ability(principal, grants), action, subject, field);
    if (decision.allowed) {
      expect(needs).toBeNull();
      return;
    }
    counts.denied += 1;
    const { __typename: type } = subject;
    const speaking = model.rules.filter(
      (rule) => rule.effect === 'allow' && rule.action.includes(action) && rule.subject.includes(type),
    );
    counts.possible += Number(speaking.length > 0 && engine.isKnown(action, type, field));
    if (needs === null) return;
    counts.answered += 1;
    expect(needs.length).toBeGreaterThan(0);
    const situation = { principal: templateValues(principal), grants, subject: { ...subject }, field };
    if (!allowedThen(bundle, action, situation, needs)) {
      expect({ situation, needs: needs.map(describeNeed) }).toBe('allowed');
    }
  });
  fc.assert(property, { numRuns: Math.ceil(cases / 100) });
  expect(counts.denied).toBeGreaterThan(500);
  // Some rules contradict themselves: nothing would make those match.
  expect(counts.answered / counts.possible).toBeGreaterThan(0.9);
});
