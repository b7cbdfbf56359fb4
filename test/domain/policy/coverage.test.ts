import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Engine, type GrantFacts } from '../../../src/domain/policy/engine.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { readPolicyFiles } from '../../../src/drivers/files/policies.ts';
import { actor, policy, record, written } from './arbitraries.ts';

/** That whoever lacks nothing of what a role allows may do whatever its holder may. */

jest.setTimeout(60_000);

const ACTIONS = ['read', 'update', 'delete'];
const FIELDS = [undefined, 'owner', 'title', 'count', 'open', 'state', 'tags', 'sizes', 'at', 'place'];
const PLACES = [null, 'acme', 'acme/platform', 'acme/platform/api', 'acme2', 'globex'];

const given = fc.record({
  role: fc.constantFrom('alpha', 'beta', 'gamma', 'delta'),
  scope: fc.constantFrom(...PLACES),
});
const engineOf = (text: string) => new Engine(parseBundle([{ path: 'policies/random.yaml', text }]));

describe('nothing is lacking only where nothing is', () => {
  test('whatever the policy, and whoever asks: nobody may do by the given roles what the giver may not', () => {
    let covered = 0;
    let permits = 0;
    const property = fc.property(
      policy,
      fc.array(actor, { minLength: 4, maxLength: 4 }),
      fc.array(given, { minLength: 1, maxLength: 2 }),
      fc.array(record, { minLength: 8, maxLength: 8 }),
      (model, actors, needed, records) => {
        const engine = engineOf(written(model));
        // As often as not, the giver holds what is given, somewhere, beside other things.
        const elsewhere = needed.map(({ role, scope }) => ({ role, scope: scope?.split('/')[0] ?? null }));
        for (const [index, { principal, grants }] of actors.entries()) {
          const held = engine.ability(principal, index % 2 === 0 ? grants : [...grants, ...elsewhere]);
          const theirs = engine.ability(principal, needed);
          if (engine.lacking(held, theirs).length > 0) continue;
          covered += 1;
          for (const subject of records) {
            for (const action of ACTIONS) {
              for (const field of FIELDS) {
                if (!engine.decide(theirs, action, subject, field).allowed) continue;
                permits += 1;
                const { allowed } = engine.decide(held, action, subject, field);
                if (!allowed) expect({ principal, grants, needed, action, subject, field }).toBe('lacking');
              }
            }
          }
        }
      },
    );
    fc.assert(property, { numRuns: 700 });
    // It says something only where much is given that is not lacking.
    expect(covered).toBeGreaterThan(400);
    expect(permits).toBeGreaterThan(5_000);
  });

  test('of their own nobody lacks anything, nor of a part of it further down', () => {
    const property = fc.property(policy, given, ({ rules, ...model }, { role }) => {
      const engine = engineOf(written({ ...model, rules }));
      const facts = { id: 'p1' };
      const ability = (scope: string | null) => engine.ability(facts, [{ role, scope }]);
      expect(engine.lacking(ability('acme'), ability('acme'))).toEqual([]);
      const isWithoutDenies = rules.every(({ effect }) => effect === 'allow');
      if (isWithoutDenies) expect(engine.lacking(ability('acme'), ability('acme/platform'))).toEqual([]);
    });
    fc.assert(property, { numRuns: 300 });
  });
});

const SUBJECTS = `
subjects:
  Doc:
    actions: [read, update, delete]
    attributes: { id: id, owner: id, title: string, count: number, state: 'enum(draft, done)', place: scope }
  Box: { actions: [read, update], attributes: { id: id, owner: id } }
`;

/** Two roles, each with these rules: what `giver` holds and what is `given`. */
function lackingOf(
  giver: string,
  given: string,
  { at = null, held = null }: { at?: string | null; held?: string | null } = {},
) {
  const engine = engineOf(`${SUBJECTS}\nroles: { giver: { ${giver} }, given: { ${given} } }`);
  const facts = { id: 'p1', email: 'p1@acme', scope: 'acme' };
  const ability = (grant: GrantFacts) => engine.ability(facts, [grant]);
  return engine
    .lacking(ability({ role: 'giver', scope: held }), ability({ role: 'given', scope: at }))
    .map(({ action, subject }) => `${action} ${subject}`);
}

