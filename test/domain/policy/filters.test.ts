import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { Engine, type GrantFacts, type PrincipalFacts } from '../../../src/domain/policy/engine.ts';
import { ALL, and, NONE, not, or, type Filter } from '../../../src/domain/policy/filter.ts';
import { parseBundle } from '../../../src/domain/policy/parse.ts';
import { crowdedPolicy, type ManyQuestions, policy, questions, written } from './arbitraries.ts';
import { holds } from './filter-reading.ts';
import type { Model } from './reference.ts';

function agree(model: Model, { actors, subjects, requests }: ManyQuestions, count: (allowed: boolean) => void): void {
  const engine = new Engine(parseBundle([{ path: 'policies/random.yaml', text: written(model) }]));
  for (const { principal, grants } of actors) {
    const ability = engine.ability(principal, grants);
    for (const { action, field } of requests) {
      for (const subject of subjects) {
        const filter = engine.filter(ability, action, subject.__typename, field);
        const { allowed } = engine.decide(ability, action, subject, field);
        const found = holds(filter, { ...subject });
        if (found !== allowed) expect({ principal, grants, action, subject, field, filter, found }).toBe(allowed);
        count(allowed);
      }
    }
  }
}

test.each([
  { of: 'policies of a few rules', policies: policy, runs: 250 },
  { of: 'policies of many rules', policies: crowdedPolicy, runs: 60 },
])('AC-87: a filter holds for exactly the records that would be allowed, in $of', ({ policies, runs }) => {
  let [asked, allowed] = [0, 0];
  const property = fc.property(policies, questions, (model, many) =>
    agree(model, many, (answer) => {
      asked += 1;
      allowed += Number(answer);
    }),
  );
  fc.assert(property, { numRuns: runs });
  expect(allowed / asked).toBeGreaterThan(0.1);
  expect(allowed / asked).toBeLessThan(0.9);
});

const SUBJECTS = `subjects:
  Doc: { actions: [read, update], attributes: { id: id, owner: id, title: string, tags: list(string), at: datetime, place: scope } }
roles:
  member:
`;
const SAM: PrincipalFacts = { id: 'sam', email: null };

function filterFor(
  rules: string,
  {
    field,
    principal = SAM,
    grants = [{ role: 'member', scope: null }],
  }: { field?: string; principal?: PrincipalFacts; grants?: readonly GrantFacts[] } = {},
): Filter {
  const engine = new Engine(parseBundle([{ path: 'policies/docs.yaml', text: SUBJECTS + rules }]));
  return engine.filter(engine.ability(principal, grants), 'read', 'Doc', field);
}

describe('a filter is', () => {
  const mine: Filter = { kind: 'equals', attribute: 'owner', value: 'sam' };
  const draft: Filter = { kind: 'equals', attribute: 'title', value: 'draft' };

  test('the allows together, without the denies', () => {
    const rules = `    allow:
      - { action: read, subject: Doc, where: { owner: '\${principal.id}' } }
      - { action: read, subject: Doc, where: { title: { exists: true } } }
    deny:
      - { action: read, subject: Doc, where: { title: draft } }
`;
    const allowed: Filter = { kind: 'or', filters: [expect.anything(), expect.anything()] as unknown as Filter[] };
    expect(filterFor(rules)).toEqual({ kind: 'and', filters: [allowed, { kind: 'not', filter: draft }] });
  });

  test('none where no rule allows, where nobody asks, and where a deny matches everything', () => {
    expect(filterFor(`    allow: [{ action: update, subject: Doc }]\n`)).toEqual(NONE);
    expect(filterFor(`    allow: [{ action: read, subject: Doc }]\n`, { grants: [] })).toEqual(NONE);
    const both = `    allow: [{ action: read, subject: Doc }]\n    deny: [{ action: read, subject: Doc }]\n`;
    expect(filterFor(both)).toEqual(NONE);
    const engine = new Engine(parseBundle([{ path: 'policies/docs.yaml', text: `${SUBJECTS}    allow: []\n` }]));
    expect(engine.filter(null, 'read', 'Doc')).toEqual(NONE);
    expect(engine.filter({ policyVersion: engine.version }, 'read', 'Doc')).toEqual(NONE);
  });

  test('all where a rule allows everything', () => {
    expect(filterFor(`    allow: [{ action: read, subject: Doc }]\n`)).toEqual(ALL);
  });

  test('bound to the scopes of the grants, unless the rule holds anywhere', () => {
    const grants = [
      { role: 'member', scope: 'acme' },
      { role: 'member', scope: 'globex' },
    ];
    const within: Filter = { kind: 'among', attribute: 'scopes', values: ['acme', 'globex'] };
    expect(filterFor(`    allow: [{ action: read, subject: Doc }]\n`, { grants })).toEqual(within);
    expect(filterFor(`    allow: [{ action: read, subject: Doc, within: any }]\n`, { grants })).toEqual(ALL);
  });

  test('of any field without one, and of that field with one', () => {
    const rules = `    allow: [{ action: read, subject: Doc, fields: [title], where: { owner: sam } }]
    deny: [{ action: read, subject: Doc, fields: [title], where: { title: draft } }]
`;
    expect(filterFor(rules)).toEqual(mine);
    expect(filterFor(rules, { field: 'title' })).toEqual(and([mine, not(draft)]));
    expect(filterFor(rules, { field: 'owner' })).toEqual(NONE);
    expect(filterFor(`    allow: [{ action: read, subject: Doc }]\n`, { field: 'vault' })).toEqual(NONE);
  });

  test('nothing for an allow whose template has no value, and everything denied for a deny', () => {
    const lacking = `where: { title: '\${principal.email}' }`;
    expect(filterFor(`    allow: [{ action: read, subject: Doc, ${lacking} }]\n`)).toEqual(NONE);
    const denying = `    allow: [{ action: read, subject: Doc }]\n    deny: [{ action: read, subject: Doc, ${lacking} }]\n`;
    expect(filterFor(denying)).toEqual(NONE);
    expect(filterFor(denying, { principal: { id: 'sam', email: 'draft' } })).toEqual(not(draft));
  });

  test('short: what is said twice stands there once, and what decides alone stands alone', () => {
    expect(or([mine, mine, NONE])).toEqual(mine);
    expect(or([mine, ALL])).toEqual(ALL);
    expect(and([mine, ALL, mine])).toEqual(mine);
    expect(and([mine, NONE])).toEqual(NONE);
    expect(and([mine, and([draft, mine])])).toEqual({ kind: 'and', filters: [mine, draft] });
    expect(or([mine, or([draft])])).toEqual({ kind: 'or', filters: [mine, draft] });
    expect([or([]), and([]), not(ALL), not(NONE), not(not(mine))]).toEqual([NONE, ALL, NONE, ALL, mine]);
  });
});
