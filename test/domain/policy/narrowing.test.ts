import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Engine } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { permissionOf } from '../../../src/domain/policy/narrowing.ts';
import { policy, questions, written } from './arbitraries.ts';
import { holds } from './filter-reading.ts';

test('AC-49d: who comes with some permissions may exactly what they name of what they may with all, in every way of asking', () => {
  let [allowed, withheld] = [0, 0];
  const property = fc.property(
    policy,
    questions,
    fc.infiniteStream(fc.boolean()),
    (model, { actors, subjects, requests }, kept) => {
      const bundle = parseBundle([{ path: 'policies/random.yaml', text: written(model) }]);
      const [engine, later] = [new Engine(bundle), new Engine(bundle)];
      const permissions = [...engine.permissions].filter(() => kept.next().value === true);
      for (const { principal, grants } of actors) {
        const all = engine.ability(principal, grants);
        const some = engine.ability(principal, grants, permissions);
        expect(engine.lacking(all, some)).toEqual([]);
        for (const { action, field } of requests) {
          for (const subject of subjects) {
            const may = engine.decide(all, action, subject, field).allowed;
            const named = permissions.includes(permissionOf(action, subject.__typename));
            const { allowed: mayNow, reason } = engine.decide(some, action, subject, field);
            expect(mayNow).toBe(may && named);
            // Decided by another engine, as after a change of policy, it is no wider.
            expect(later.decide(some, action, subject, field).allowed).toBe(mayNow);
            expect(holds(engine.filter(some, action, subject.__typename, field), { ...subject })).toBe(mayNow);
            allowed += Number(mayNow);
            withheld += Number(may && !named);
            if (may && !named) expect(reason).toMatch(/^This API key does not have the permission \w+:\w+\.$/);
          }
        }
        const rules = engine.plainRules(some).filter(({ inverted }) => inverted !== true);
        for (const { action, subject } of rules) {
          for (const each of [action].flat()) {
            for (const type of [subject].flat()) expect(permissions).toContain(permissionOf(each, type));
          }
        }
      }
    },
  );
  fc.assert(property, { numRuns: 100 });
  expect(Math.min(allowed, withheld)).toBeGreaterThan(300);
});