const allow = (rule: string) => `allow: [{ ${rule} }]`;
const READ = 'action: read, subject: Doc';

describe('something is lacking', () => {
  test.each([
    ['an action', allow(READ), allow('action: [read, update], subject: Doc'), ['update Doc']],
    ['a subject', allow(READ), allow('action: read, subject: [Doc, Box]'), ['read Box']],
    ['any action', allow(READ), allow('action: manage, subject: Doc'), ['update Doc', 'delete Doc']],
    ['any field', allow(`${READ}, fields: [title]`), allow(READ), ['read Doc']],
    ['a field', allow(`${READ}, fields: [title]`), allow(`${READ}, fields: [title, owner]`), ['read Doc']],
    ['all records', allow(`${READ}, where: { owner: p1 }`), allow(READ), ['read Doc']],
    [
      'records of another kind',
      allow(`${READ}, where: { owner: p1 }`),
      allow(`${READ}, where: { owner: p2 }`),
      ['read Doc'],
    ],
    [
      'records under fewer conditions',
      allow(`${READ}, where: { owner: p1, state: draft }`),
      allow(`${READ}, where: { owner: p1 }`),
      ['read Doc'],
    ],
    [
      'what is denied to the giver alone',
      `${allow(READ)}, deny: [{ ${READ}, where: { state: done } }]`,
      allow(READ),
      ['read Doc'],
    ],
    [
      'a field that is denied to the giver alone',
      `${allow(READ)}, deny: [{ ${READ}, fields: [title] }]`,
      allow(READ),
      ['read Doc'],
    ],
    [
      'what is denied to the other under more conditions',
      `${allow(READ)}, deny: [{ ${READ}, where: { state: done } }]`,
      `${allow(READ)}, deny: [{ ${READ}, where: { state: done, owner: p1 } }]`,
      ['read Doc'],
    ],
    [
      'what is denied to the other in fewer fields',
      `${allow(READ)}, deny: [{ ${READ}, fields: [title, owner] }]`,
      `${allow(READ)}, deny: [{ ${READ}, fields: [title] }]`,
      ['read Doc'],
    ],
  ])('%s', (_, giver, given, expected) => {
    expect(lackingOf(giver, given)).toEqual(expected);
  });

  test.each([
    ['everywhere', 'acme', null],
    ['in the scope above', 'acme/platform', 'acme'],
    ['in another scope', 'acme', 'globex'],
    ['in a scope whose name begins so', 'acme', 'acme2'],
  ])('%s, for one who may at one scope', (_, held, at) => {
    expect(lackingOf(allow(READ), allow(READ), { held, at })).toEqual(['read Doc']);
  });

  test('what holds in any scope, for one who may at one', () => {
    const rule = allow(`${READ}, within: any`);
    expect(lackingOf(allow(READ), rule, { held: 'acme', at: 'acme' })).toEqual(['read Doc']);
    expect(lackingOf(rule, allow(READ), { held: 'acme', at: null })).toEqual([]);
  });

  test('below, where a deny of the giver alone holds', () => {
    const engine = engineOf(`${SUBJECTS}\nroles: { reader: { ${allow(READ)} }, barred: { deny: [{ ${READ} }] } }`);
    const ability = (...grants: readonly GrantFacts[]) => engine.ability({ id: 'p1' }, grants);
    const held = ability({ role: 'reader', scope: null }, { role: 'barred', scope: 'acme/platform' });
    const lacks = (scope: string | null) => engine.lacking(held, ability({ role: 'reader', scope })).length > 0;
    expect([null, 'acme', 'acme/platform', 'acme/platform/api'].map(lacks)).toEqual([true, true, true, true]);
    expect(['acme2', 'globex', 'acme/other'].map(lacks)).toEqual([false, false, false]);
  });
});

describe('nothing is lacking', () => {
  test.each([
    ['of the same', allow(READ), allow(READ)],
    ['of less', allow('action: manage, subject: all'), allow(`${READ}, fields: [title], where: { owner: p1 }`)],
    [
      'of fields that several rules bring',
      `allow: [{ ${READ}, fields: [title] }, { ${READ}, fields: [owner, count] }]`,
      allow(`${READ}, fields: [title, owner]`),
    ],
    [
      'under the same conditions in another order',
      allow(`${READ}, where: { owner: p1, state: draft }`),
      allow(`${READ}, where: { state: draft, owner: p1 }`),
    ],
    [
      'of what concerns oneself',
      allow(`${READ}, where: { owner: '\${principal.id}' }`),
      allow(`${READ}, where: { owner: '\${principal.id}' }`),
    ],
    [
      'where the other is denied as much',
      `${allow(READ)}, deny: [{ ${READ}, where: { state: done, owner: p1 } }]`,
      `${allow(READ)}, deny: [{ ${READ}, where: { state: done } }]`,
    ],
    [
      'where the deny speaks of other fields',
      `${allow(READ)}, deny: [{ ${READ}, fields: [title] }]`,
      allow(`${READ}, fields: [owner]`),
    ],
    ['of a role that allows nothing', allow(READ), `deny: [{ ${READ} }]`],
  ])('%s', (_, giver, given) => {
    expect(lackingOf(giver, given)).toEqual([]);
  });
});

describe('under the policy that Castellan starts with', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = new Engine(parseBundle(await readPolicyFiles(join(import.meta.dirname, '../../../policies'))));
  });
  const lacks = (held: readonly GrantFacts[], needed: GrantFacts) => {
    const facts = { id: 'user_1', email: 'a@example.com', scope: 'acme' };
    return engine.lacking(engine.ability(facts, held), engine.ability(facts, [needed])).length > 0;
  };
  const at = (scope: string | null, ...roles: readonly string[]) => roles.map((role) => ({ role, scope }));

  test.each([
    ['an administrator gives every role everywhere', at(null, 'administrator'), at(null, 'support', 'service')],
    ['and at a scope', at(null, 'administrator'), at('acme', 'support', 'administrator', 'member', 'auditor')],
    ['support gives support at its scope and below', at('acme', 'support'), at('acme', 'support')],
    ['below', at('acme', 'support'), at('acme/platform/api', 'support')],
    ['a member gives member', at(null, 'member'), [...at(null, 'member'), ...at('acme', 'member')]],
    [
      'an administrator of a scope who is a member gives what is there and below',
      [...at('acme', 'administrator'), ...at(null, 'member')],
      [...at('acme', 'support', 'administrator'), ...at('acme/platform', 'member', 'service')],
    ],
  ])('%s', (_, held, needed) => {
    expect(needed.filter((grant) => lacks(held, grant))).toEqual([]);
  });

  test.each([
    ['support gives no administrator', at(null, 'support'), at(null, 'administrator')],
    ['nor at a scope', at('acme', 'support'), at('acme', 'administrator')],
    [
      'support does not give itself elsewhere',
      at('acme', 'support'),
      [...at(null, 'support'), ...at('acm', 'support')],
    ],
    [
      'nor does an administrator of a scope',
      [...at('acme', 'administrator'), ...at(null, 'member')],
      [...at(null, 'support', 'administrator'), ...at('acme2', 'service', 'administrator')],
    ],
    ['a member gives no support, wherever', at(null, 'member'), [...at(null, 'support'), ...at('acme', 'support')]],
    ['one who holds nothing gives nothing', [], at('acme', 'member', 'support', 'service', 'auditor', 'administrator')],
  ])('%s', (_, held, needed) => {
    expect(needed.filter((grant) => !lacks(held, grant))).toEqual([]);
  });
});
